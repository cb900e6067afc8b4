"""The half of a campaign's form that holds the message: what is typed in it, and what it makes of a draft."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from mailing.campaigns import sittings
from mailing.campaigns.drafts import Draft
from mailing.core.bounds import GIVE_UP_HOURS, GIVE_UP_USUALLY
from mailing.ledger.breaker import USUAL
from mailing.lists import surveys
from mailing.messages import compose, templates
from mailing.messages.compose import ComposeError
from mailing.senders.routes import USUAL as ROUTE
from mailing.suppression.list_fields import FIELD
from mailing.suppression.purposes import BULK
from mailing.writing.written import Writing, Written
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import N_, _
from webapp.messages import safeguards_form, timing_form
from webapp.senders import route_form
from webapp.suppression import purpose_form

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from werkzeug.datastructures import MultiDict

    from mailing.campaigns.queries import Campaign

WAYS: Mapping[Writing, str] = {
    Writing.PLAIN: N_("Plain text"),
    Writing.VISUAL: N_("Visual"),
    Writing.MARKDOWN: N_("Markdown"),
    Writing.SOURCE: "HTML",
    Writing.MJML: "MJML",
}
"""What the ways of writing are called, in the order in which a form offers them."""
_OWN = ("name", "email", FIELD)  # fields that each message can have
_HOURS = frozenset(map(str, GIVE_UP_HOURS))


def ways() -> Mapping[Writing, str]:
    """Return the ways of writing with their names in the language now."""
    return {way: _(name) for way, name in WAYS.items()}


class Fault(str):
    """What is wrong with a field. ``place`` is the line and column of a mark in it, like ``3:14``."""

    __slots__ = ("place",)
    place: str

    def __new__(cls, error: ComposeError) -> Self:
        """Tell of an error in the language now."""
        fault, values = super().__new__(cls, say_why(error)), error.reason.values
        fault.place = f"{values['line']}:{values.get('column', 1)}" if "line" in values else ""
        return fault


async def shown(campaign: Campaign | None) -> Mapping[str, Any]:
    """Return what the template asks for.

    These are the ways of writing by name, the fields of the list, and who else has the form open.
    """
    known = (await services().read(surveys.load, campaign.id)).shapes.fields if campaign else frozenset[str]()
    return {
        "ways": ways(),
        "fields": [*_OWN, *sorted(known - {*_OWN})],
        "other": sittings.other(campaign, auth.person().name) if campaign else "",
        **timing_form.shown(),
        **await route_form.shown(),
    }


def blank(sender_from: str) -> dict[str, str]:
    """Return what an empty form holds."""
    usual = {"from": sender_from, "writing": Writing.PLAIN, "give_up_hours": str(GIVE_UP_USUALLY)}
    usual |= safeguards_form.typed() | timing_form.typed(None)
    return usual | route_form.typed() | purpose_form.typed()


def of_written(written: Written) -> dict[str, str]:
    """Return what a form holds of what was written. HTML that there is none of was written as plain text."""
    bare = written.writing is Writing.SOURCE and not written.html
    return {
        "from": written.sender_from,
        "subject": written.subject,
        "preheader": written.preheader,
        "writing": Writing.PLAIN if bare else written.writing,
        "text": written.text,
        "html": written.html,
    }


def typed(campaign: Campaign) -> dict[str, str]:
    """Return what the form of a draft holds."""
    held = {"give_up_hours": str(campaign.give_up_hours)} | timing_form.typed(campaign)
    held |= safeguards_form.typed(campaign.breaker, campaign.canary) | route_form.typed(campaign.route)
    return of_written(campaign.written) | held | purpose_form.typed(campaign.purpose)


def draft(form: Mapping[str, str], old: Campaign | None = None) -> Draft:
    """Return the draft that a form describes, in the place of an ``old`` one.

    What the form does not name stays as it was. The body stays with a message that is now plain text, too:
    so nobody loses it who looks at the other ways of writing.
    """
    was = old.written if old else Written(sender_from="", subject="", writing=Writing.PLAIN)
    way = form.get("writing", was.writing)
    before = (old.breaker, old.canary) if old else (USUAL, 0)
    breaker, canary = safeguards_form.read(form, *before)
    return Draft(
        sender_from=form.get("from", "").strip(),
        subject=form.get("subject", "").strip(" \t"),
        text=form.get("text", ""),
        html=form.get("html", was.html),
        preheader=form.get("preheader", was.preheader).strip(),
        writing=Writing(way) if way in set(Writing) else was.writing,
        priority=timing_form.priority(form, old),
        schedule=timing_form.schedule(form, old),
        give_up_hours=int(hours) if (hours := _give_up_hours(form)) in _HOURS else GIVE_UP_USUALLY,
        breaker=breaker,
        canary=canary,
        route=route_form.read(form, old.route if old else ROUTE),
        purpose=purpose_form.read(form, old.purpose if old else BULK),
    )


async def faults(form: MultiDict[str, str], old: Campaign | None = None) -> dict[str, str]:
    """Return what is wrong with the message, by the name of the form's field."""
    new, found = draft(form, old), dict[str, str]()
    if not new.subject:
        found["subject"] = _("Enter a subject.")
    if lacking := new.written.lacks:
        found[lacking] = _("Enter a message.")
    if _give_up_hours(form) not in _HOURS:
        found["give_up_hours"] = _("Enter a whole number of hours, from 1 to %(most)s.", most=len(_HOURS))
    found |= safeguards_form.faults(form) | timing_form.faults(form, old) | purpose_form.faults(form)
    found |= await route_form.faults(form, old.route if old else ROUTE)
    for error in await asyncio.to_thread(errors, new):
        found.setdefault(error.field, Fault(error))
    return found


def errors(new: Draft) -> Sequence[ComposeError]:
    """Return why a message cannot be composed, one error of each part.

    The places that they name are in what was written, and not in what is made of it.
    """
    try:
        if new.writing is not Writing.PLAIN:
            templates.read("html", new.html)
        return compose.faults(new.message)
    except ComposeError as error:
        return [error]


def _give_up_hours(form: Mapping[str, str]) -> str:
    return form.get("give_up_hours", str(GIVE_UP_USUALLY)).strip()
