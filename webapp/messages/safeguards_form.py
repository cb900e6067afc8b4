"""The fields of a campaign's form that say when it pauses by itself, and how many are sent first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.datastructures import MultiDict

from mailing.campaigns.canary import SIZES
from mailing.core.reasons import UnfitError
from mailing.ledger.breaker import USUAL, Breaker
from webapp.http import params
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.campaigns.queries import Campaign

_FIELDS = {
    "percent": "breaker_percent",
    "of_last": "breaker_of_last",
    "at_least": "breaker_at_least",
    "complaints": "breaker_complaints",
    "complaints_at_least": "breaker_complaints_at_least",
}
COMPLAINTS = "complaint_limit"
_FAULTS = {
    "breaker.percent": "percent",
    "breaker.window": "of_last",
    "breaker.never": "at_least",
    "breaker.complaints": "complaints",
    "breaker.complaints-at-least": "complaints_at_least",
}


def typed(breaker: Breaker | None = USUAL, canary: int = 0) -> dict[str, str]:
    """Return what the fields hold; the numbers of a limit that is off are the usual ones."""
    usual = USUAL.dump()
    fails, complains = bool(breaker and breaker.percent), bool(breaker and breaker.complaints)
    numbers = {name: n or usual[name] for name, n in (breaker or USUAL).dump().items()}
    held = {_FIELDS[name]: str(n) for name, n in numbers.items()}
    on = {"breaker": "on" if fails else "", COMPLAINTS: "on" if complains else ""}
    return held | on | {"canary": str(canary) if canary else ""}


def filled(form: Mapping[str, str], campaign: Campaign | None) -> Mapping[str, str]:
    """Return a form with these fields, also where it comes from a page or a program that had none."""
    if "safeguards" in form:
        return form
    whole = MultiDict(form) if isinstance(form, MultiDict) else dict(form)
    for name, value in (typed(campaign.breaker, campaign.canary) if campaign else typed()).items():
        whole.setdefault(name, value)
    return whole


def read(form: Mapping[str, str], breaker: Breaker | None, canary: int) -> tuple[Breaker | None, int]:
    """Return what a form says, and what was there where it says nothing, or nothing that can be used."""
    if "safeguards" not in form:
        return breaker, canary
    try:
        return _breaker(form), _canary(form)
    except UnfitError:
        return breaker, canary


def faults(form: Mapping[str, str]) -> dict[str, str]:
    """Return what is wrong, by the name of the form's field."""
    if "safeguards" not in form:
        return {}
    found = {}
    try:
        _breaker(form)
    except UnfitError as error:
        found[_FIELDS[_FAULTS[error.reason.code]]] = say_why(error)
    if _number(form, "canary") not in range(SIZES.stop):
        found["canary"] = _("Enter a whole number from 0 to %(most)s.", most=SIZES.stop - 1)
    return found


def _breaker(form: Mapping[str, str]) -> Breaker | None:
    """Return the limits that are on. A form of before, of version 1, has one switch for both."""
    fails = bool(form.get("breaker"))
    complains = bool(form.get(COMPLAINTS)) if form["safeguards"] != "1" else fails
    numbers = {} if fails else {"percent": 0}
    numbers |= {} if complains else {"complaints": 0}
    for name, field in _FIELDS.items():
        of_complaints = name.startswith("complaints")
        if (complains and field in form) if of_complaints else fails:
            numbers[name] = _number(form, field)
    if fails and not numbers["percent"]:
        numbers["percent"] = -1  # it would be off
    breaker = Breaker(**numbers)
    return None if breaker.idle else breaker


def _canary(form: Mapping[str, str]) -> int:
    n = _number(form, "canary")
    return n if n in range(SIZES.stop) else 0


def _number(form: Mapping[str, str], field: str) -> int:
    """Return a number; one that is always out of bounds where there is none."""
    text = form.get(field, "").strip()
    if field == "canary" and not text:
        return 0
    return int(text) if params.is_id(text) else -1
