"""The email log, the audit log or a campaign's recipients, to take away: as CSV or JSON, a line for each row.

Each chunk is read in a transaction of its own, so that memory stays flat and nobody who stops reading
holds one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import orjson

from mailing.accounts import audit
from mailing.contacts import contacts as contacts_room
from mailing.contacts import notes
from mailing.contacts.notes import NoteKind
from mailing.core.clock import now_ms
from mailing.lists import store as lists
from mailing.messages.values import printed
from mailing.recipients import listing
from mailing.reports.log import email_log
from webapp.api import answers
from webapp.i18n import domain_texts
from webapp.i18n.languages import _
from webapp.ui import downloads, formats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quart import Response
    from sqlalchemy import Connection

    from mailing.accounts.audit import Asked, Entry
    from mailing.contacts.contacts import Contact
    from mailing.contacts.notes import Note
    from mailing.contacts.tables import Standing
    from mailing.lists.store import ListNote
    from mailing.recipients.listing import RecipientRow
    from mailing.recipients.search import Choice
    from mailing.reports.log.email_log import LogRow
    from mailing.reports.log.walks import Key, Search

    Row = TypeVar("Row")
    Place = TypeVar("Place")

RECIPIENTS_CHUNK = 500
SKIPPED_CHUNK = 1_000
_LOG_COLUMNS = (
    "time", "campaign", "address", "attempt", "result", "code", "enhanced", "reply", "server", "worker", "ms",
    "connection", "tls", "connect ms", "envelope ms", "dot ms", "rehearsal", "version",
)  # fmt: skip
_RECIPIENT_COLUMNS = (
    "address", "name", "state", "attempts", "code", "enhanced", "reply", "server", "worker", "last attempt",
    "due",
)  # fmt: skip
_AUDIT_COLUMNS = ("time", "by", "id", "name", "from", "action", "about", "details")


def log(search: Search, form: str) -> Response:
    """Answer with the rows of the log that are there now and fit, the oldest first."""
    now = now_ms()
    bounded = replace(search, until=min(search.until or now + 1, now + 1))

    def chunk(connection: Connection, after: Key | None) -> tuple[Sequence[LogRow], Key | None]:
        return email_log.export(connection, bounded, after)

    if form == "jsonl":
        return downloads.answer(
            "volley-log.jsonl",
            form,
            b"",
            chunk,
            lambda rows: downloads.json_lines(map(answers.log_entry, rows)),
        )
    return downloads.answer(
        "volley-log.csv",
        form,
        downloads.BOM + downloads.csv_lines([_LOG_COLUMNS]),
        chunk,
        lambda rows: downloads.csv_lines(map(_log_cells, rows)),
    )


def recipients(campaign_id: int, wanted: Sequence[Choice], name: str) -> Response:
    """Answer with the recipients of a campaign that any of ``wanted`` finds, each with its last attempt."""

    def chunk(
        connection: Connection, place: tuple[int, int] | None
    ) -> tuple[Sequence[RecipientRow], tuple[int, int] | None]:
        which, after = place or (0, 0)
        page = listing.recipients_page(
            connection, campaign_id, wanted[which], after=after, limit=RECIPIENTS_CHUNK
        )
        if page.next is not None:
            return page.rows, (which, page.next)
        return page.rows, (which + 1, 0) if which + 1 < len(wanted) else None

    form = name.rpartition(".")[2]
    if form == "jsonl":
        return downloads.answer(
            name, form, b"", chunk, lambda rows: downloads.json_lines(map(answers.recipient, rows))
        )
    head = downloads.BOM + downloads.csv_lines([_RECIPIENT_COLUMNS])
    return downloads.answer(
        name, form, head, chunk, lambda rows: downloads.csv_lines(map(_recipient_cells, rows))
    )


def skipped(campaign_id: int) -> Response:
    """Answer with the skipped lines of a list and why each was skipped, in the reader's language."""

    def chunk(connection: Connection, after: int | None) -> tuple[Sequence[ListNote], int | None]:
        start = -1 if after is None else after
        notes = lists.notes(connection, campaign_id, "refused", SKIPPED_CHUNK, after=start)
        return notes, notes[-1].number if len(notes) == SKIPPED_CHUNK else None

    head = downloads.BOM + downloads.csv_lines([(_("Line"), _("Text"), _("Reason"))])
    return downloads.answer(
        f"volley-campaign-{campaign_id}-skipped.csv",
        "csv",
        head,
        chunk,
        lambda notes: downloads.csv_lines(
            (note.line, note.text, domain_texts.say(note.reason)) for note in notes
        ),
    )


def contacts(list_id: int, fields: Sequence[str], q: str, standing: Standing | None) -> Response:
    """Answer with the contacts of a saved list that a search finds, a column for each merge field."""

    def chunk(connection: Connection, after: int | None) -> tuple[Sequence[Contact], int | None]:
        page = contacts_room.find(connection, list_id, q, standing, after=after, limit=RECIPIENTS_CHUNK)
        return page.rows, page.next

    def cells(row: Contact) -> Sequence[object]:
        values = (printed(row.fields[field]) if field in row.fields else "" for field in fields)
        return (row.email, row.name, row.standing, *values)

    head = downloads.BOM + downloads.csv_lines([("email", "name", "status", *fields)])
    return downloads.answer(
        f"volley-list-{list_id}.csv", "csv", head, chunk, lambda rows: downloads.csv_lines(map(cells, rows))
    )


def skipped_of_import(import_id: int) -> Response:
    """Answer with the skipped lines of a file and why each was skipped, in the reader's language."""

    def chunk(connection: Connection, after: int | None) -> tuple[Sequence[Note], int | None]:
        start = -1 if after is None else after
        found = notes.read(connection, import_id, NoteKind.REFUSED, SKIPPED_CHUNK, after=start)
        return found, found[-1].number if len(found) == SKIPPED_CHUNK else None

    def write(rows: Sequence[Note]) -> bytes:
        return downloads.csv_lines((row.line, row.text, domain_texts.say(row.reason)) for row in rows)

    head = downloads.BOM + downloads.csv_lines([(_("Line"), _("Text"), _("Reason"))])
    return downloads.answer(f"volley-import-{import_id}-skipped.csv", "csv", head, chunk, write)


def audit_log(asked: Asked, form: str) -> Response:
    """Answer with the rows of the audit log that fit, the oldest first."""

    def chunk(connection: Connection, after: int | None) -> tuple[Sequence[Entry], int | None]:
        return audit.export(connection, asked, after)

    name = f"volley-audit.{form}"
    if form == "jsonl":
        return downloads.answer(
            name, form, b"", chunk, lambda rows: downloads.json_lines(map(answers.audit_entry, rows))
        )
    head = downloads.BOM + downloads.csv_lines([_AUDIT_COLUMNS])
    return downloads.answer(
        name, form, head, chunk, lambda rows: downloads.csv_lines(map(_audit_cells, rows))
    )


def _log_cells(row: LogRow) -> Sequence[object]:
    return (
        formats.iso(row.ended_at),
        row.campaign_id,
        row.email,
        row.number,
        row.result,
        row.code or "",
        row.enhanced,
        row.reply,
        row.server,
        row.worker or "",
        row.took_ms,
        *(
            "" if it is None else it
            for it in (row.connection, row.tls, row.connect_ms, row.envelope_ms, row.dot_ms)
        ),
        "" if row.rehearses is None else "REHEARSAL",
        row.version,
    )


def _recipient_cells(row: RecipientRow) -> Sequence[object]:
    return (
        row.email,
        row.name,
        row.state,
        row.attempts,
        row.code or "",
        row.enhanced or "",
        row.reply or "",
        row.server or "",
        row.worker or "",
        formats.iso(row.ended_at),
        formats.iso(row.due_at),
    )


def _audit_cells(row: Entry) -> Sequence[object]:
    details = orjson.dumps(row.details).decode() if row.details else ""
    by = (row.actor_kind, "" if row.actor_id is None else row.actor_id, row.actor_name, row.address)
    return (formats.iso(row.at), *by, row.action, row.subject, details)
