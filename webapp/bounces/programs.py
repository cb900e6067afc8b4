"""Bounces for programs: reports are listed and taken in, and the rules of what follows read and changed."""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum
from typing import TYPE_CHECKING

from quart import Response, request

from mailing.accounts.roles import Permission
from mailing.bounces import following, store
from mailing.bounces.following import DAYS, TIMES, Rule
from mailing.bounces.reading import Kind
from mailing.core.bounds import LARGEST_ID
from tasks.commands import bounces as commands
from tasks.commands.bounces import Message
from webapp.http import auth, forms, problems
from webapp.http.problems import Fault, Problem
from webapp.http.services import services
from webapp.openapi import fields, operations
from webapp.openapi.fields import BEFORE_ID, LIMIT, Field, Name, Number, OneOf, State, Text, Whole
from webapp.openapi.operations import Answer, described
from webapp.openapi.shapes import bounces as shapes
from webapp.ui import formats

if TYPE_CHECKING:
    from mailing.bounces.recording import Recorded
    from mailing.bounces.store import Kept

TOPIC = "Bounces"
blueprint = operations.blueprint("api_bounces")


class Encoding(StrEnum):
    """How a message stands in JSON."""

    TEXT = "text"
    BASE64 = "base64"


_LISTED = (
    Field("kind", State(Kind), "Only those of this kind."),
    Field("campaign", Number(range(1, LARGEST_ID + 1)), "Only those of this campaign."),
    BEFORE_ID,
    LIMIT,
)
_NEW = (
    Field(
        "message",
        Text("Give the whole message with its header."),
        "The whole message as it came, with its header.",
        missing="Give the message.",
        example="From: MAILER-DAEMON@example.com\r\nSubject: Undelivered Mail Returned to Sender\r\n\r\n",
    ),
    Field(
        "encoding",
        OneOf(Encoding),
        "`base64` where the message is not UTF-8 text.",
        usual=Encoding.TEXT,
    ),
    Field("to", Text(), "The address that it was sent to, if its header lacks it.", usual=""),
)
_RULE = (
    Field("of", Name(tuple(map(str, following.USUAL))), "Of what.", missing="Name what it follows from."),
    Field(
        "times",
        Whole(TIMES, f"Must be from 0 to {TIMES.stop - 1}."),
        "In this many campaigns it happens before the address is suppressed; 0: never.",
        missing="Give the number of campaigns.",
    ),
    Field("days", Whole(DAYS, f"Must be from 1 to {DAYS.stop - 1}."), "Within this many days.", usual=30),
)


@blueprint.get("/bounces")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("A page of reports.", shapes.ReportPage)}, query=_LISTED)
async def list_bounces() -> Response:
    """List what came back, the latest first."""
    asked = fields.query(request.args, _LISTED)
    limit = asked["limit"]
    found = await services().read(
        store.find,
        kind=asked["kind"],
        campaign_id=asked["campaign"],
        before=asked["before"],
        limit=limit + 1,
    )
    shown = found[:limit]
    more = shown[-1].id if len(found) > len(shown) else None
    return operations.in_json({"bounces": [_shown(it) for it in shown], "next": more})


@blueprint.post("/bounces")
@auth.needs(Permission.LISTS)
@described(TOPIC, {201: Answer("It is recorded.", shapes.RecordedReport)}, bodies={"": _NEW})
async def create_bounce() -> Response:
    """Take in a bounce or a spam report, as it came.

    It is recorded once, however often it comes, beside the state of its recipient.
    """
    asked = fields.body(await forms.body(forms.LONGEST), _NEW, '{"message": "From: ..."}')
    raw = asked["message"].encode("utf-8", "replace")
    if asked["encoding"] is Encoding.BASE64:
        try:
            raw = base64.b64decode("".join(asked["message"].split()), validate=True)
        except (binascii.Error, ValueError):
            raise problems.invalid([Fault("message", "It is not base64.", "request.invalid-field")]) from None
    message = Message(raw, asked["to"])
    (recorded,) = await services().do(commands.take, auth.program(), [message], "api")
    return operations.in_json(_told(recorded), 201)


@blueprint.get("/bounces/<id:report_id>")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("The report.", shapes.Report)})
async def get_bounce(report_id: int) -> Response:
    """Return a report."""
    found = await services().read(store.get, report_id)
    if found is None:
        raise Problem(404, f"Report {report_id} does not exist.", "bounce.not-found")
    return operations.in_json(_shown(found))


@blueprint.get("/bounces/rules")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("The rules.", shapes.BounceRules)})
async def list_bounce_rules() -> Response:
    """List the rules for bounces and complaints."""
    rules = await services().read(following.rules)
    return operations.in_json(
        {"rules": [{"of": of, "times": it.times, "days": it.days} for of, it in rules.items()]}
    )


@blueprint.post("/bounces/rules")
@auth.needs(Permission.LISTS)
@described(TOPIC, {200: Answer("The rule as it is now.", shapes.BounceRule)}, bodies={"": _RULE})
async def change_bounce_rule() -> Response:
    """Change the rule for a class of bounces, or from complaints."""
    asked = fields.body(await forms.body(forms.SHORT), _RULE, '{"of": "soft", "times": 3, "days": 30}')
    rule = Rule(asked["times"], asked["days"])
    await services().do(commands.change_rule, auth.program(), asked["of"], rule)
    return operations.in_json({"of": asked["of"], "times": rule.times, "days": rule.days})


def _shown(it: Kept) -> shapes.Report:
    return {
        "id": it.id,
        "received_at": formats.iso(it.received_at),
        "kind": it.kind,
        "campaign": it.campaign_id,
        "recipient": it.recipient_id,
        "email": it.email,
        "matched_by": it.matched_by,
        "cause": it.cause,
        "bounce_class": it.cause.bounce_class if it.cause else None,
        "status": it.status,
        "diagnostic": it.diagnostic,
        "named": it.named,
        "reporter": it.reporter,
        "sender": it.sender,
        "subject": it.subject,
    }


def _told(it: Recorded) -> shapes.RecordedReport:
    return {
        "id": it.id,
        "kind": it.kind,
        "new": it.new,
        "campaign": it.matched.campaign_id if it.matched else None,
        "recipient": it.matched.id if it.matched else None,
        "cause": it.cause,
        "counted": it.counted,
        "suppressed": it.suppressed,
        "unsubscribed": it.left,
    }
