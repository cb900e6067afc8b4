"""The email log: every attempt of every campaign, to search, to page through and to take away."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from quart import Blueprint, abort, render_template, request

from mailing.accounts.roles import Permission
from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult, RecipientState
from mailing.recipients.search import Choice
from mailing.reports.log import email_log
from webapp.api import exports
from webapp.campaigns import list_view
from webapp.http import auth, log_search, params
from webapp.http.services import services, the_campaign
from webapp.i18n.languages import _
from webapp.live.sse import respond
from webapp.log import form
from webapp.log.form import PERIODS
from webapp.ui import formats, jinja
from webapp.ui.jinja import reader_zone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.reports.log.email_log import LogPage, Name
    from mailing.reports.log.walks import Key, Search
    from webapp.http.services import Services
    from webapp.live.regions import Board
    from webapp.log.form import LogForm

blueprint = Blueprint("history", __name__)
SIZES = (100, 50, 200)  # the usual one first
CAMPAIGNS = 50  # that can be chosen from: the last ones
MOST_FRESH = 100  # new rows that are counted
UPDATE_S = 1.0


@dataclass(frozen=True, slots=True)
class Found:
    """A page of the log. ``newest``: the place of the log's newest row; ``total``: None if not counted."""

    page: LogPage
    total: int | None
    newest: Key
    subjects: Mapping[int, Name]


@blueprint.get("/history")
@auth.needs(Permission.READ)
async def log() -> tuple[str, int]:
    """Show the log, the newest first; with a fault in the form, the form alone."""
    form, before, after, size = _form(), _key("before"), _key("after"), _size()
    elsewhere = before is not None or after is not None
    found = await services().read(_look, form, before, after, size)
    kept = dict(form.written) | ({} if size == SIZES[0] else {"size": str(size)})
    live = not elsewhere and not form.faults and form.search.until is None
    known = dict(kept, known=log_search.write_key(found.newest))
    zone = reader_zone()[0]
    text = await render_template(
        "log/index.html",
        section="history",
        form=form,
        found=found,
        chips=tuple(form.chips(found.subjects)),
        days=[
            (day, list(rows))
            for day, rows in groupby(found.page.rows, lambda it: formats.day(it.ended_at, zone))
        ],
        elsewhere=elsewhere,
        size=size,
        kept=kept,
        newer=log_search.write_key(found.page.newer),
        older=log_search.write_key(found.page.older),
        results=tuple(AttemptResult),
        periods=PERIODS,
        sizes=sorted(SIZES),
        stream=services().at(f"/history/stream{jinja.query(known)}") if live else "",
        fresh=0,
        most=MOST_FRESH,
    )
    return text, 422 if form.faults else 200


@blueprint.get("/history/stream")
@auth.needs(Permission.READ)
async def stream() -> Response:
    """Tell each second how many rows joined the first page since ``known``."""
    form, known, size = _form(), _key("known"), _size()
    if form.faults or known is None:
        abort(400, " ".join(form.faults.values()))
    kept = dict(form.written) | ({} if size == SIZES[0] else {"size": str(size)})
    return respond(("log", form.search, known, size), partial(_fill, services(), form.search, known, kept))


@blueprint.get("/history.<any(csv, jsonl):form>")
@auth.needs(Permission.READ)
async def log_file(form: str) -> Response:
    """Send the whole log, or what the same filters leave of it, the oldest first."""
    asked = _form()
    if asked.faults:
        abort(400, " ".join(asked.faults.values()))
    return exports.log(asked.search, form)


@blueprint.get("/campaigns/<id:campaign_id>/recipients.<any(csv, jsonl):form>")
@auth.needs(Permission.READ)
async def recipients_file(campaign_id: int, form: str) -> Response:
    """Send a campaign's recipients with their last attempt, or what the page's filters leave of them."""
    wanted = list_view.asked().choice
    named = _file_of(await the_campaign(campaign_id))
    return exports.recipients(campaign_id, [wanted], f"{named}.{form}")


@blueprint.get("/campaigns/<id:campaign_id>/undelivered.csv")
@auth.needs(Permission.READ)
async def undelivered_file(campaign_id: int) -> Response:
    """Send the recipients of a campaign that were not sent, each with its last attempt: a state at a time."""
    named = _file_of(await the_campaign(campaign_id))
    states = [Choice(state) for state in RecipientState if state is not RecipientState.SENT]
    return exports.recipients(campaign_id, states, f"{named}-not-sent.csv")


def _file_of(campaign: Campaign) -> str:
    """Return how a file about a campaign is called."""
    return f"volley-{'campaign' if campaign.rehearses is None else 'REHEARSAL'}-{campaign.id}"


async def _fill(svc: Services, search: Search, known: Key, kept: Mapping[str, str], board: Board) -> None:
    fresh = 0

    async def draw() -> None:
        nonlocal fresh
        if fresh < MOST_FRESH:
            fresh = await svc.read(_count_fresh, search, known)
        board.show("#fresh", "log/_fresh.html", fresh=fresh, most=MOST_FRESH, kept=kept)
        await board.turn()

    await svc.hub.every(UPDATE_S, draw)


def _count_fresh(connection: Connection, search: Search, known: Key) -> int:
    return len(email_log.page(connection, search, after=known, limit=MOST_FRESH).rows)


def _look(connection: Connection, form: LogForm, before: Key | None, after: Key | None, size: int) -> Found:
    newest = email_log.newest(connection)  # read first: rows that join in the meantime are then shown as new
    if form.faults:
        page, total = email_log.LogPage(()), None
    else:
        page = email_log.page(connection, form.search, before=before, after=after, limit=size)
        total = email_log.count(connection, form.search)
    shown = {row.campaign_id for row in page.rows} | {form.search.campaign_id or 0}
    return Found(page, total, newest, email_log.subjects(connection, shown, CAMPAIGNS))


def _form() -> LogForm:
    return form.read(request.args, reader_zone()[0], now_ms())


def _size() -> int:
    size = params.number("size") or SIZES[0]
    if size not in SIZES:
        abort(
            400,
            _("“%(name)s” must be one of %(known)s.", name="size", known=", ".join(map(str, sorted(SIZES)))),
        )
    return size


def _key(name: str) -> Key | None:
    text = request.args.get(name, "")
    key = log_search.read_key(text)
    if text and key is None:
        abort(
            400,
            _("“%(name)s” must be a position in the log (got %(text)s).", name=name, text=repr(text[:40])),
        )
    return key
