"""For supervisors: does this process live (``/healthz``), and can Volley send mail now (``/readyz``)."""

from __future__ import annotations

import asyncio

from quart import Blueprint, Response

from mailing import checks
from webapp.http import auth
from webapp.http.services import services
from webapp.openapi import operations
from webapp.openapi.operations import Answer, described
from webapp.openapi.shapes import service as shapes

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
@auth.open_to_all("supervisors have no account, and strangers learn no details", always=True)
@described("Health", {200: Answer("The process is running.", shapes.Live)})
async def live() -> Response:
    """Answer while the process is running."""
    return _answer({"live": True}, 200)


@blueprint.get("/readyz")
@auth.open_to_all("supervisors have no account, and strangers learn no details", always=True)
@described(
    "Health",
    {
        200: Answer("Everything works.", shapes.Ready),
        503: Answer("Something does not work.", shapes.Ready),
    },
)
async def ready() -> Response:
    """Report on what is needed to send mail: the database, Redis and the workers.

    Reasons are told only where no account is needed.
    """
    svc = services()
    asked = svc.probes.ask
    database, queue, worker = await asyncio.gather(
        asked("database", checks.database, svc.db),
        asked("redis", checks.queue, svc.news),
        asked("worker", checks.worker, svc.db),
    )
    found = {"database": database, "redis": queue, "worker": worker}
    good = all(finding.ok for finding in found.values())
    if database.ok:
        await svc.doors.accounts_exist()
    hidden = svc.doors.closed or not svc.settings.private
    told = {name: {"ok": finding.ok} if hidden else finding for name, finding in found.items()}
    return _answer({"ready": good, "checks": told}, 200 if good else 503)


def _answer(body: dict[str, object], status: int) -> Response:
    response = operations.in_json(body, status)
    response.headers["Cache-Control"] = "no-store"
    return response
