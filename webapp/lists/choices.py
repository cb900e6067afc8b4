"""What a person says about a file: how it is read, and what each of its columns is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.uploads import plans
from mailing.uploads.encodings import ENCODINGS
from mailing.uploads.plans import Format, Role
from mailing.uploads.reading import Choice
from webapp.i18n.languages import N_

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.uploads.plans import Plan
    from mailing.uploads.reading import Look

ROLES: Mapping[Role, str] = {
    Role.EMAIL: N_("Email address"),
    Role.NAME: N_("Name"),
    Role.FIRST_NAME: N_("First name"),
    Role.MIDDLE_NAME: N_("Middle name"),
    Role.LAST_NAME: N_("Last name"),
    Role.FIELD: N_("Merge field"),
    Role.FIELDS: N_("Merge fields in JSON"),
    Role.STANDING: N_("Status"),
    Role.SKIP: N_("Leave out"),
}
DELIMITERS: Mapping[str, str] = {
    ",": N_("Comma"),
    ";": N_("Semicolon"),
    "\t": N_("Tab"),
    "|": N_("Vertical bar"),
    "": N_("None: each line is one contact"),
}
_NONE = "none"  # an empty value of a form is one that nobody chose
WITH_ENCODING = frozenset({Format.CSV})
WITH_HEADER = frozenset({Format.CSV, Format.XLSX, Format.XLS, Format.ODS, Format.ZIP})


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the form said. ``shown`` is the reading that its columns were shown under."""

    choice: Choice
    shown: str
    roles: Mapping[int, Role]
    fields: Mapping[int, str]


def read(form: Mapping[str, str]) -> Chosen:
    """Read the form; what is no role is left to be guessed."""
    delimiter, header = form.get("delimiter"), form.get("header")
    return Chosen(
        Choice(
            encoding=form.get("encoding") or None,
            delimiter=None if delimiter is None else delimiter.replace(_NONE, ""),
            sheet=form.get("sheet") or None,
            header=None if header is None else header == "yes",
        ),
        form.get("shown", ""),
        {place: Role(text) for place, text in _numbered(form, "role-").items() if text in set(Role)},
        _numbered(form, "field-"),
    )


def reading(plan: Plan) -> str:
    """Return in a word how a file is read: two plans that differ in it have other columns."""
    return f"{plan.encoding}/{plan.delimiter!r}/{plan.sheet}/{plan.header}"


def planned(look: Look, chosen: Chosen) -> Plan:
    """Return the plan that was found, with the roles that were chosen for columns that are still the same.

    Raises ``UnfitError`` if the roles do not fit together.
    """
    plan = look.plan
    if chosen.shown != reading(plan) or not chosen.roles:
        return plan
    roles = [chosen.roles.get(place, column.role) for place, column in enumerate(plan.columns)]
    return plans.named(plan, roles, chosen.fields)


def encodings(plan: Plan) -> Mapping[str, str]:
    """Return the encodings that may be chosen, by Python's name."""
    return {plan.encoding: plan.encoding} | dict(ENCODINGS) if plan.format in WITH_ENCODING else {}


def delimiters(plan: Plan) -> Mapping[str, str]:
    """Return the delimiters that may be chosen, as the form writes them."""
    if plan.format is not Format.CSV:
        return {}
    known = {plan.delimiter: repr(plan.delimiter)} | dict(DELIMITERS)
    return {sign or _NONE: words for sign, words in known.items()}


def written_delimiter(plan: Plan) -> str:
    """Return the delimiter of a plan as the form writes it."""
    return plan.delimiter or _NONE


def _numbered(form: Mapping[str, str], start: str) -> dict[int, str]:
    found = {}
    for name, text in form.items():
        place = name.removeprefix(start)
        if place != name and place.isascii() and place.isdigit() and len(place) < 5:  # noqa: PLR2004
            found[int(place)] = text
    return found
