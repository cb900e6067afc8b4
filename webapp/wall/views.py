"""A campaign on a big display: one cell for each recipient, colored by state as results come.

The stream begins with all cells, then tells whose state changed. Beside the regions and beats of every page's
stream (see ``sse``) it has named messages in JSON, for a canvas is drawn by a script:

=============  =====================================================================================
``cells``      ``runs`` and ``codes``, see ``mailing.reports.cells``; again where changes may have been missed
``moves``      for each code, the ids that are in its state now: the first, then each one's distance
=============  =====================================================================================
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from quart import Blueprint, Response, current_app, render_template, request, stream_with_context
from sqlalchemy.exc import SQLAlchemyError

from mailing.accounts.roles import Permission
from mailing.core.states import RecipientState
from mailing.redis import events
from mailing.reports import cells
from mailing.reports.cells import CODES
from webapp.campaigns import notices, progress
from webapp.http import auth
from webapp.http.compression import Shared
from webapp.http.services import services, the_campaign
from webapp.live import sse
from webapp.live.hub import UPDATE_S, Viewer
from webapp.live.regions import Board, message
from webapp.live.sse import BEAT_S, ONCE
from webapp.ui.jinja import base_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from webapp.campaigns.progress import Pace, Standing
    from webapp.http.services import Services
    from webapp.live.hub import Happened

blueprint = Blueprint("wall", __name__)
log = structlog.get_logger(__name__)

AGAIN_S = 5.0  # between two readings of all cells, and after a change of the whole campaign
MOST_MOVES = 50_000  # changes kept for a reader; beyond that, all cells are read again
_ONE = "/campaigns/<id:campaign_id>/wall"


class Moves(Viewer):
    """Who changed since the reader last asked. The latest state counts."""

    def __init__(self) -> None:
        super().__init__()
        self.missed = False
        self._moves: dict[int, int] = {}

    def hear(self, happened: Happened) -> None:
        """Note whose state changed, and whether more may have changed than is told."""
        for _line, event in happened:
            if event["type"] == "recipient":
                self._moves[event["recipient"]] = CODES[RecipientState(event["state"])]
            elif event["type"] == "claimed":
                self._moves.update(dict.fromkeys(event["recipients"], CODES[RecipientState.SENDING]))
            else:
                self.missed = True
        if len(self._moves) > MOST_MOVES:
            self._moves.clear()
            self.missed = True
        super().hear(happened)

    def miss(self) -> None:
        """Count every cell as changed."""
        self.missed = True
        super().miss()

    def moves(self) -> Mapping[str, list[int]]:
        """Return, and forget, the ids by the code of their state: the first, then each one's distance."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        moves, self._moves = self._moves, {}
        for id_, code in sorted(moves.items()):
            found[chr(code)].append(id_)
        return {
            code: [ids[0], *(after - before for before, after in pairwise(ids))]
            for code, ids in found.items()
        }


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
async def show(campaign_id: int) -> str:
    """Show the frame of the wall; its script draws the cells."""
    svc = services()
    await the_campaign(campaign_id)
    now = await svc.read(progress.load, campaign_id)
    assert now is not None
    codes = {chr(code): state for state, code in CODES.items()}
    pace = await svc.read(progress.pace, now)
    return await render_template(
        "wall/show.html",
        **_values(now, pace),
        codes=codes,
        stream=svc.at(f"/campaigns/{campaign_id}/wall/stream"),
    )


@blueprint.get(f"{_ONE}/stream")
@auth.needs(Permission.READ)
async def stream(campaign_id: int) -> Response:
    """Tell the wall what happens, until it is closed."""
    svc = services()
    await the_campaign(campaign_id)
    board, once = Board(current_app.jinja_env, base_context(svc)), ONCE in request.headers
    return sse.squeezed(stream_with_context(_messages)(svc, campaign_id, board, once))


async def _messages(
    svc: Services,
    campaign_id: int,
    board: Board,
    once: bool,  # noqa: FBT001
) -> AsyncIterator[Sequence[Shared]]:
    moves, channel = Moves(), events.channel(campaign_id)
    try:
        async with svc.hub.listening(moves, channel):
            async for part in _follow(svc, campaign_id, board, moves):
                yield part
                if once:
                    return
    except SQLAlchemyError as error:
        log.warning("wall ended", campaign_id=campaign_id, reason=str(error))


async def _follow(
    svc: Services, campaign_id: int, board: Board, moves: Moves
) -> AsyncIterator[Sequence[Shared]]:
    """Begin with everything, then tell what changed, at most four times a second."""
    channel = events.channel(campaign_id)
    standings = svc.hub.reading(channel, lambda: svc.read(progress.load, campaign_id))
    grids = svc.hub.reading(f"{channel} cells", lambda: svc.read(cells.of, campaign_id))
    since, read_at = moves.take().at, float("-inf")
    moves.missed = True
    pace, measured = progress.Pace(), None
    while not moves.ended:
        told = b""
        if moves.missed and since - read_at >= AGAIN_S:
            moves.missed, read_at = False, since
            told = _event("cells", (await grids.get(since))._asdict())
        if moved := moves.moves():
            told += _event("moves", moved)
        now = await standings.get(since)
        if now is None:
            return
        if measured != now.measured:
            measured, pace = now.measured, await svc.read(progress.pace, now)
        for folder, region in (("wall", "around"), ("campaigns", "progress")):
            board.show(f"#{region}", f"{folder}/_{region}.html", **_values(now, pace))
        seen = board.turns
        await board.turn()
        yield Shared(told), board.changes(seen), sse.beat(svc)
        await moves.rest(UPDATE_S)
        since = (await moves.news(BEAT_S) or moves.take()).at


def _values(now: Standing, pace: Pace) -> Mapping[str, Any]:
    forecast = notices.forecast(now, pace)
    return {"standing": now, "campaign": now.campaign, "pace": pace, "forecast": forecast}


def _event(name: str, body: Any) -> bytes:
    return message(orjson.dumps(body).decode(), name)
