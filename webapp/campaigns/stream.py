"""What the open pages of campaigns are told: one campaign's page, and the list of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from quart import Blueprint, request

from mailing.accounts.roles import Permission
from mailing.campaigns import queries as campaigns
from mailing.core.states import CampaignState
from mailing.recipients import listing, received
from mailing.redis import events
from webapp.campaigns import list_view, notices, progress
from webapp.http import auth
from webapp.http.params import number, numbers
from webapp.http.services import services, the_campaign
from webapp.live.hub import Viewer
from webapp.live.sse import BEAT_S, respond
from webapp.messages import rehearsals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quart import Response

    from mailing.campaigns.queries import Campaign
    from mailing.core.states import RecipientState
    from webapp.campaigns.list_view import View
    from webapp.campaigns.progress import Standing
    from webapp.http.services import Services
    from webapp.live.regions import Board

blueprint = Blueprint("streams", __name__)

LIST_UPDATE_S = 1.0
RECEIVED_MS = 2_000  # how often it is read how a campaign is received
CAMPAIGNS_PER_PAGE = 20


@dataclass(frozen=True, slots=True)
class OpenPage:
    """A campaign's page in a browser: its view, the rows it shows, and the count that its view had then.

    One that ``follows`` shows the newest results instead, whichever they are.
    """

    campaign_id: int
    view: View
    rows: tuple[int, ...]
    known: int | None
    follows: bool


@blueprint.get("/campaigns/<id:campaign_id>/stream")
@auth.needs(Permission.READ)
async def campaign_stream(campaign_id: int) -> Response:
    """Tell one campaign page what changes: its ledger, its latest results and the rows it shows."""
    svc = services()
    shown, follows = numbers("rows", max(list_view.SIZES)), "follow" in request.args
    page = OpenPage(campaign_id, list_view.asked(), shown, number("known"), follows)
    await the_campaign(campaign_id)
    return respond(page, lambda board: _fill_campaign(svc, board, page))


@blueprint.get("/campaigns/stream")
@auth.needs(Permission.READ)
async def list_stream() -> Response:
    """Tell the list of campaigns what changes, and how many are newer than the ``newest`` it shows."""
    svc, before, newest = services(), number("before"), number("newest")
    return respond(("list", before, newest), lambda board: _fill_list(svc, board, before, newest))


async def _fill_campaign(svc: Services, board: Board, page: OpenPage) -> None:
    viewer, channel = Viewer(page.rows), events.channel(page.campaign_id)
    async with svc.hub.listening(viewer, channel):
        reading = svc.hub.reading(channel, lambda: svc.read(progress.load, page.campaign_id))
        changed, since = frozenset(page.rows), viewer.take().at
        pace, measured, counted = progress.Pace(), None, 0
        states: dict[int, RecipientState] = {}
        newest, moves = _Newest(svc, page), () if page.follows else ("moved",)
        while not viewer.ended:
            now = await reading.get(since)
            if now is None:
                return
            if page.follows:
                await newest.show(board, now)
            for row in await svc.read(listing.recipients_by_id, sorted(changed)):
                states[row.id] = row.state
                board.show(
                    f"#r{row.id}", "campaigns/_row.html", row=row, campaign=now.campaign, view=page.view
                )
            if measured != now.measured:
                measured = now.measured
                measuring = svc.hub.reading(f"{channel} {measured}", partial(svc.read, progress.pace, now))
                pace = await measuring.get(0)
                if now.campaign.rehearses is not None:
                    told = await rehearsals.found(svc, now.campaign)
                    board.show("#rehearsal", "campaigns/_rehearsal.html", campaign=now.campaign, **told)
                board.show("#charts", "campaigns/_charts.html", pace=pace, campaign=now.campaign)
            if counted != now.at // RECEIVED_MS:
                counted = now.at // RECEIVED_MS
                counting = partial(svc.read, received.both, page.campaign_id)
                both = await svc.hub.reading(f"{channel} received {counted}", counting).get(0)
                board.show("#received", "campaigns/_received.html", received=both)
            found = {
                "standing": now,
                "pace": pace,
                "outlook": pace.outlook,
                "forecast": notices.forecast(now, pace),
                "campaign": now.campaign,
                "view": page.view,
                "fresh": page.view.fresh(now, page.known),
                "moved": page.view.moved(states.values()),
                "running_ms": now.running_ms,
                "workers": len(now.workers),
                "notices": notices.of(now, queue_away=svc.hub.away, trouble=svc.queue.trouble),
            }
            for region in ("progress", "head", "notices", "ledger", "facts", "lanes", "causes", *moves):
                board.show(f"#{region}", f"campaigns/_{region}.html", **found)
            await board.turn()
            news = await viewer.news(BEAT_S) or viewer.take()  # a rate falls even when nothing happens
            changed, since = news.rows, news.at


class _Newest:
    """The rows of a page that follows: read again when attempts have ended, once a second at most."""

    def __init__(self, svc: Services, page: OpenPage) -> None:
        self._svc, self._page = svc, page
        self._attempts, self._read_at = -1, float("-inf")

    async def show(self, board: Board, now: Standing) -> None:
        time_s = asyncio.get_running_loop().time()
        if now.attempts == self._attempts or time_s < self._read_at + LIST_UPDATE_S:
            return
        self._attempts, self._read_at = now.attempts, time_s
        view = self._page.view
        found = await self._svc.read(listing.newest, now.campaign.id, view.size)
        shown = {"rows": found.rows, "standing": now, "campaign": now.campaign, "view": view}
        board.show("#newest", "campaigns/_newest.html", **shown, follows=True)


async def _fill_list(svc: Services, board: Board, before: int | None, newest: int | None) -> None:
    viewer = Viewer()
    followed = {events.ALL_CAMPAIGNS}
    while not viewer.ended:
        async with svc.hub.listening(viewer, *followed):
            since = viewer.take().at
            reading = svc.hub.reading(f"{events.ALL_CAMPAIGNS} before {before}", lambda: _list(svc, before))
            wanted = followed
            while wanted == followed and not viewer.ended:
                page = await reading.get(since)
                for campaign in page:
                    board.show(f"#c{campaign.id}", "campaigns/_campaign.html", campaign=campaign)
                fresh = 0 if newest is None else sum(campaign.id > newest for campaign in page)
                board.show("#news", "campaigns/_news.html", fresh=fresh)
                await board.turn()
                await viewer.rest(LIST_UPDATE_S)
                since = (await viewer.news(BEAT_S - LIST_UPDATE_S) or viewer.take()).at
                sending = (c.id for c in page if c.state is CampaignState.SENDING)
                wanted = {events.ALL_CAMPAIGNS, *map(events.channel, sending)}
        followed = wanted


async def _list(svc: Services, before: int | None) -> Sequence[Campaign]:
    return await svc.read(campaigns.latest, before=before, limit=CAMPAIGNS_PER_PAGE)
