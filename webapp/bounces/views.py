"""The pages of what came back: searched, each with its report, and the rules of what follows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from quart import Blueprint, Response, abort, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.bounces import following, store
from mailing.bounces.causes import BounceClass
from mailing.bounces.following import COMPLAINED, DAYS, TIMES, Rule
from mailing.bounces.reading import Kind
from mailing.bounces.store import Sort
from mailing.core.reasons import UnfitError
from tasks.commands import bounces as commands
from webapp.http import auth, params
from webapp.http.services import services
from webapp.i18n.domain_texts import say
from webapp.i18n.languages import N_, _
from webapp.live.sse import respond
from webapp.ui import receipts
from webapp.ui.jinja import query

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection
    from werkzeug.wrappers import Response as AnyResponse

    from mailing.bounces.store import Kept
    from webapp.http.services import Services
    from webapp.live.regions import Board

blueprint = Blueprint("bounces", __name__)
SIZE = 50
UPDATE_S = 2.0
FRESH_MOST = 100  # new ones that are counted
SORTS: Mapping[Sort, str] = {
    Sort.DEAD: N_("Dead mailbox"),
    Sort.SOFT: N_("Soft bounce"),
    Sort.POLICY: N_("Blocked by policy"),
    Sort.COMPLAINED: N_("Reported as spam"),
    Sort.UNSUBSCRIBED: N_("Unsubscribed"),
    Sort.DELAYED: N_("Delayed by the receiver"),
    Sort.REPLIED: N_("Automatic reply"),
    Sort.UNMATCHED: N_("No recipient found"),
}
KINDS: Mapping[Kind, str] = {
    Kind.COMPLAINED: SORTS[Sort.COMPLAINED],
    Kind.UNSUBSCRIBED: SORTS[Sort.UNSUBSCRIBED],
    Kind.DELAYED: SORTS[Sort.DELAYED],
    Kind.REPLIED: SORTS[Sort.REPLIED],
    Kind.OTHER: N_("Message from the receiver"),
}
CLASSES: Mapping[BounceClass, str] = {
    BounceClass.HARD: SORTS[Sort.DEAD],
    BounceClass.SOFT: SORTS[Sort.SOFT],
    BounceClass.POLICY: SORTS[Sort.POLICY],
}
RULES: Mapping[str, str] = {
    BounceClass.HARD: SORTS[Sort.DEAD],
    BounceClass.SOFT: SORTS[Sort.SOFT],
    BounceClass.POLICY: SORTS[Sort.POLICY],
    COMPLAINED: SORTS[Sort.COMPLAINED],
}
RAW_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class _Page:
    """``newest`` is the id of the latest report of all."""

    rows: Sequence[Kept]
    newest: int
    rules: Mapping[str, Rule]


@blueprint.get("/bounces")
@auth.needs(Permission.READ)
async def index() -> str:
    """Show what came back, the latest first, or what a search finds."""
    return await _page()


@blueprint.get("/bounces/stream")
@auth.needs(Permission.READ)
async def stream() -> Response:
    """Tell every other second how many reports joined the first page since ``known``."""
    q, sort, known = params.search(), params.state(Sort), params.number("known")
    if known is None:
        abort(400, _("“%(name)s” must be a whole number (got %(text)s).", name="known", text="''"))
    kept = _kept(q, sort)
    looks = partial(store.count, sort=sort, q=q, after=known)
    return respond(("bounces", q, sort, known), partial(_fill, services(), looks, kept))


@blueprint.get("/bounces/<id:report_id>")
@auth.needs(Permission.READ)
async def show(report_id: int) -> str:
    """Show a report."""
    report = await services().read(store.get, report_id)
    if report is None:
        abort(404, _("This report doesn't exist, or Volley no longer keeps it."))
    raw = await services().read(store.text, report_id)
    return await render_template(
        "bounces/report.html",
        section="suppression",
        tab="bounces",
        it=report,
        raw=raw is not None,
        **_words(),
    )


@blueprint.get("/bounces/<id:report_id>/raw")
@auth.needs(Permission.READ)
async def raw(report_id: int) -> Response:
    """Send a report as it came, to be saved: no browser shows it as a page."""
    found = await services().read(store.text, report_id)
    if found is None:
        abort(404, _("This report doesn't exist, or Volley no longer keeps it."))
    told = found.startswith(b"{")  # by a webhook
    kind, end = ("text/plain; charset=utf-8", "json.txt") if told else ("message/rfc822", "eml")
    headers = {
        **RAW_HEADERS,
        "Content-Disposition": f'attachment; filename="volley-bounce-{report_id}.{end}"',
    }
    return Response(found, content_type=kind, headers=headers)


@blueprint.post("/bounces/rules")
@auth.needs(Permission.LISTS)
async def change_rules() -> AnyResponse | tuple[str, int]:
    """Change the rules that somebody has changed in the form."""
    form = await request.form
    before = await services().read(following.rules)
    try:
        rules = {what: _rule(form.get(f"times-{what}", ""), form.get(f"days-{what}", "")) for what in RULES}
    except UnfitError as refusal:
        return await _page(fault=say(refusal.reason)), 422
    for what, rule in rules.items():
        if rule != before[what]:
            await services().do(commands.change_rule, auth.person(), what, rule)
    receipts.tell(_("The rules were saved. They count for what comes back from now on."))
    return redirect(services().at("/bounces"), 303)


def _rule(times: str, days: str) -> Rule:
    """Return what was entered. Raises ``UnfitError``."""
    numbers = (int(it) if it.isascii() and it.isdigit() and len(it) < 5 else -1 for it in (times, days))  # noqa: PLR2004
    return Rule(*numbers)


async def _page(fault: str = "") -> str:
    svc = services()
    q, sort, before = params.search(), params.state(Sort), params.number("before")
    page, kept = await svc.read(_load, q, sort, before), _kept(q, sort)
    stream = svc.at(f"/bounces/stream{query(dict(kept, known=page.newest))}")
    return await render_template(
        "bounces/index.html",
        section="suppression",
        tab="bounces",
        page=page,
        kept=kept,
        before=before,
        next=page.rows[-1].id if len(page.rows) == SIZE else None,
        stream="" if before or fault else stream,
        fresh=0,
        most=FRESH_MOST,
        fault=fault,
        domain=svc.settings.bounce_domain,
        times=TIMES.stop - 1,
        days=DAYS.stop - 1,
        **_words(),
    )


def _words() -> Mapping[str, object]:
    return {"SORTS": SORTS, "KINDS": KINDS, "CLASSES": CLASSES, "RULES": RULES}


def _kept(q: str, sort: Sort | None) -> Mapping[str, str]:
    return {name: value for name, value in (("q", q), ("state", sort)) if value}


def _load(connection: Connection, q: str, sort: Sort | None, before: int | None) -> _Page:
    newest = store.newest(connection)  # read first: what joins meanwhile is then shown as new
    rows = store.find(connection, q=q, sort=sort, before=before, limit=SIZE)
    return _Page(rows, newest, following.rules(connection))


async def _fill(
    svc: Services, count: Callable[[Connection], int], kept: Mapping[str, str], board: Board
) -> None:
    fresh = 0

    async def draw() -> None:
        nonlocal fresh
        if fresh < FRESH_MOST:
            fresh = await svc.read(count)
        board.show("#fresh", "bounces/_fresh.html", fresh=fresh, most=FRESH_MOST, kept=kept)
        await board.turn()

    await svc.hub.every(UPDATE_S, draw)
