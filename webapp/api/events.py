"""A campaign's emails as Server-Sent Events, for programs: every one, as it was published.

============  =======================================================================================
``snapshot``  first: the campaign as ``GET /campaigns/ID`` returns it. What follows may repeat it
(unnamed)     one email: ``campaign``, ``recipient``, ``email``, ``state``, ``attempt``, ``code``,
              ``enhanced``, ``reply``, ``reason_code``, ``worker``, and in milliseconds since 1970
              UTC ``started_at``, ``at``, ``due_at``. States are absolute, so one that comes twice is harmless
``beat``      nothing happened for a while; the server lives
``overflow``  events were lost: the program read too slowly, or Redis was away. The stream ends;
              connect again and read the recipients anew
``end``       the campaign is finished or canceled and nothing of it is in flight: how it stands
============  =======================================================================================

A stream that ends without ``end`` was cut: connect again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError

from mailing.core.states import CampaignState, RecipientState
from mailing.redis import events
from webapp.live.hub import Feed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from webapp.live.hub import Happened, Hub

    Read = Callable[[], Awaitable[Mapping[str, Any]]]

BEAT_S = 1.0
_ENDED = frozenset({CampaignState.FINISHED, CampaignState.CANCELED})
_LOST = {"detail": "Events were lost. Reconnect and read the recipients again."}

log = structlog.get_logger(__name__)


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
    """Pass events on. The end is told only after a silence: another worker's last news may come late."""
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
