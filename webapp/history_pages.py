"""The email log: every attempt of every campaign, to search, to page through and to take away as CSV."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import TYPE_CHECKING, TypeVar

from quart import Blueprint, Response, abort, render_template

from mailing import campaigns, history
from mailing.states import AttemptResult, RecipientState
from webapp import asking, formats
from webapp.services import services

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from mailing.history import LogRow, RecipientRow
    from webapp.services import Services

    Row = TypeVar("Row")

blueprint = Blueprint("history", __name__)
ROWS_PER_PAGE = 100
_LOG_COLUMNS = (
    "time", "campaign", "address", "try", "result", "code", "enhanced", "reply", "server", "worker", "ms"
)  # fmt: skip
_RECIPIENT_COLUMNS = (
    "address", "name", "state", "tries", "code", "enhanced", "reply", "server", "worker", "last try", "due"
)  # fmt: skip


@blueprint.get("/history")
async def log() -> str:
    """Show the log, the newest first."""
    result, q, campaign_id = asking.state(AttemptResult), asking.search(), asking.number("campaign")
    before = asking.number("before")
    page = await services().read(
        history.log_page, campaign_id=campaign_id, result=result, q=q, before=before, limit=ROWS_PER_PAGE
    )
    return await render_template(
        "history.html",
        section="history",
        page=page,
        q=q,
        state=result,
        before=before,
        campaign_id=campaign_id,
        results=tuple(AttemptResult),
    )


@blueprint.get("/history.csv")
async def log_csv() -> Response:
    """Send the whole log, or what the same filters leave of it, the oldest first."""
    result, q, campaign_id = asking.state(AttemptResult), asking.search(), asking.number("campaign")

    def chunks(connection: Connection) -> Iterator[Sequence[LogRow]]:
        return history.log_export(connection, campaign_id=campaign_id, result=result, q=q)

    return _csv("volley-log.csv", _LOG_COLUMNS, chunks, _log_cells)


@blueprint.get("/campaigns/<id:campaign_id>/recipients.csv")
async def recipients_csv(campaign_id: int) -> Response:
    """Send a campaign's recipients with their last attempt, or what the page's filters leave of them."""
    state, q = asking.state(RecipientState), asking.search()
    if await services().read(campaigns.get, campaign_id) is None:
        abort(404, f"There is no campaign {campaign_id}.")

    def chunks(connection: Connection) -> Iterator[Sequence[RecipientRow]]:
        after: int | None = 0
        while after is not None:
            page = history.recipients_page(
                connection, campaign_id, state=state, q=q, after=after, limit=history.EXPORT_CHUNK
            )
            yield page.rows
            after = page.next

    return _csv(f"volley-campaign-{campaign_id}.csv", _RECIPIENT_COLUMNS, chunks, _recipient_cells)


def _csv(
    name: str,
    columns: Sequence[str],
    chunks: Callable[[Connection], Iterator[Sequence[Row]]],
    cells: Callable[[Row], Sequence[object]],
) -> Response:
    """Answer with a file that is read and written chunk by chunk, so that memory stays flat."""
    response = Response(
        _lines(services(), columns, chunks, cells),
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )
    response.timeout = None
    return response


async def _lines(
    the: Services,
    columns: Sequence[str],
    chunks: Callable[[Connection], Iterator[Sequence[Row]]],
    cells: Callable[[Row], Sequence[object]],
) -> AsyncIterator[bytes]:
    yield _write([columns])
    with the.db.read() as connection:
        rest = chunks(connection)
        while (rows := await asyncio.to_thread(next, rest, None)) is not None:
            yield await asyncio.to_thread(_write, [cells(row) for row in rows])


def _write(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([formats.safe_cell(str(cell)) for cell in row] for row in rows)
    return text.getvalue().encode()


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
        row.ended_at - row.started_at,
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
