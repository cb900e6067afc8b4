"""The email log for programs: what is asked of it, and the shape of the answers.

``state`` is a result; ``q`` is how the address begins; ``from`` and ``to`` are RFC 3339, in UTC without an
offset. Times in answers are RFC 3339 strings in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from mailing.core import reasons
from webapp.api.schemas import LARGEST_PAGE, PAGE
from webapp.http import log_search
from webapp.http.problems import WRONG_VALUE, Fault, misasked, number, unknown_parameters
from webapp.ui import formats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.accounts.audit import Entry
    from mailing.reports.email_log import LogPage, LogRow
    from mailing.reports.log_walks import Key, Search


@dataclass(frozen=True, slots=True)
class LogRequest:
    """Which page of the log to return."""

    search: Search
    before: Key | None
    limit: int


def read_search(given: Mapping[str, str]) -> Search:
    """Read which rows are wanted. Raises ``Problem`` with all faults at once."""
    return _read(given, {*log_search.NAMES})


def read_query(given: Mapping[str, str]) -> LogRequest:
    """Read which page is wanted. Raises ``Problem`` with all faults at once."""
    before, faults = given.get("before", ""), list[Fault]()
    key, limit = log_search.read_key(before), number(given, "limit", PAGE, range(1, LARGEST_PAGE + 1), faults)
    if before and key is None:
        wrong = f'{before!r:.50} must be the "next" of an earlier response.'
        faults.append(Fault("before", wrong, WRONG_VALUE))
    search = _read(given, {*log_search.NAMES, "before", "limit"}, *faults)
    return LogRequest(search, key, limit)


def page_json(page: LogPage) -> dict[str, Any]:
    """Return a page; ``next`` is what ``before`` must be for the next one, null after the last.

    ``searched_to`` is null unless the search stopped before the page was full.
    """
    return {
        "log": [row_json(row) for row in page.rows],
        "next": log_search.write_key(page.older) or None,
        "searched_to": formats.iso(page.searched_to) or None,
    }


def row_json(row: LogRow) -> dict[str, Any]:
    """Return one attempt."""
    return {
        "id": row.id,
        "campaign": row.campaign_id,
        "recipient": row.recipient_id,
        "email": row.email,
        "number": row.number,
        "result": row.result,
        "started_at": formats.iso(row.started_at),
        "ended_at": formats.iso(row.ended_at),
        "server": row.server,
        "worker": row.worker,  # null: a person decided
        "connection": row.connection,
        "tls": row.tls,
        "took_ms": row.took_ms,  # all of it, connect_ms included
        "connect_ms": row.connect_ms,
        "envelope_ms": row.envelope_ms,
        "dot_ms": row.dot_ms,
        "code": row.code,
        "enhanced": row.enhanced,
        "reply": str(row.reply),
        "reason_code": reasons.code(row.reply),
    }


def _read(given: Mapping[str, str], known: set[str], *faults: Fault) -> Search:
    asked = log_search.read(given, UTC)
    unknown = unknown_parameters(given, known)
    if found := [
        *faults,
        *(Fault(*fault, WRONG_VALUE) for fault in asked.faults.items()),
        *unknown,
    ]:
        raise misasked(found)
    return asked.search


def audit_json(row: Entry) -> dict[str, Any]:
    """Return a row of the audit log."""
    return {
        "id": row.id,
        "at": formats.iso(row.at),
        "by": row.actor_kind,
        "by_id": row.actor_id,
        "by_name": row.actor_name,
        "from": row.address,
        "action": row.action,
        "about": row.subject,
        "details": row.details,
    }
