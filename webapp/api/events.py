"""A campaign's emails as Server-Sent Events, for programs: every one, as it was published.

The end is told only after a silence, for another worker's last news may come late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError

from mailing.accounts.roles import Permission
from mailing.core.states import CampaignState, RecipientState
from mailing.redis import events
from webapp.api import campaigns
from webapp.http import auth
from webapp.http.services import services
from webapp.live import sse
from webapp.live.hub import Feed
from webapp.openapi import operations
from webapp.openapi.operations import EVENTS, Answer, described
from webapp.openapi.shapes import campaigns as campaigns_shapes
from webapp.openapi.shapes import log as log_shapes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from quart import Response

    from webapp.live.hub import Happened, Hub

    Read = Callable[[], Awaitable[Mapping[str, Any]]]

blueprint = operations.blueprint("api_events")
BEAT_S = 1.0
_ENDED = frozenset({CampaignState.FINISHED, CampaignState.CANCELED})
_LOST = {"detail": "Events were lost. Reconnect and read the recipients again."}

log = structlog.get_logger(__name__)


@blueprint.get("/campaigns/<id:campaign_id>/events")
@auth.needs(Permission.READ)
@described(
    campaigns.TOPIC,
    {
        200: Answer(
            "A stream of events. Those without a name are `message`.",
            media=EVENTS,
            parts={
                "snapshot": campaigns_shapes.Campaign,
                "message": log_shapes.EmailEvent,
                "beat": log_shapes.Beat,
                "overflow": log_shapes.Overflow,
                "end": campaigns_shapes.Campaign,
            },
        )
    },
)
async def follow_campaign(campaign_id: int) -> Response:
    """Stream what happens to each email, until the campaign ends.

    The first event is ``snapshot``, the campaign as it is; later events may repeat it. ``beat`` comes
    every second in which nothing happens. ``overflow`` says that events were lost: connect again and read the
    recipients. ``end`` is the campaign, finished or canceled. A stream that ends without it was cut: connect
    again.
    """
    svc = services()
    await svc.read(campaigns.read, campaign_id)
    return sse.plain(campaign_events(svc.hub, campaign_id, lambda: svc.read(campaigns.read, campaign_id)))


class _Emails(Feed):
    """A feed of what happened to each email, without the rest."""

    def hear(self, happened: Happened) -> None:
        emails = [it for it in happened if it[1]["type"] == "recipient"]
        if emails:
            super().hear(emails)


async def campaign_events(hub: Hub, campaign_id: int, read: Read) -> AsyncGenerator[bytes, None]:
    """Yield the events of a campaign until it ends. ``read`` returns the campaign as it is now."""
    feed = _Emails()
    try:
        async with hub.listening(feed, events.channel(campaign_id)):
            feed.missed = False  # what came before the snapshot is in it
            yield _event("snapshot", await read())
            async for part in _follow(feed, read):
                yield part
    except SQLAlchemyError as error:
        log.warning("event stream ended", campaign_id=campaign_id, reason=str(error))


async def _follow(feed: Feed, read: Read) -> AsyncGenerator[bytes, None]:
    """Pass events on, until the end."""
    timeout_s = 0.0
    while not feed.ended:
        lines = await feed.lines(timeout_s)
        timeout_s = BEAT_S
        if feed.missed:
            yield _event("overflow", _LOST)
            return
        if lines:
            yield b"".join(b"data: %b\n\n" % line for line in lines)
            continue
        now = await read()
        if now["state"] in _ENDED and not now["counts"][RecipientState.SENDING]:
            yield _event("end", now)
            return
        yield _event("beat", {})


def _event(name: str, body: Mapping[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(body))
