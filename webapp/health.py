"""For supervisors: does this process live (``/healthz``), and can Volley send mail now (``/readyz``)."""

from __future__ import annotations

import asyncio
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


@blueprint.get("/healthz")
async def live() -> Response:
    """Answer, whatever else is down: this process serves requests."""
    return _answer({"live": True}, 200)


@blueprint.get("/readyz")
async def ready() -> Response:
    """Name what is needed to send mail: 200 if all of it is there, else 503."""
    the = services()
    checked = {
        "database": _bounded(checks.database, the.db),
        "redis": _bounded(checks.queue, the.news),
        "worker": _bounded(checks.worker, the.db),
    }
    found = dict(zip(checked, await asyncio.gather(*checked.values()), strict=True))
    good = all(finding.ok for finding in found.values())
    return _answer({"ready": good, "checks": found}, 200 if good else 503)


async def _bounded(check: Callable[[T], Finding], part: T) -> Finding:
    """Give up on a check after ``PATIENCE_S``; its thread ends by the timeouts of the part it asks."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.to_thread(check, part)
    except TimeoutError:
        return Finding(
            ok=False, detail=f"There was no answer within {PATIENCE_S:g} seconds. Is it overloaded?"
        )


def _answer(body: dict[str, object], status: int) -> Response:
    response = Response(orjson.dumps(body), status, content_type="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response
