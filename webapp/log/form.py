"""The form of the email log: what is written in it, what that asks for, its faults, its filters as chips."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mailing.core.states import AttemptResult
from mailing.reports.log import search_box
from mailing.reports.log.search_box import Kind, Term
from mailing.reports.log.walks import Search
from webapp.http import log_search, params
from webapp.i18n.languages import N_, _
from webapp.ui import badges

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import tzinfo

    from mailing.reports.log.email_log import Name

PERIODS: Mapping[str, tuple[int, str]] = {  # ms, label
    "hour": (3_600_000, N_("Last hour")),
    "day": (24 * 3_600_000, N_("Last 24 hours")),
    "week": (7 * 24 * 3_600_000, N_("Last 7 days")),
}
_CHOICES = ("state", "campaign", "period", "from", "to")
_FAULTS = {
    "state": N_("Choose a result from the list."),
    "campaign": N_("Choose a campaign from the list."),
    "from": N_("Enter a date and time, such as 2026-11-22T14:02."),
    "to": N_("Enter a date and time, such as 2026-11-22T14:02."),
}
_TERMS = {
    Kind.ADDRESS: N_("Address starts with %(text)s"),
    Kind.DOMAIN: N_("Domain %(text)s"),
    Kind.CODE: N_("Reply code %(text)s"),
    Kind.FAMILY: N_("Reply codes %(text)s"),
    Kind.ENHANCED: N_("Enhanced code %(text)s"),
    Kind.TEXT: N_("Reply or server contains %(text)s"),
}


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter that is on. ``without`` is what the form holds once it is removed."""

    label: str
    without: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LogForm:
    """A search of the log: its fields by name, the terms of its box, and the faults of fields by name.

    Without faults the box is written as it was understood, and a result in it has moved to its own field.
    """

    written: Mapping[str, str]
    terms: Sequence[Term]
    search: Search
    faults: Mapping[str, str]

    def chips(self, subjects: Mapping[int, Name]) -> Iterator[Chip]:
        """Yield a chip for each filter."""
        if self.faults:
            return
        for term in self.terms:
            text = f"“{term.value}”" if term.kind is Kind.TEXT else term.written
            rest = search_box.write(it for it in self.terms if it is not term)
            yield Chip(_(_TERMS[term.kind], text=text), {**self.written, "q": rest})
        for name in _CHOICES:
            if name in self.written:
                rest_ = {key: text for key, text in self.written.items() if key != name}
                yield Chip(self._label(name, subjects), rest_)

    @property
    def start(self) -> str:
        """A lone word that was read as the start of an address; empty if there is none."""
        return next((it.value for it in self.terms if it.kind is Kind.ADDRESS and "@" not in it.value), "")

    @property
    def in_replies(self) -> Mapping[str, str]:
        """The same search with ``start`` as text of the reply."""
        terms = (Term(Kind.TEXT, it.value) if it.value == self.start else it for it in self.terms)
        return {**self.written, "q": search_box.write(terms)}

    def _label(self, name: str, subjects: Mapping[int, Name]) -> str:
        text = self.written[name]
        match name:
            case "state":
                return badges.look(AttemptResult(text)).label
            case "campaign":
                named = subjects.get(int(text))
                return badges.titled(named) if named else _("Campaign %(id)s", id=text)
            case "period":
                return _(PERIODS[text][1])
            case "from":
                return _("From %(time)s", time=text.replace("T", " "))
            case _:
                return _("Until %(time)s", time=text.replace("T", " "))


def read(given: Mapping[str, str], zone: tzinfo, now: int) -> LogForm:
    """Read the form. Links may name terms of the box one by one: ``domain``, ``code`` and ``enhanced``."""
    fields = {
        name: params.words(given.get(name, "")) for name in (*_CHOICES, "q", "domain", "code", "enhanced")
    }
    domain = fields["domain"].removeprefix("@")
    parts = (fields["q"], domain and f"@{domain}", fields["code"], fields["enhanced"])
    box = " ".join(filter(None, parts))
    terms = search_box.read(box, {badges.look(it).label.lower(): it for it in AttemptResult})
    one = {term.kind: term.value for term in terms}
    fields |= {"state": one.get(Kind.RESULT, fields["state"]), "q": box}
    kinds = {"q": Kind.ADDRESS, "domain": Kind.DOMAIN, "code": Kind.CODE, "enhanced": Kind.ENHANCED}
    asked = log_search.read(fields | {name: one.get(kind, "") for name, kind in kinds.items()}, zone)
    faults = {name: _(_FAULTS[name]) for name in asked.faults if name in _FAULTS}
    if again := search_box.repeated(terms):
        faults["q"] = _("Only one of a kind at a time: remove %(text)s.", text=again.written)
    if fields["period"] and fields["period"] not in PERIODS:
        faults["period"] = _("Choose a period from the list.")
    search = asked.search
    if search.since is not None and search.until is not None and search.since >= search.until:
        faults["to"] = _("The end must be after the start.")
    terms = [term for term in terms if term.kind is not Kind.RESULT]
    written = {name: fields[name] for name in ("q", *_CHOICES) if fields[name]}
    if faults:
        return LogForm(written, terms, Search(), faults)
    if "q" in written:
        written["q"] = search_box.write(terms)
    period = PERIODS[fields["period"]][0] if fields["period"] else None
    search = replace(
        search,
        family=int(one[Kind.FAMILY]) if Kind.FAMILY in one else None,
        words=tuple(term.value for term in terms if term.kind is Kind.TEXT),
        since=search.since if period is None else max(search.since or 0, now - period),
    )
    return LogForm({name: text for name, text in written.items() if text}, terms, search, {})
