"""A campaign to try Volley with: 50 recipients whose addresses show what the demo inbox can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webapp.i18n.languages import _

if TYPE_CHECKING:
    from collections.abc import Mapping

PEOPLE = 50
_NAMES = ("Anna Ng", "Ben Ortiz", "Carl Lee", "Dora Kim", "Eve Sato", "Frida Holm", "Gil Amar", "Hal Roy")
_TRICKS: Mapping[int, str] = {  # place in the list -> what the demo inbox does with the email
    4: "+bounce",
    9: "+later",
    13: "+slow",
    18: "+full",
    22: "+bounce",
    26: "+slow",
    31: "+drop",
    35: "+later",
    40: "+slow",
    44: "+bounce",
    47: "+drop",
    49: "+slow",
}


def filled_in() -> Mapping[str, str]:
    """Return the fields of the form of a new campaign."""
    return {
        "from": "Ann Lee <ann@school.example>",
        "subject": _("Spring picnic, %(name)s", name="{{ name }}"),
        "text": _(
            "Dear %(name)s,\n\nthe picnic is on Saturday at noon, in the park behind the school.\n"
            "Please bring a blanket.\n\nYours,\nAnn Lee\n",
            name="{{ name }}",
        ),
        "recipients": "\n".join(map(_line, range(1, PEOPLE + 1))),
    }


def _line(place: int) -> str:
    name = _NAMES[place % len(_NAMES)]
    local = f"{name.lower().replace(' ', '.')}.{place}{_TRICKS.get(place, '')}"
    return f"{name} <{local}@one.example>"
