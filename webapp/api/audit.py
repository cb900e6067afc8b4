"""The audit log for programs: who did what, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

import orjson
from quart import Response, request

from mailing.accounts import audit
from mailing.accounts.audit import Asked
from mailing.accounts.roles import Permission
from webapp.api import answers, fields, operations, shapes
from webapp.api.fields import BEFORE_ID, LIMIT, Field, UnfitValueError, Words
from webapp.api.operations import Answer, described
from webapp.http import auth, log_search
from webapp.http.services import services

if TYPE_CHECKING:
    from webapp.api.fields import Schema

blueprint = operations.blueprint("api_audit")


@dataclass(frozen=True, slots=True)
class _Moment:
    """A time; ``ending``: the end of the second, minute or day that was named."""

    ending: bool = False

    @property
    def schema(self) -> Schema:
        return {"type": "string", "examples": ["2026-11-22T14:02:11Z"]}

    def read(self, given: str) -> int | None:
        moment = log_search.moment(given, UTC, ending=self.ending)
        if given and moment is None:
            raise UnfitValueError(f"{given!r:.50} must be a time such as 2026-11-22T14:02:11Z.")
        return moment


_PAGE = (
    Field("actor", Words(), "Only people or keys whose name starts with this.", usual=""),
    Field("action", Words(), "Only this action, such as `send`.", usual=""),
    Field("subject", Words(), "Only entries about this, such as `campaign:12`.", usual=""),
    Field("since", _Moment(), "Only entries at or after this time (RFC 3339, or a day)."),
    Field("until", _Moment(ending=True), "Only entries before the end of this second, minute or day."),
    BEFORE_ID,
    LIMIT,
)


@blueprint.get("/audit")
@auth.needs(Permission.AUDIT)
@described("Audit log", {200: Answer("A page of the log.", shapes.AuditPage)}, query=_PAGE)
async def search_audit_log() -> Response:
    """List who changed what, newest first. Sign-ins and refusals are included."""
    asked = fields.query(request.args, _PAGE)
    before, limit = asked.pop("before"), asked.pop("limit")
    rows = await services().read(audit.page, Asked(**asked), before=before, limit=limit + 1)
    answer: shapes.AuditPage = {
        "audit": [answers.audit_entry(row) for row in rows[:limit]],
        "next": rows[limit - 1].id if len(rows) > limit else None,
    }
    return Response(orjson.dumps(answer), content_type="application/json")
