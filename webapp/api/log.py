"""The email log for programs, a page of it or all that matches as lines; the audit log, page by page.

A recipient's attempts with what was said in them, and the receipt of a campaign, are the log's as well. What
is asked of it has the same words as on the pages (``log_search``); times without an offset are in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from quart import Response, request

from mailing.accounts import audit
from mailing.accounts.audit import Asked
from mailing.accounts.roles import Permission
from mailing.core.bounds import LARGEST_ID
from mailing.core.states import AttemptResult
from mailing.receipts.document import NotOverError
from mailing.reports import recipient_record
from mailing.reports.log import email_log
from webapp.api import answers, exports
from webapp.http import auth, log_search, problems
from webapp.http.problems import WRONG_VALUE, Fault, Problem
from webapp.http.services import services
from webapp.openapi import dialogues, fields, operations
from webapp.openapi.fields import BEFORE_ID, LIMIT, Field, State, UnfitValueError, Words
from webapp.openapi.operations import JSON_LINES, Answer, described
from webapp.openapi.shapes import log as shapes
from webapp.openapi.shapes import receipts as receipt_shapes
from webapp.receipts import download
from webapp.receipts.download import BusyError
from webapp.ui import formats

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    from mailing.reports.log.walks import Key, Search
    from webapp.openapi.fields import Schema

TOPIC = "Email log"
_TEXT = {"type": "string"}
blueprint = operations.blueprint("api_log")


def _formed(form: re.Pattern[str]) -> Schema:
    """Return the JSON Schema of text of a form; empty text is none."""
    return {"type": "string", "pattern": f"^(?:{form.pattern})?$"}


@dataclass(frozen=True, slots=True)
class _Searched:
    """A part of a search, judged together with the others."""

    schema: Schema

    def read(self, given: str) -> str:
        return given


class _Place:
    """A place in the log."""

    schema = _formed(log_search.PLACE)

    def read(self, given: str) -> Key | None:
        key = log_search.read_key(given)
        if given and key is None:
            raise UnfitValueError(f'{given!r:.50} must be the "next" of an earlier response.')
        return key


_SEARCH = (
    Field(
        "state",
        _Searched(State(AttemptResult).schema),
        "Only attempts with this result.",
    ),
    Field("q", _Searched(_TEXT), "Only addresses that start with this."),
    Field("domain", _Searched(_TEXT), "Only addresses at this domain."),
    Field(
        "code",
        _Searched(_formed(log_search.CODE)),
        "Only replies with this code, such as `550`.",
    ),
    Field(
        "enhanced",
        _Searched(_formed(log_search.ENHANCED)),
        "Only replies with this enhanced status code, such as `5.1.1`.",
    ),
    Field(
        "campaign",
        _Searched({"type": "integer", "minimum": 0, "maximum": LARGEST_ID}),
        "Only attempts of the campaign with this id.",
    ),
    Field("from", _Searched(_TEXT), "Only attempts that ended at or after this time (RFC 3339, or a day)."),
    Field("to", _Searched(_TEXT), "Only attempts that ended before the end of this second, minute or day."),
)
_PAGE = (*_SEARCH, Field("before", _Place(), "The `next` of an earlier response."), LIMIT)


@blueprint.get("/log")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("A page of the log.", shapes.LogPage)}, query=_PAGE)
async def search_log() -> Response:
    """List delivery attempts, newest first."""
    asked, search = _read(_PAGE)
    page = await services().read(email_log.page, search, before=asked["before"], limit=asked["limit"])
    answer: shapes.LogPage = {
        "log": [answers.log_entry(row) for row in page.rows],
        "next": log_search.write_key(page.older) or None,
        "searched_to": formats.iso(page.searched_to) or None,
    }
    return operations.in_json(answer)


@blueprint.get("/log.jsonl")
@auth.needs(Permission.READ)
@described(
    TOPIC,
    {200: Answer("A line for each attempt.", media=JSON_LINES, parts={"": shapes.LogEntry})},
    query=_SEARCH,
)
async def export_log() -> Response:
    """Return every attempt that matches, oldest first, one JSON object per line."""
    return exports.log(_read(_SEARCH)[1], "jsonl")


@blueprint.get("/campaigns/<id:campaign_id>/recipients/<id:recipient_id>/attempts")
@auth.needs(Permission.READ)
@described("Recipients", {200: Answer("The attempts.", receipt_shapes.Attempts)})
async def list_attempts(campaign_id: int, recipient_id: int) -> Response:
    """List the attempts to deliver to one recipient, with the SMTP dialogue of those that were not sent."""
    record = await services().read(recipient_record.load, campaign_id, recipient_id)
    if record is None:
        said = f"Campaign {campaign_id} has no recipient {recipient_id}. Check the ids in the URL."
        raise Problem(404, said, "recipient.not-found")
    answer: receipt_shapes.Attempts = {
        "attempts": [
            {**answers.log_entry(row), "dialogue": [*map(dialogues.line, record.dialogue(row))]}
            for row in record.attempts
        ]
    }
    return operations.in_json(answer)


@blueprint.get("/campaigns/<id:campaign_id>/receipt")
@auth.needs(Permission.READ)
@described(
    TOPIC,
    {200: Answer("The lines of the receipt.", media=JSON_LINES, parts={"": receipt_shapes.ReceiptLine})},
    refuses=(409,),
)
async def receipt(campaign_id: int) -> Response:
    """Return the receipt of a campaign that is finished or canceled: its recipients with each attempt.

    Each line has the hash of all up to it, and the last one is signed. ``volley verify FILE`` checks it.
    """
    await services().read(problems.the_campaign, campaign_id)
    try:
        return await download.answer(campaign_id)
    except NotOverError as refusal:
        raise Problem(409, str(refusal), refusal.reason.code) from None
    except BusyError as refusal:
        headers = {"Retry-After": str(download.RETRY_S)}
        raise Problem(503, str(refusal), refusal.reason.code, headers=headers) from None


def _read(known: Sequence[Field]) -> tuple[dict[str, Any], Search]:
    given = request.args.to_dict()
    asked = log_search.read(given | {"q": fields.plussed(given.get("q", ""))}, UTC)
    faults = [Fault(name, said, WRONG_VALUE) for name, said in asked.faults.items()]
    return fields.query(request.args, known, faults), asked.search


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


_AUDIT = (
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
@described("Audit log", {200: Answer("A page of the log.", shapes.AuditPage)}, query=_AUDIT)
async def search_audit_log() -> Response:
    """List who changed what, newest first. Sign-ins and refusals are included."""
    asked = fields.query(request.args, _AUDIT)
    before, limit = asked.pop("before"), asked.pop("limit")
    rows = await services().read(audit.page, Asked(**asked), before=before, limit=limit + 1)
    answer: shapes.AuditPage = {
        "audit": [answers.audit_entry(row) for row in rows[:limit]],
        "next": rows[limit - 1].id if len(rows) > limit else None,
    }
    return operations.in_json(answer)
