"""The message of a campaign before it is sent: as somebody gets it, sent as a test, and checked."""

from __future__ import annotations

import asyncio
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING

from mailing.accounts.roles import Permission
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core import reasons
from mailing.core.bounds import LARGEST_ID
from mailing.internet.findings import ORDER
from mailing.internet.names import Dns
from mailing.reports import checkup, preview
from mailing.reports.preview import NoMessageError
from tasks.commands import campaigns as commands
from webapp.http import auth, forms, problems
from webapp.http.problems import Fault, Problem
from webapp.http.services import services
from webapp.live import trials
from webapp.live.trials import BusyError
from webapp.openapi import dialogues, fields, operations
from webapp.openapi.fields import Either, Field, Flag, Text, Whole
from webapp.openapi.operations import Answer, described
from webapp.openapi.shapes import messages as shapes
from webapp.ui import formats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quart import Response

    from mailing.internet.findings import Finding
    from mailing.reports.preview import Preview
    from mailing.reports.recipient_record import Person
    from webapp.live.trials import Run

TOPIC = "Messages"
BUSY_S = 5
blueprint = operations.blueprint("api_messages")
_ONE = "/campaigns/<id:campaign_id>"
_TO = "Give the address to send the test to."
_LINKS = "Use true to open each link, or false to leave them alone."
_RECIPIENT = Field(
    "recipient",
    Either(
        (Whole(range(1, LARGEST_ID + 1), ""), Text()), "Must be the id or the address of a recipient of it."
    ),
    "The recipient whose data fill the message, by id or address. Default: the one in the list with the "
    "address `to`, or else the first.",
)
_PREVIEW = (
    _RECIPIENT,
    Field("to", Text(), "The address that would get it, in the list or not. Default: the recipient's."),
)
_TEST = (
    Field("to", Text(_TO), "Any address, in the list or not.", missing=_TO, example="me@example.org"),
    _RECIPIENT,
)
_PREFLIGHT = (
    Field("open_links", Flag(_LINKS), "True opens each link, which takes most of a minute.", usual=False),
)


@blueprint.post(f"{_ONE}/preview")
@auth.needs(Permission.WRITE)
@described(
    TOPIC,
    {200: Answer("The message.", shapes.MessagePreview)},
    bodies={"": _PREVIEW},
    refuses=(409,),
)
async def preview_message(campaign_id: int) -> Response:
    """Preview the message of a campaign as a recipient gets it, or as any address would.

    Nothing is sent. The message is composed as it will be: its text, HTML, header, and every byte of it.
    """
    svc = services()
    campaign = await svc.read(problems.the_campaign, campaign_id)
    asked = fields.body(await forms.body(forms.SHORT), _PREVIEW, '{"recipient": "ann@example.org"}')
    try:
        shown = await svc.read(preview.asked_for, campaign, asked["recipient"] or "", asked["to"] or "")
    except NoMessageError as error:
        raise _refused(error) from None
    return await asyncio.to_thread(lambda: operations.in_json(_preview(shown)))


@blueprint.post(f"{_ONE}/test")
@auth.needs(Permission.WRITE)
@described(
    TOPIC,
    {200: Answer("What became of it, with all that was said.", shapes.SentTest)},
    bodies={"": _TEST},
    refuses=(409,),
)
async def send_test(campaign_id: int) -> Response:
    """Send the message of a campaign to any address, now, as a test.

    The campaign and its recipients stay as they are. The response comes when the mail server has replied, or
    after a minute. If the server rejects the email or cannot be reached, the status is 200 all the same, and
    ``accepted`` is false. A key may send five tests, and another one every 15 seconds.
    """
    await services().read(problems.the_campaign, campaign_id)
    asked = fields.body(await forms.body(forms.SHORT), _TEST, '{"to": "me@example.org"}')
    try:
        run = await trials.begin(auth.program(), campaign_id, asked["to"], asked["recipient"] or "")
    except NoMessageError as error:
        raise _refused(error) from None
    except BusyError as busy:
        raise _later(503, busy.reason, BUSY_S) from None
    except NotAllowed as refusal:
        raise _later(429, refusal.reason, refusal.reason.values["n"]) from None
    await asyncio.wait([run.task])
    return operations.in_json(_sent(run))


@blueprint.post(f"{_ONE}/preflight")
@auth.needs(Permission.WRITE)
@described(TOPIC, {200: Answer("The findings.", shapes.Preflight)}, bodies={"": _PREFLIGHT})
async def check_message(campaign_id: int) -> Response:
    """Check a campaign before it is sent.

    It checks the merge fields of all recipients, the message as the first of them gets it, and the DNS
    records of the domain in ``from``. Findings do not keep a campaign from being sent.
    """
    svc = services()
    campaign = await svc.read(problems.the_campaign, campaign_id)
    asked = fields.body(await forms.body(forms.SHORT), _PREFLIGHT, '{"open_links": false}')
    looked = await svc.read(checkup.look, campaign)
    try:
        if asked["open_links"]:
            await svc.do(commands.begin_opening_links, auth.program(), campaign_id)
    except NotAllowed as refusal:
        raise _later(429, refusal.reason, refusal.reason.values["n"]) from None
    found = await checkup.ask(looked, Dns(at=svc.settings.dns), open_links=asked["open_links"])
    return operations.in_json(_preflight(found, len(looked.links), opened=asked["open_links"]))


def _refused(error: NoMessageError) -> Problem:
    """Return the answer where there is no message: a fault of the request, or of the campaign."""
    if not error.field:
        return problems.refused(error)
    field = "recipient" if error.field == "like" else error.field
    return problems.invalid([Fault.of(field, error.reason)])


def _later(status: int, reason: reasons.Reason, seconds: object) -> Problem:
    return Problem(HTTPStatus(status), str(reason), reason.code, headers={"Retry-After": str(seconds)})


def _person(it: Person) -> shapes.Person:
    return {"id": it.id, "email": it.email, "name": it.name}


def _preview(shown: Preview) -> shapes.MessagePreview:
    person, mail = shown.person, shown.mail
    assert person is not None
    assert mail is not None
    return {
        "recipient": _person(person),
        "to": shown.guest or person.email,
        "subject": mail.subject,
        "headers": [{"name": name, "value": value} for name, value in shown.headers],
        "text": mail.text,
        "html": mail.html,
        "files": [{"name": it.name, "type": it.kind, "size": it.size} for it in mail.attachments],
        "size": len(shown.data),
        "source": shown.data.decode(),
    }


def _sent(run: Run) -> shapes.SentTest:
    outcome = run.outcome
    if outcome is None:
        said = "Volley was stopped while the test was being sent. It may have arrived."
        raise Problem(503, said, "server.unavailable")
    wanted = run.trial
    assert wanted is not None
    return {
        "accepted": outcome.accepted,
        "reply": str(outcome.words),
        "reason_code": reasons.code(outcome.words),
        "to": wanted.to,
        "recipient": _person(wanted.person),
        "server": run.server,
        "began_at": formats.iso(run.began_at),
        "dialogue": list(map(dialogues.line, run.dialogue.lines)),
    }


def _preflight(found: Sequence[Finding], links: int, *, opened: bool) -> shapes.Preflight:
    counted = Counter(it.light for it in found)
    return {
        "findings": [
            {
                "severity": it.light,
                "detail": str(it.said),
                "code": it.said.code,
                "todo": str(it.todo) if it.todo else None,
                "todo_code": it.todo.code if it.todo else None,
            }
            for it in found
        ],
        "counts": {light.value: counted[light] for light in ORDER},  # type: ignore[misc]
        "links": links,
        "links_opened": opened,
    }
