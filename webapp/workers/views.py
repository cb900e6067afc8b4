"""The workers page: who sends, how fast and since when, how much waits, and the buttons that steer them.

What a button asks goes over Celery's remote control; what the page shows is what each worker tells with
its beats, so that it cannot claim what no worker did.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import redis
from quart import Blueprint, abort, redirect, render_template, request
from sqlalchemy.exc import SQLAlchemyError

from mailing.accounts.roles import Permission
from mailing.core import clock
from mailing.core.states import WorkerState
from mailing.ledger import leases
from mailing.reports.worker_roster import Roster
from tasks import control, queues
from tasks.commands import workers as commands
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.languages import N_, _
from webapp.live.sse import respond
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quart import Response
    from werkzeug.wrappers import Response as AnyResponse

    from mailing.reports.worker_roster import WorkerRow
    from tasks.queues import Depths
    from webapp.http.services import Services
    from webapp.live.hub import Reading
    from webapp.live.regions import Board

blueprint = Blueprint("workers", __name__)
UPDATE_S = 1.0
QUEUES_S = 1.0  # how long Redis may take to tell how much waits: the rest of the page does not wait longer
_ORDERED = {
    "stop": N_("%(name)s is pausing: it finishes its current emails and takes no others."),
    "start": N_("%(name)s resumes."),
    "resize": N_("%(name)s changes its number of connections."),
}
ORDER_S = 6.0  # the answer's own patience, and that of the connection on which it comes


@dataclass(frozen=True, slots=True)
class Crew:
    """All workers, and how much waits for them: None where Redis does not say."""

    rows: Sequence[WorkerRow]
    depths: Depths | None

    @property
    def alive(self) -> Sequence[WorkerRow]:
        """Those that can be told something."""
        return [row for row in self.rows if row.alive]

    @property
    def ready(self) -> int:
        """How many send, or would."""
        return sum(row.state in {WorkerState.IDLE, WorkerState.SENDING} for row in self.alive)

    @property
    def connections(self) -> int:
        """How many connections they may open."""
        return sum(row.connections for row in self.alive)

    @property
    def in_flight(self) -> int:
        """How many emails are being sent."""
        return sum(row.in_flight for row in self.alive)

    @property
    def taking(self) -> int:
        """How many take batches."""
        return sum(row.consuming for row in self.alive)


@blueprint.get("/workers")
@auth.needs(Permission.READ)
async def index() -> str | tuple[str, int]:
    """Show every worker that lives or ended lately."""
    try:
        crew = await _reading(services()).get(asyncio.get_running_loop().time())
    except SQLAlchemyError:
        return await render_template("workers/index.html", section="workers", crew=None), 503
    return await render_template(
        "workers/index.html",
        section="workers",
        crew=crew,
        most=control.CONNECTIONS[-1],
        stream=services().at("/workers/stream"),
    )


@blueprint.get("/workers/stream")
@auth.needs(Permission.READ)
async def stream() -> Response:
    """Tell each second how the workers are."""
    return respond("workers", partial(_fill, services()))


@blueprint.post("/workers/<any(stop, start, resize):verb>")
@auth.needs(Permission.WORKERS)
async def order(verb: str) -> AnyResponse:
    """Pause or resume a worker, or change its number of connections."""
    form = await request.form
    name, alive = form.get("worker", ""), [each.name for each in await services().read(leases.alive)]
    if name not in alive:
        abort(409, _("No worker named %(name)s is running. Nothing was changed.", name=repr(name[:80])))
    command: Callable[..., None] = partial(commands.take_batches, consuming=verb == "start")
    if verb == "resize":
        command = partial(commands.resize, connections=_connections(form.get("connections", "")))
    try:
        async with asyncio.timeout(ORDER_S):
            await services().do(command, auth.person(), name, workers=len(alive))
    except (control.Unanswered, TimeoutError):
        abort(
            503,
            _(
                "%(name)s didn't respond. It may be starting or stuck, or the queue (Redis) is "
                "offline. Check its state on the Workers page and try again.",
                name=name,
            ),
        )
    receipts.tell(_(_ORDERED[verb], name=name))
    return redirect(services().at("/workers"), 303)


def _connections(text: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) < 6 and int(digits) in control.CONNECTIONS):  # noqa: PLR2004
        most = control.CONNECTIONS[-1]
        abort(400, _("Enter a whole number of connections, from 1 to %(most)s.", most=most))
    return int(digits)


async def _fill(svc: Services, board: Board) -> None:
    reading = _reading(svc)  # held as long as somebody looks

    async def draw() -> None:
        crew = await reading.get(asyncio.get_running_loop().time())
        for region in ("strength", "crew", "orders", "queues"):
            board.show(f"#{region}", f"workers/_{region}.html", crew=crew, most=control.CONNECTIONS[-1])
        await board.turn()

    await svc.hub.every(UPDATE_S, draw)


def _reading(svc: Services) -> Reading[Crew]:
    """Return the reading that all viewers share. Its roster remembers beats as long as anybody looks."""
    return svc.hub.reading("workers", partial(_load, svc, Roster()))


async def _load(svc: Services, roster: Roster) -> Crew:
    rows, depths = await asyncio.gather(svc.read(roster.look, clock.steady_s()), _depths(svc))
    return Crew(rows, depths)


async def _depths(svc: Services) -> Depths | None:
    if svc.hub.away:
        return None
    try:
        async with asyncio.timeout(QUEUES_S), svc.redis.pipeline(transaction=False) as pipeline:
            queues.ask(pipeline, await asyncio.to_thread(getattr, svc.news, "prefix"))
            return queues.depths(await pipeline.execute())
    except (redis.RedisError, OSError, TimeoutError):
        return None
