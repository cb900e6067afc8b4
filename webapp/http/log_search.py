"""What of the email log is asked for: the same words in the addresses of pages, of exports and of the API."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from mailing.core.states import AttemptResult
from mailing.reports.log.walks import Key, Search
from webapp.http import params
from webapp.i18n.languages import _

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

NAMES = ("state", "q", "domain", "code", "enhanced", "campaign", "from", "to")
CODE = re.compile("[2-5][0-9]{2}")
ENHANCED = re.compile("[245][.][0-9]{1,3}[.][0-9]{1,3}")
PLACE = re.compile("[0-9]+[.][0-9]+")
_OFFSET = re.compile(r"(T\S+) (\d\d:?\d\d)")  # a plus that nobody encoded comes as a space
_LENGTHS = {len("2026-11-22"): timedelta(days=1), len("2026-11-22T14:02"): timedelta(minutes=1)}
_FIRST_YEAR, _LAST_YEAR = 1970, 9998


@dataclass(frozen=True, slots=True)
class Asked:
    """A search as it was written, as it was understood, and what in it was not, by name."""

    written: Mapping[str, str]
    search: Search
    faults: Mapping[str, str]


def read(given: Mapping[str, str], zone: tzinfo) -> Asked:
    """Read a search. A time without an offset is in ``zone``; a day or a minute is meant as a whole."""
    written = {name: text for name in NAMES if (text := params.words(given.get(name, "")))}
    faults: dict[str, str] = {}
    state, code, campaign = (written.get(name, "") for name in ("state", "code", "campaign"))
    if state and state not in set(AttemptResult):
        faults["state"] = _(
            "Unknown state %(name)s. Use one of: %(known)s.",
            name=repr(state[:40]),
            known=", ".join(AttemptResult),
        )
    if code and not CODE.fullmatch(code):
        faults["code"] = _("A reply code has three digits, such as 550.")
    enhanced = written.get("enhanced", "")
    if enhanced and not ENHANCED.fullmatch(enhanced):
        faults["enhanced"] = _("An enhanced status code has three numbers, such as 5.1.1.")
    if campaign and not params.is_id(campaign):
        faults["campaign"] = _(
            "“%(name)s” must be a whole number (got %(text)s).", name="campaign", text=repr(campaign[:40])
        )
    times = {}
    for name, ending in (("from", False), ("to", True)):
        times[name] = moment(written[name], zone, ending=ending) if name in written else None
        if name in written and times[name] is None:
            faults[name] = _(
                "“%(name)s” must be a time such as %(example)s.", name=name, example="2026-11-22T14:02"
            )
    search = Search() if faults else Search(
        campaign_id=int(campaign) if campaign else None,
        result=AttemptResult(state) if state else None,
        address=written.get("q", ""),
        domain=written.get("domain", "").removeprefix("@"),
        code=int(code) if code else None,
        enhanced=enhanced,
        since=times["from"],
        until=times["to"],
    )  # fmt: skip
    return Asked(written, search, faults)


def read_key(text: str) -> Key | None:
    """Return the place in the log that ``text`` names, like 1795356131034.17; None if it names none."""
    parts = text.split(".") if PLACE.fullmatch(text) else []
    return Key(*map(int, parts)) if parts and all(map(params.is_id, parts)) else None


def write_key(key: Key | None) -> str:
    """Return how an address names a place in the log; empty for none."""
    return f"{key.ended_at}.{key.id}" if key else ""


def moment(text: str, zone: tzinfo, *, ending: bool) -> int | None:
    """Read a time: ms since 1970, of the end of what was named if that is wanted; None if it is no time."""
    try:
        moment = datetime.fromisoformat(_OFFSET.sub(r"\1+\2", text))
        if ending:
            moment += _LENGTHS.get(len(text), timedelta(seconds=1))
    except (ValueError, OverflowError):
        return None
    if not _FIRST_YEAR < moment.year < _LAST_YEAR:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC).timestamp() * 1000)
