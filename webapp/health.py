"""For supervisors: does this process live (``/healthz``), and can Volley send mail now (``/readyz``)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson
from quart import Blueprint, Response

from mailing import checks
from mailing.checks import Finding
from webapp.services import services

if TYPE_CHECKING:
    from collections.abc import Awaitable

blueprint = Blueprint("health", __name__)
PATIENCE_S = 2.0


@blueprint.get("/healthz")
async def live() -> Response:
    """Answer, whatever else is down: this process serves requests."""
    return _answer({"live": True}, 200)


@blueprint.get("/readyz")
async def ready() -> Response:
    """Name what is needed to send mail: 200 if all of it is there, else 503."""
    the = services()
    names = ("database", "redis", "worker")
    found = await asyncio.gather(
        _bounded(asyncio.to_thread(checks.database, the.db)),
        checks.queue(the.settings.redis_url, PATIENCE_S),
        _bounded(asyncio.to_thread(checks.worker, the.db)),
    )
    good = all(finding.ok for finding in found)
    return _answer({"ready": good, "checks": dict(zip(names, found, strict=True))}, 200 if good else 503)


async def _bounded(check: Awaitable[Finding]) -> Finding:
    """Give up on a check after ``PATIENCE_S``; its thread ends by the database's own timeouts."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await check
    except TimeoutError:
        return Finding(ok=False, detail=f"The database did not answer within {PATIENCE_S:g} seconds.")


def _answer(body: dict[str, object], status: int) -> Response:
    response = Response(orjson.dumps(body), status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
