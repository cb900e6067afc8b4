"""The flight recorder: one recipient's page, with each of its tries and its message as it was composed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quart import Blueprint, Response, abort, render_template

from mailing.accounts.roles import Permission
from mailing.bounces.reading import Kind
from mailing.campaigns import queries as campaigns
from mailing.campaigns import versions
from mailing.core.clock import now_ms
from mailing.core.states import RecipientState
from mailing.foreign import mail as foreign_mail
from mailing.foreign import pictures
from mailing.messages import attachments, compose
from mailing.messages.compose import ComposeError, MergeError
from mailing.redis import events
from mailing.reports import recipient_record
from mailing.writing import sanitizing
from webapp.http import auth, params
from webapp.http.security import MESSAGE_HEADERS
from webapp.http.services import services
from webapp.i18n.languages import N_, _
from webapp.live.hub import UPDATE_S, Viewer
from webapp.live.sse import BEAT_S, respond

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.reports.log.email_log import LogRow
    from mailing.reports.recipient_record import Record
    from webapp.http.services import Services
    from webapp.live.regions import Board

blueprint = Blueprint("recorder", __name__)
BAR_WIDTH = 1000
_ONE = "/campaigns/<id:campaign_id>/recipients/<id:recipient_id>"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the time that a try took, and its place in a bar that is as long as the longest try."""

    label: str
    ms: int
    x: float
    width: float
    opacity: float


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
async def show(campaign_id: int, recipient_id: int) -> str:
    """Show all that is known about one recipient; came one from a state's list, it leads on in that."""
    state = params.state(RecipientState)
    record = await _record(campaign_id, recipient_id, state)
    data, fault = await services().read(_compose, record)
    return await render_template(
        "campaigns/recipient.html",
        section="campaigns",
        fault=fault,
        state=state,
        preview=data and await asyncio.to_thread(foreign_mail.read, data),
        source=attachments.abridged(data.decode("utf-8", "replace")),
        stream=services().at(f"/campaigns/{campaign_id}/recipients/{recipient_id}/stream"),
        **_shown(record),
    )


@blueprint.get(f"{_ONE}/stream")
@auth.needs(Permission.READ)
async def stream(campaign_id: int, recipient_id: int) -> Response:
    """Tell the page what changes."""
    await _record(campaign_id, recipient_id)
    svc = services()
    key = ("recipient", campaign_id, recipient_id)
    return respond(key, lambda board: _fill(svc, board, campaign_id, recipient_id))


@blueprint.get(f"{_ONE}/html")
@auth.needs(Permission.READ)
async def html(campaign_id: int, recipient_id: int) -> Response:
    """Send the message's HTML part alone, for the frame: nothing in it runs."""
    data = await _message(campaign_id, recipient_id)
    shown = await asyncio.to_thread(_harmless, data)
    return Response(shown, content_type="text/html; charset=utf-8", headers=MESSAGE_HEADERS)


@blueprint.get(f"{_ONE}.eml")
@auth.needs(Permission.READ)
async def eml(campaign_id: int, recipient_id: int) -> Response:
    """Send the message as it goes over the line."""
    name = f"volley-{campaign_id}-{recipient_id}.eml"
    return Response(
        await _message(campaign_id, recipient_id),
        content_type="message/rfc822",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _record(campaign_id: int, recipient_id: int, state: RecipientState | None = None) -> Record:
    record = await services().read(recipient_record.load, campaign_id, recipient_id, state)
    if record is None:
        abort(
            404, _("Campaign %(id)s has no recipient %(recipient)s.", id=campaign_id, recipient=recipient_id)
        )
    return record


async def _message(campaign_id: int, recipient_id: int) -> bytes:
    record, version = await _record(campaign_id, recipient_id), params.number("version")
    data, fault = await services().read(_compose, record, version)
    if fault:
        abort(404, fault)
    return data


async def _fill(svc: Services, board: Board, campaign_id: int, recipient_id: int) -> None:
    viewer, channel = Viewer([recipient_id]), events.channel(campaign_id)
    async with svc.hub.listening(viewer, channel):
        record = await svc.read(recipient_record.load, campaign_id, recipient_id)
        while record and not viewer.ended:
            board.show("#record", "campaigns/_record.html", **_shown(record))
            await board.turn()
            news = await viewer.news(BEAT_S)
            if news and news.rows:
                record = await svc.read(recipient_record.load, campaign_id, recipient_id)
            await viewer.rest(UPDATE_S)


def _harmless(data: bytes) -> str:
    mail = foreign_mail.read(data)
    return sanitizing.harmless(pictures.in_place(mail)) if mail.html else ""


def _compose(connection: Connection, record: Record, version: int | None = None) -> tuple[bytes, str]:
    """Return the message with the date of the last try, or why it cannot be composed.

    It is the version of that try, unless another one is asked for.
    """
    last = record.attempts[0].version if record.attempts else None
    campaign, person = versions.at(connection, record.campaign, version or last), record.person
    date = record.attempts[0].started_at if record.attempts else now_ms()
    try:
        message = campaigns.whole_message(connection, campaign)
        prepared = compose.prepare(message, token=campaign.token, domain=None)
        return prepared.fill(person.id, person.email, person.name, person.fields, date).data, ""
    except (ComposeError, MergeError) as error:
        return b"", str(error)


_REPORTS = {
    Kind.BOUNCED: N_("Bounced"),
    Kind.DELAYED: N_("Delayed by the receiver"),
    Kind.COMPLAINED: N_("Reported as spam"),
    Kind.UNSUBSCRIBED: N_("Unsubscribed"),
    Kind.REPLIED: N_("Automatic reply"),
    Kind.OTHER: N_("Message from the receiver"),
}


def _shown(record: Record) -> Mapping[str, object]:
    longest = max((row.took_ms for row in record.attempts if row.worker), default=0)
    return {
        "record": record,
        "campaign": record.campaign,
        "person": record.person,
        "report_kinds": {kind: _(label) for kind, label in _REPORTS.items()},
        "tries": [(row, _parts(row, longest)) for row in record.attempts],
    }


def _parts(row: LogRow, longest: int) -> Sequence[Part]:
    parts, x = [], 0.0
    for (label, ms), opacity in zip(_spent(row).items(), _OPACITIES, strict=True):
        width = ms * BAR_WIDTH / longest if longest else 0.0
        parts.append(Part(_(label), ms, round(x, 1), round(width, 1), opacity))
        x += width
    return [part for part in parts if part.ms]


def _spent(row: LogRow) -> Mapping[str, int]:
    """Return on what a try spent its time, in ms: the parts of all that it took."""
    parts = {_CONNECT: row.connect_ms or 0, _ENVELOPE: row.envelope_ms or 0, _DOT: row.dot_ms or 0}
    return parts | {_REST: row.took_ms - sum(parts.values()) if row.worker else 0}


_CONNECT = N_("Connecting")
_ENVELOPE = N_("Envelope")
_DOT = N_("Final reply")
_REST = N_("Other")
_OPACITIES = (0.3, 0.55, 0.9, 0.12)
