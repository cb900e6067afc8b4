"""Server-Sent Events: what open pages are told, as it happens.

A stream begins with everything live on its page, then sends only the regions that changed. Unnamed
messages hold ``<hx-partial>`` elements, which htmx swaps into their targets; the named ``beat`` says
that the server lives and whether news flow (``live``) or the database is read instead (``away``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from markupsafe import Markup
from quart import Blueprint, Response, abort, current_app
from sqlalchemy.exc import SQLAlchemyError

from mailing import campaigns, events, history
from mailing.models import now_ms
from mailing.states import CampaignState, RecipientState
from webapp import asking, standing
from webapp.live import Viewer
from webapp.rendering import base_context
from webapp.security import csrf_field
from webapp.services import services

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from mailing.campaigns import Campaign
    from webapp.services import Services

blueprint = Blueprint("streams", __name__)
log = structlog.get_logger(__name__)

BEAT_S = 2.0
LIST_UPDATE_S = 1.0
CAMPAIGNS_PER_PAGE = 20
ROWS_PER_PAGE = 50
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # a proxy must pass each message on at once
}


@blueprint.get("/campaigns/<id:campaign_id>/stream")
async def campaign_stream(campaign_id: int) -> Response:
    """Tell one campaign page what changes: its ledger, its latest results and the rows it shows."""
    rows, shown = asking.numbers("rows", ROWS_PER_PAGE), asking.state(RecipientState)
    if await services().read(campaigns.get, campaign_id) is None:
        abort(404, f"There is no campaign {campaign_id}.")
    return _respond(_campaign_messages(services(), _Renderer(services()), campaign_id, rows, shown))


@blueprint.get("/stream")
async def list_stream() -> Response:
    """Tell the list of campaigns what changes, and how many are newer than the ``newest`` it shows."""
    before, newest = asking.number("before"), asking.number("newest")
    return _respond(_list_messages(services(), _Renderer(services()), before, newest))


def message(text: str, event: str = "") -> bytes:
    """Return one message of a stream. A line break would end a ``data`` field, so each line gets its own."""
    lines = [f"event: {event}"] if event else []
    lines += [f"data: {line}" for line in text.splitlines()]
    return ("\n".join(lines) + "\n\n").encode()


async def _campaign_messages(
    the: Services, renderer: _Renderer, campaign_id: int, rows: tuple[int, ...], shown: RecipientState | None
) -> AsyncIterator[bytes]:
    viewer = Viewer(rows)
    channel = events.channel(campaign_id)
    async with the.hub.listening(viewer, channel):
        reading = the.hub.reading(channel, lambda: the.read(standing.load, campaign_id))
        changed, since = frozenset(rows), viewer.take().at
        states: dict[int, RecipientState] = {}
        while not viewer.ended:
            now = await reading.get(since)
            if now is None:
                return
            for row in await the.read(history.recipients_by_id, sorted(changed)):
                states[row.id] = row.state
                renderer.add(f"#r{row.id}", "_row.html", row=row, campaign=now.campaign)
            found = {"standing": now, "campaign": now.campaign, "shown": shown}
            found["notices"] = standing.notices(now, queue_away=the.hub.away)
            found["moved"] = sum(state is not shown for state in states.values()) if shown else 0
            for region in ("head", "notices", "ledger", "facts", "tail", "moved"):
                renderer.add(f"#{region}", f"_{region}.html", **found)
            if text := await renderer.changes():
                yield message(text)
            yield message("away" if the.hub.away else "live", "beat")
            news = await viewer.news(BEAT_S) or viewer.take()  # a rate falls even when nothing happens
            changed, since = news.rows, news.at


async def _list_messages(
    the: Services, renderer: _Renderer, before: int | None, newest: int | None
) -> AsyncIterator[bytes]:
    viewer = Viewer()
    followed = {events.ALL_CAMPAIGNS}
    while not viewer.ended:
        async with the.hub.listening(viewer, *followed):
            since = viewer.take().at
            reading = the.hub.reading(f"{events.ALL_CAMPAIGNS} before {before}", lambda: _list(the, before))
            wanted = followed
            while wanted == followed and not viewer.ended:
                page = await reading.get(since)
                for campaign in page:
                    renderer.add(f"#c{campaign.id}", "_campaign.html", campaign=campaign)
                fresh = 0 if newest is None else sum(campaign.id > newest for campaign in page)
                renderer.add("#news", "_news.html", fresh=fresh)
                if text := await renderer.changes():
                    yield message(text)
                yield message("away" if the.hub.away else "live", "beat")
                await viewer.rest(LIST_UPDATE_S)
                since = (await viewer.news(BEAT_S - LIST_UPDATE_S) or viewer.take()).at
                sending = (c.id for c in page if c.state is CampaignState.SENDING)
                wanted = {events.ALL_CAMPAIGNS, *map(events.channel, sending)}
        followed = wanted


async def _list(the: Services, before: int | None) -> Sequence[Campaign]:
    return await the.read(campaigns.latest, before=before, limit=CAMPAIGNS_PER_PAGE)


class _Renderer:
    """Renders regions outside of any request, and remembers what this viewer has, to send only changes."""

    def __init__(self, the: Services) -> None:
        self._env = current_app.jinja_env
        self._context = base_context(the) | {"csrf": csrf_field()}
        self._sent: dict[str, str] = {}
        self._waiting: dict[str, tuple[str, dict[str, Any]]] = {}

    def add(self, target: str, template: str, **context: Any) -> None:
        """Plan to show ``target`` anew."""
        self._waiting[target] = (template, context)

    async def changes(self) -> str:
        """Render what was planned; return what differs from what the viewer has."""
        parts, now = [], now_ms()
        for target, (template, context) in self._waiting.items():
            text = await self._env.get_template(template).render_async(self._context | {"now": now} | context)
            if self._sent.get(target) != text:
                self._sent[target] = text
                parts.append(
                    Markup('<hx-partial hx-target="{}" hx-swap="outerMorph">{}</hx-partial>').format(
                        target,
                        Markup(text),  # noqa: S704 - it comes from an autoescaping template
                    )
                )
        self._waiting.clear()
        return "\n".join(parts)


def _respond(messages: AsyncIterator[bytes]) -> Response:
    response = Response(_guarded(messages), headers=_HEADERS)
    response.timeout = None
    return response


async def _guarded(messages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """End a stream that cannot read the database; the page shows it, and connects again."""
    try:
        async for part in messages:
            yield part
    except SQLAlchemyError as error:
        log.warning("stream ended", error=str(error))
