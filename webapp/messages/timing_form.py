"""The fields of a form that say when a campaign is sent and how urgent it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailing.core.clock import now_ms
from mailing.schedules.schedule import ANY_TIME, Asked, zones
from webapp.i18n.domain_texts import say
from webapp.i18n.languages import _
from webapp.ui import jinja

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.campaigns.queries import Campaign
    from mailing.schedules.schedule import Schedule

PRIORITIES = range(10)
_USUAL = 5
_AREAS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")


def typed(campaign: Campaign | None) -> dict[str, str]:
    """Return what the fields hold; the zone of whoever reads the page where a campaign has none."""
    its = campaign.schedule if campaign else ANY_TIME
    reader = jinja.reader_zone()[1]
    return {
        "send_at": its.local,
        "time_zone": its.time_zone or (reader if reader.casefold() in zones() else ""),
        "hours_from": its.hours.begin if its.hours else "",
        "hours_to": its.hours.end if its.hours else "",
        "priority": str(campaign.priority if campaign else _USUAL),
    }


def shown() -> Mapping[str, Any]:
    """Return what the template asks for: the zones to choose from."""
    return {"zones": [name for name in zones().values() if name.startswith(_AREAS)], "priorities": PRIORITIES}


def asked(form: Mapping[str, str]) -> Asked:
    """Return what a form asks for; what it does not name stays. A zone alone is asked for by nobody."""
    first, last = form.get("hours_from"), form.get("hours_to")
    hours = None if first is None or last is None else f"{first}-{last}" if first or last else ""
    return Asked(form.get("send_at"), form.get("time_zone"), hours)


def schedule(form: Mapping[str, str], old: Campaign | None) -> Schedule:
    """Return the schedule that a form describes; that of the ``old`` campaign where it is at fault."""
    return asked(form).judge(old.schedule if old else ANY_TIME, now_ms())[0]


def priority(form: Mapping[str, str], old: Campaign | None) -> int:
    """Return the priority that a form names."""
    given = form.get("priority", "").strip()
    if given in map(str, PRIORITIES):
        return int(given)
    return old.priority if old else _USUAL


def faults(form: Mapping[str, str], old: Campaign | None) -> dict[str, str]:
    """Return what is wrong, by the name of the form's field."""
    _new, found = asked(form).judge(old.schedule if old else ANY_TIME, now_ms())
    told = {"hours_from" if field == "hours" else field: say(reason) for field, reason in found.items()}
    if "priority" in form and form["priority"].strip() not in map(str, PRIORITIES):
        told["priority"] = _("Choose a priority from 0 (sent first) to 9.")
    return told
