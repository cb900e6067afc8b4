"""The half of the campaign form that says who gets it: a pasted list, or contacts of saved ones.

The other half, the message, comes as a ``Draft`` that was found good. A fault is shown at the field that
caused it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quart import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from mailing.accounts.roles import Permission
from mailing.campaigns import queries as campaigns
from mailing.contacts import lists as saved
from mailing.contacts.audiences import Audience
from mailing.contacts.conditions import OWN, AudienceError, Condition, Op
from mailing.core.reasons import Reason
from mailing.lists import surveys
from tasks.commands import campaigns as commands
from webapp.campaigns import draft_views
from webapp.http import auth, params
from webapp.http.list_process import CrowdedError, Edit
from webapp.http.services import services
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _, ngettext
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import Environment
    from sqlalchemy import Connection

    from mailing.campaigns.drafts import Draft
    from mailing.campaigns.queries import Campaign
    from tasks.commands.campaigns import Change

blueprint = Blueprint("recipients_form", __name__)
LISTS = 100  # that the form offers
CAMPAIGNS = 30
FIELDS = 200
_FAULTS: Mapping[str, str] = {  # of which field a reason tells, where it is not of the lists
    "audience.no-field-chosen": "where",
    "audience.no-field": "where",
    "audience.no-number": "where",
    "audience.value-too-long": "where",
    "audience.wrong-sample": "sample",
}


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody chose of the saved lists, as the form or the address of the page holds it."""

    from_lists: bool
    lists: Sequence[int]
    minus_lists: Sequence[int]
    minus_campaigns: Sequence[int]
    field: str
    op: str
    value: str
    sample: str

    @property
    def audience(self) -> Audience:
        """What is to be taken. Raises ``AudienceError``."""
        op = Op(self.op) if self.op in set(Op) else Op.EQUALS
        sample = int(self.sample) if params.is_id(self.sample) else None
        if self.sample and sample is None:
            raise AudienceError(Reason("audience.wrong-sample", most=saved.CONTACTS_MAX))
        return Audience(
            lists=tuple(self.lists),
            minus_lists=tuple(self.minus_lists),
            minus_campaigns=tuple(self.minus_campaigns),
            where=Condition(self.field, op, self.value) if self.field else None,
            sample=sample,
        )


def install(env: Environment) -> None:
    """Give the templates the words of conditions."""
    env.globals.update(condition_words=_words)


async def shown(campaign: Campaign | None, typed: Mapping[str, str]) -> dict[str, Any]:
    """Return what ``campaigns/_recipients.html`` needs besides the texts that were typed.

    Where nothing was sent yet, the address of the page may choose: ``?lists=3``.
    """
    chosen = _typed(typed if isinstance(typed, MultiDict) else request.args)
    return {"chosen": chosen} | await services().read(_offers, campaign, chosen)


async def faults(form: MultiDict[str, str], campaign: Campaign | None) -> dict[str, str]:
    """Return what is wrong with the recipients, by the name of the form's field."""
    typed = _typed(form)
    if typed.from_lists and (typed.lists or campaign is None):
        try:
            _audience = typed.audience
        except AudienceError as error:
            return unfit(error)
    elif campaign is None and not form.get("recipients", "").strip():
        return {"recipients": _("Add at least one recipient.")}
    return {}


def unfit(error: AudienceError) -> dict[str, str]:
    """Return why nobody can be taken from the lists, by the name of the form's field."""
    return {_FAULTS.get(error.reason.code, "lists"): say_why(error)}


async def create(form: MultiDict[str, str], draft: Draft) -> Change:
    """Store a draft with its recipients.

    Raises ``CrowdedError`` if too many lists wait, and ``AudienceError`` if the saved ones give nobody.
    """
    typed = _typed(form)
    given = typed.audience if typed.from_lists else form["recipients"]
    return await services().lists.create(auth.person(), draft, given)


async def revise(form: MultiDict[str, str], campaign: Campaign, draft: Draft) -> Change:
    """Change a draft; it keeps its list if the box is empty, or no list is chosen.

    Raises what ``create`` does, and ``NotAllowed`` if it is too late.
    """
    typed, pasted = _typed(form), form.get("recipients", "")
    seen, actor = draft_views.revision(form), auth.person()
    if not (typed.lists if typed.from_lists else pasted.strip()):
        return await asyncio.to_thread(commands.revise, services().db, actor, campaign.id, draft, seen=seen)
    edit = Edit(campaign.id, seen, draft, typed.audience if typed.from_lists else pasted)
    if form.get("list") == "add":
        change, added = await services().lists.add(actor, edit)
        receipts.grown(added)
        return change
    return await services().lists.revise(actor, edit)


@blueprint.get("/campaigns/audience")
@auth.needs(Permission.WRITE)
async def audience() -> Response:
    """Say in a sentence how many recipients the chosen lists give."""
    typed = _typed(request.args)
    try:
        n = await services().lists.count(typed.audience) if typed.lists else 0
        said = ngettext("%(n)s recipient", "%(n)s recipients", n) if typed.lists else ""
    except AudienceError as error:
        said = say_why(error)
    except CrowdedError as crowded:
        said = str(crowded.description)
    return Response(said, content_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-store"})


def _typed(given: Mapping[str, str]) -> Typed:
    chosen = given if isinstance(given, MultiDict) else MultiDict(given)
    ids = {
        name: [*dict.fromkeys(int(one) for one in chosen.getlist(name) if params.is_id(one))]
        for name in ("lists", "minus_lists", "minus_campaigns")
    }
    return Typed(
        from_lists=chosen.get("source", "lists" if ids["lists"] else "") == "lists",
        **ids,
        field=chosen.get("field", "").strip(),
        op=chosen.get("op", ""),
        value=chosen.get("value", ""),
        sample=chosen.get("sample", "").strip(),
    )


def _offers(connection: Connection, campaign: Campaign | None, chosen: Typed) -> dict[str, Any]:
    offered = {it.id: it for it in saved.latest(connection, limit=LISTS)}
    offered |= saved.several(connection, (*chosen.lists, *chosen.minus_lists))
    found = sorted(offered.values(), key=lambda it: it.name.casefold())
    fields = dict.fromkeys((*OWN, *(field for it in found for field in it.fields)))
    return {
        "saved": found,
        "sent": campaigns.begun(connection, limit=CAMPAIGNS) if found else (),
        "known_fields": [*fields][:FIELDS],
        "skipped": surveys.load(connection, campaign.id).remarks["refused"] if campaign else 0,
    }


def _words() -> Mapping[str, str]:
    return {
        Op.EQUALS: _("is"),
        Op.IS_NOT: _("is not"),
        Op.CONTAINS: _("contains"),
        Op.IS_EMPTY: _("is empty"),
        Op.GREATER: _("is greater than"),
        Op.LESS: _("is less than"),
    }
