"""The email log: every attempt of every campaign, to search, to page through and to take away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, abort, render_template, request

from mailing import maillog
from mailing.states import AttemptResult
from webapp import asking, exports, searches, views
from webapp.languages import _
from webapp.rendering import reader_zone
from webapp.services import services, the_campaign

if TYPE_CHECKING:
    from quart import Response
    from sqlalchemy import Connection

    from mailing.maillog import Key, LogPage
    from webapp.searches import Asked

blueprint = Blueprint("history", __name__)
SIZES = (100, 50, 200)  # the usual one first


@blueprint.get("/history")
async def log() -> str:
    """Show the log, the newest first."""
    asked, before, after = _asked(), _key("before"), _key("after")
    size = asking.number("size") or SIZES[0]
    if size not in SIZES:
        abort(
            400,
            _("%(name)s must be one of %(known)s.", name="size", known=", ".join(map(str, sorted(SIZES)))),
        )

    def read(connection: Connection) -> tuple[LogPage, int | None]:
        page = maillog.page(connection, asked.search, before=before, after=after, limit=size)
        return page, maillog.count(connection, asked.search)

    page, total = await services().read(read)
    return await render_template(
        "history.html",
        section="history",
        page=page,
        total=total,
        written=asked.written,
        elsewhere=before is not None or after is not None,
        size=size,
        kept=asked.written if size == SIZES[0] else {**asked.written, "size": size},
        newer=searches.write_key(page.newer),
        older=searches.write_key(page.older),
        results=tuple(AttemptResult),
        sizes=sorted(SIZES),
    )


@blueprint.get("/history.<any(csv, jsonl):form>")
async def log_file(form: str) -> Response:
    """Send the whole log, or what the same filters leave of it, the oldest first."""
    return exports.log(_asked().search, form)


@blueprint.get("/campaigns/<id:campaign_id>/recipients.<any(csv, jsonl):form>")
async def recipients_file(campaign_id: int, form: str) -> Response:
    """Send a campaign's recipients with their last attempt, or what the page's filters leave of them."""
    wanted = views.asked().filter
    await the_campaign(campaign_id)
    return exports.recipients(campaign_id, wanted, form)


def _asked() -> Asked:
    asked = searches.read(request.args, reader_zone()[0])
    if asked.faults:
        abort(400, " ".join(asked.faults.values()))
    return asked


def _key(name: str) -> Key | None:
    text = request.args.get(name, "")
    key = searches.read_key(text)
    if text and key is None:
        abort(
            400, _("%(name)s must be a place in the log, and is %(text)s.", name=name, text=repr(text[:40]))
        )
    return key
