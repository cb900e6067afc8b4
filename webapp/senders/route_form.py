"""The fields of a campaign's form that say by which senders it goes, and its own limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailing.senders import limits, routes, store
from mailing.senders.limits import LimitsError
from mailing.senders.routes import USUAL, Route
from mailing.senders.store import SenderError
from webapp.http import params
from webapp.http.services import services
from webapp.i18n.domain_texts import say_why
from webapp.senders import forms

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACES = ("sender_1", "sender_2", "sender_3")
_LIMITS = "limit_"


async def shown() -> Mapping[str, Any]:
    """Return what the template asks for: the senders, and how limits are called."""
    return {"senders": await services().read(store.every), "sender_places": PLACES, "UNITS": forms.UNITS}


def typed(route: Route = USUAL) -> dict[str, str]:
    """Return what the fields hold."""
    chosen = dict(zip(PLACES, map(str, route.senders or ()), strict=False))
    held = forms.of_limits(route.limits)
    return chosen | {f"{_LIMITS}{name}": value for name, value in held.items()}


def read(form: Mapping[str, str], old: Route = USUAL) -> Route:
    """Return what a form says, and what was there where it says nothing, or nothing that can be used.

    Further senders of a campaign than a form has places for stay.
    """
    if "route" not in form:
        return old
    try:
        bounds = _limits(form)
    except LimitsError:
        bounds = old.limits
    chosen = [int(text) for name in PLACES if params.is_id(text := form.get(name, ""))]
    chosen += (old.senders or ())[len(PLACES) :]
    return Route(tuple(dict.fromkeys(chosen)) or None, bounds)


async def faults(form: Mapping[str, str], old: Route = USUAL) -> dict[str, str]:
    """Return what is wrong, by the name of the form's field."""
    found: dict[str, str] = {}
    try:
        _limits(form)
    except LimitsError as error:
        found = {f"{_LIMITS}{name}": said for name, said in forms.limit_faults(error).items()}
    route = read(form, old)
    try:
        await services().read(routes.check, route)
    except SenderError as refusal:
        if route != old:
            found[PLACES[0]] = say_why(refusal)
    return found


def _limits(form: Mapping[str, str]) -> limits.Limits:
    return forms.read_limits({name.removeprefix(_LIMITS): text for name, text in form.items()})
