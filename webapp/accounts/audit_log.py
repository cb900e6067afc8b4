"""The audit log: who did what, with a search, and as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, render_template, request

from mailing.accounts import audit
from mailing.accounts.audit import Asked
from mailing.accounts.roles import Permission
from webapp.accounts.audit_words import ACTIONS
from webapp.api import exports
from webapp.http import auth, params
from webapp.http.services import services

if TYPE_CHECKING:
    from quart import Response

blueprint = Blueprint("audit_log", __name__)
PAGE = 50


@blueprint.get("/audit")
@auth.needs(Permission.AUDIT)
async def index() -> str:
    """Show the newest rows that match."""
    asked, before = _asked(), params.number("before")
    rows = await services().read(audit.page, asked, before=before, limit=PAGE + 1)
    return await render_template(
        "accounts/audit.html",
        section="audit",
        rows=rows[:PAGE],
        next=rows[PAGE - 1].id if len(rows) > PAGE else None,
        before=before,
        asked=asked,
        ACTIONS=ACTIONS,
    )


@blueprint.get("/audit.<any(csv, jsonl):form>")
@auth.needs(Permission.AUDIT)
async def file(form: str) -> Response:
    """Send all rows that match."""
    return exports.audit_log(_asked(), form)


def _asked() -> Asked:
    actor, action, subject = (
        params.words(request.args.get(name, "")) for name in ("actor", "action", "subject")
    )
    return Asked(actor, action, subject)
