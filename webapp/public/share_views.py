"""What a share link shows: one campaign, live, without any address and without the rest of Volley.

It needs no session and makes none, so that it goes on working for people who cannot sign in. A server's own
words may quote an address in many spellings, so none of them are shown: ours, by code, say the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from quart import Blueprint, render_template

from mailing.campaigns import share_links
from mailing.suppression.subjects import masked
from webapp.campaigns import notices, progress
from webapp.campaigns import share_links as link_pages
from webapp.http import auth
from webapp.http.services import services
from webapp.live.sse import respond
from webapp.ui import explanations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from sqlalchemy import Connection

    from mailing.core.states import AttemptResult
    from mailing.recipients.reply_groups import Cause
    from webapp.campaigns.progress import Pace, Standing
    from webapp.http.services import Services
    from webapp.live.regions import Board

blueprint = Blueprint("watch", __name__)
UPDATE_S = 1.0
CAUSES = 8
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address is the right to look
    "X-Robots-Tag": "noindex, nofollow",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One result as a stranger may see it."""

    at: int
    result: AttemptResult
    who: str
    why: str


@blueprint.after_request
async def _guard(response: Response) -> Response:
    response.headers.update(_HEADERS)
    return response


@blueprint.get("/watch/<token>")
@auth.open_to_all("the link is the right to look")
async def show(token: str) -> str | tuple[str, int]:
    """Show the campaign, or that this link shows nothing: why is told to nobody."""
    svc, watch_id = services(), link_pages.read(token)
    now = await svc.read(_load, watch_id) if watch_id is not None else None
    if now is None:
        return await render_template("public/watch.html", campaign=None), 404
    pace = await svc.read(progress.pace, now)
    return await render_template(
        "public/watch.html", **_values(now, pace), stream=svc.at(f"/watch/{token}/stream")
    )


@blueprint.get("/watch/<token>/stream")
@auth.open_to_all("the link is the right to look")
async def stream(token: str) -> Response | tuple[str, int]:
    """Tell each second how the campaign stands, until the link ends."""
    svc, watch_id = services(), link_pages.read(token)
    if watch_id is None or await svc.read(share_links.find, watch_id) is None:
        return await render_template("public/watch.html", campaign=None), 404
    return respond(("watch", watch_id), partial(_fill, svc, watch_id))


async def _fill(svc: Services, watch_id: int, board: Board) -> None:
    pace, measured = progress.Pace(), None

    async def draw() -> bool:
        nonlocal pace, measured
        now = await svc.read(_load, watch_id)
        if now is None:
            board.show("#watch", "public/_watch_over.html")
            board.show("#live", "public/_unlive.html")
        else:
            if measured != now.measured:
                measured, pace = now.measured, await svc.read(progress.pace, now)
            board.show("#watch", "public/_watch.html", **_values(now, pace))
        await board.turn()
        return now is None

    await svc.hub.every(UPDATE_S, draw)


def _load(connection: Connection, watch_id: int) -> Standing | None:
    watch = share_links.find(connection, watch_id)
    return progress.load(connection, watch.campaign_id) if watch else None


def _values(now: Standing, pace: Pace) -> Mapping[str, object]:
    """Return what the template may know. The standing itself holds addresses and servers' words."""
    return {
        "campaign": now.campaign,
        "pace": pace,
        "forecast": notices.forecast(now, pace),
        "running_ms": now.running_ms,
        "TAIL": progress.TAIL,
        "causes": [(cause, _why(cause)) for cause in sorted(now.causes[:CAUSES], key=_place)],
        "tail": [
            Line(
                row.ended_at,
                row.result,
                masked(row.email),
                explanations.explain(row.code, row.enhanced),
            )
            for row in now.tail
        ],
    }


def _place(cause: Cause) -> tuple[str, int, str]:
    """Return where a cause stays: by its number it would change places with others all the time."""
    return cause.result, cause.reply.code, cause.reply.enhanced


def _why(cause: Cause) -> str:
    return explanations.reason(cause.reply, cause.result)
