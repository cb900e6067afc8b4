"""For supervisors: does this process live (``/healthz``), and can Volley send mail now (``/readyz``)."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import orjson
from quart import Blueprint, Response

from mailing import checks
from mailing.checks import Finding
from webapp.services import services

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
blueprint = Blueprint("health", __name__)
PATIENCE_S = 2.0
PARTS = 3


@blueprint.get("/healthz")
async def live() -> Response:
    """Answer, whatever else is down: this process serves requests."""
    return _answer({"live": True}, 200)


@blueprint.get("/readyz")
async def ready() -> Response:
    """Name what is needed to send mail: 200 if all of it is there, else 503."""
    svc = services()
    asked = svc.probes.ask
    database, queue, worker = await asyncio.gather(
        asked("database", checks.database, svc.db),
        asked("redis", checks.queue, svc.news),
        asked("worker", checks.worker, svc.db),
    )
    found = {"database": database, "redis": queue, "worker": worker}
    good = all(finding.ok for finding in found.values())
    return _answer({"ready": good, "checks": found}, 200 if good else 503)


class Probes:
    """Asks on threads of its own, so that a part that does not answer takes none from the pages.

    Each part is asked by one thread at a time, however often a supervisor comes: who comes meanwhile waits
    for the same answer.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(PARTS, "probe")
        self._asking: dict[str, asyncio.Future[Finding]] = {}

    async def ask(self, name: str, check: Callable[[T], Finding], part: T) -> Finding:
        """Return what ``check`` finds, or after ``PATIENCE_S`` that there was no answer."""
        asking = self._asking.get(name)
        if asking is None or asking.done():
            asking = asyncio.get_running_loop().run_in_executor(self._threads, check, part)
            self._asking[name] = asking
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await asyncio.shield(asking)
        except TimeoutError:
            detail = f"No response within {PATIENCE_S:g} seconds. Is it overloaded?"
            return Finding(ok=False, detail=detail)

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _answer(body: dict[str, object], status: int) -> Response:
    response = Response(orjson.dumps(body), status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
