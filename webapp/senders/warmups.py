"""Warm-ups of senders for programs: begun, changed, ended, and their calendar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts.roles import Permission
from mailing.core import reasons
from mailing.core.reasons import EntryError
from mailing.senders import store, warming, warmup
from mailing.senders.store import SenderError
from tasks.commands import senders as commands
from webapp.http import auth, forms, problems
from webapp.http.problems import Fault, Problem
from webapp.http.services import services
from webapp.openapi import fields, operations
from webapp.openapi.fields import Field, Whole
from webapp.openapi.operations import Answer, described
from webapp.openapi.shapes import senders as shapes

if TYPE_CHECKING:
    from quart import Response

    from mailing.senders.warmup import Plan

TOPIC = "Senders"
blueprint = operations.blueprint("api_warmups")
_ONE = "/senders/<id:sender_id>/warmup"
_EMAILS = Whole(warmup.FIRSTS, "Must be a whole number of emails from 1 to 10,000,000.")
_PLAN = (
    Field("first", _EMAILS, "How many emails on the first day.", usual=warmup.FIRST),
    Field(
        "growth",
        Whole(warmup.GROWTHS, "Must be a whole number of percent from 1 to 1,000."),
        "By how many percent each day grows; 100 doubles it.",
        usual=warmup.GROWTH,
    ),
    Field("target", _EMAILS, "The full volume of a day. Left out, it is the daily limit of the sender."),
)


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("The plan and its days.", shapes.WarmupCalendar)})
async def get_warmup(sender_id: int) -> Response:
    """Get the warm-up of a sender: how much left on each day, and how much may on those to come."""
    return await _told(sender_id)


@blueprint.put(_ONE)
@auth.needs(Permission.SENDERS)
@described(
    TOPIC,
    {200: Answer("The plan and its days.", shapes.WarmupCalendar)},
    bodies={"": _PLAN},
    refuses=(409,),
)
async def keep_warmup(sender_id: int) -> Response:
    """Start the warm-up of a sender, or change it.

    The daily cap grows once a day, after a day on which something was sent. A plan that stopped growing,
    because more than 5% of a day's emails failed or were put off, grows again.
    """
    asked = fields.body(await forms.body(forms.SHORT), _PLAN, '{"first": 50}')
    try:
        await services().do(commands.keep_warmup, auth.program(), sender_id, **asked)
    except EntryError as error:
        raise problems.invalid([Fault.of(name, it) for name, it in error.faults.items()]) from None
    except SenderError as refusal:
        raise _refused(refusal) from None
    return await _told(sender_id)


@blueprint.delete(_ONE)
@auth.needs(Permission.SENDERS)
@described(TOPIC, {200: Answer("There is none any more.", shapes.WarmupCalendar)}, refuses=(409,))
async def end_warmup(sender_id: int) -> Response:
    """End the warm-up of a sender: only its limits hold."""
    try:
        await services().do(commands.end_warmup, auth.program(), sender_id)
    except SenderError as refusal:
        raise _refused(refusal) from None
    return await _told(sender_id)


def planned(plan: Plan | None) -> shapes.Warmup | None:
    """Return a plan as programs get it."""
    if plan is None:
        return None
    return {
        "first": plan.first,
        "growth": plan.growth,
        "target": plan.target,
        "cap": plan.today,
        "stopped": str(plan.stopped),
        "stopped_code": reasons.code(plan.stopped),
    }


async def _told(sender_id: int) -> Response:
    account = await services().read(store.get, sender_id)
    if account is None:
        said = f"Sender {sender_id} does not exist. GET /api/v1/senders lists them."
        raise Problem(404, said, "sender.not-found")
    rows = await services().read(warming.calendar, account)
    days = [{"day": row.day, "cap": row.cap, "sent": row.sent} for row in rows]
    told = {"warmup": planned(account.warmup), "days": days}
    return operations.in_json(told)


def _refused(refusal: SenderError) -> Problem:
    if refusal.reason.code == "sender.not-found":
        return Problem(404, str(refusal), refusal.reason.code)
    return problems.refused(refusal)
