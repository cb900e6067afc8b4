"""News for tabs in the background: one stream for all that a browser shows, which stays open while they hide.

A hidden tab lets the stream of its page go (see ``sse``). Its browser then follows here, in one
connection, what the titles, icons and notifications of all hidden tabs need. A message is a JSON object: for
each campaign that changed, by its id, ``title``, ``icon`` and ``news``. The first has all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import structlog
from quart import Blueprint, abort
from sqlalchemy.exc import SQLAlchemyError

from mailing.accounts.roles import Permission
from mailing.campaigns import queries as campaigns
from mailing.redis import events
from webapp.campaigns.tab import Progress
from webapp.http import auth
from webapp.http.params import numbers
from webapp.http.services import services
from webapp.i18n.languages import _
from webapp.live import sse
from webapp.live.hub import Viewer
from webapp.live.regions import message

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from quart import Response
    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from webapp.http.services import Services

blueprint = Blueprint("news", __name__)

MOST = 20  # campaigns that one browser follows
UPDATE_S = 1.0
BEAT_S = 15.0  # a silent line is not told from a broken one
_BEAT = b": beat\n\n"

log = structlog.get_logger(__name__)


@blueprint.get("/news/stream")
@auth.needs(Permission.READ)
async def stream() -> Response:
    """Tell how the ``campaigns`` stand whose ids are asked for, with dots between them."""
    ids = numbers("campaigns", MOST)
    if not ids:
        abort(400, _("“campaigns” must list the campaigns to follow."))
    return sse.plain(_follow(services(), ids))


async def _follow(svc: Services, ids: Sequence[int]) -> AsyncGenerator[bytes, None]:
    viewer = Viewer()
    told: dict[str, Mapping[str, Any]] = {}
    try:
        async with svc.hub.listening(viewer, events.ALL_CAMPAIGNS, *map(events.channel, ids)):
            while not viewer.ended:
                now = {str(it.id): _news(svc, it) for it in await svc.read(_load, ids)}
                fresh = {key: news for key, news in now.items() if told.get(key) != news}
                told |= fresh
                yield message(orjson.dumps(fresh).decode()) if fresh else _BEAT
                await viewer.rest(UPDATE_S)
                await viewer.news(BEAT_S)
    except SQLAlchemyError as error:  # the browser connects again
        log.warning("news ended", reason=str(error))


def _load(connection: Connection, ids: Sequence[int]) -> Sequence[Campaign]:
    return [found for it in ids if (found := campaigns.get(connection, it))]


def _news(svc: Services, campaign: Campaign) -> Mapping[str, Any]:
    progress = Progress(campaign)
    return {"title": progress.title, "icon": svc.at(progress.icon), "news": progress.milestones}
