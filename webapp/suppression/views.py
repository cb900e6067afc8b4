"""The page of the suppression list. Every form is a POST answered by a redirect."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from quart import Blueprint, Response, abort, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, UnfitError
from mailing.suppression import store
from mailing.suppression.tables import SuppressionReason
from tasks.commands import suppression as commands
from webapp.http import auth, params, security
from webapp.http.list_process import CrowdedError
from webapp.http.services import services
from webapp.i18n.domain_texts import say
from webapp.i18n.languages import N_, _, ngettext
from webapp.ui import downloads, formats, receipts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection
    from werkzeug.datastructures import MultiDict
    from werkzeug.wrappers import Response as AnyResponse

    from mailing.addresses.findings import Refusal
    from mailing.suppression.store import Suppression

blueprint = Blueprint("suppression", __name__)
SIZE, CHUNK = 50, 500
REFUSED_SHOWN = 10
FILE_MAX = 20_000_000  # bytes: some hundred thousand addresses
SHOWN_AGAIN = 1_000_000  # characters of a list that was refused
_ARCHIVES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # how workbooks begin
DAY_MS = 86_400_000
LASTS = (0, 30, 90, 365)  # days that a suppression lasts; 0: for ever
REASONS: Mapping[SuppressionReason, str] = {
    SuppressionReason.UNSUBSCRIBED: N_("Unsubscribed"),
    SuppressionReason.BOUNCED: N_("Bounced"),
    SuppressionReason.COMPLAINED: N_("Reported as spam"),
    SuppressionReason.MANUAL: N_("Added by hand"),
    SuppressionReason.IMPORTED: N_("Imported"),
}


@dataclass(frozen=True, slots=True)
class _Page:
    rows: Sequence[Suppression]
    total: int
    why: Sequence[Suppression]


@blueprint.get("/suppression")
@auth.needs(Permission.READ)
async def index() -> str:
    """Show the latest suppressions, or those that a search finds."""
    return await _page()


@blueprint.post("/suppression")
@auth.needs(Permission.LISTS)
async def add() -> AnyResponse | tuple[str, int]:
    """Suppress the addresses and domains of a pasted list."""
    form = await request.form
    return await _add(form.get("recipients", ""), form)


@blueprint.post("/suppression/file")
@auth.needs(Permission.LISTS)
async def bring() -> AnyResponse | tuple[str, int]:
    """Suppress the addresses and domains in a file: text or CSV."""
    upload = security.upload()
    if not upload.name:
        return await _page(fault=_("Choose a file first.")), 422
    data = b"".join([piece async for piece in upload.pieces])
    if data.startswith(_ARCHIVES):
        return await _page(
            fault=_("Workbooks can't be read here. Save the file as CSV, then upload that.")
        ), 422
    return await _add(data.decode("utf-8-sig", errors="replace"), upload.fields)


async def _add(text: str, form: Mapping[str, str]) -> AnyResponse | tuple[str, int]:
    reason, days = form.get("reason", ""), form.get("days", "0")
    if reason not in set(SuppressionReason) or days not in set(map(str, LASTS)):
        abort(400)
    until = now_ms() + int(days) * DAY_MS if int(days) else None
    work, chosen = partial(commands.add, topic=form.get("topic", "")), SuppressionReason(reason)
    try:
        added = await services().lists.run(text, work, auth.person(), text, chosen, until)
    except UnfitError as refusal:
        return await _page(typed=text[:SHOWN_AGAIN], fault=say(refusal.reason)), 422
    except CrowdedError as crowded:
        return await _page(typed=text[:SHOWN_AGAIN], fault=str(crowded.description)), 503
    if not added.new and not added.known:
        fault = say(added.refused[0].reason if added.refused else Reason("do-not-send.nobody"))
        return await _page(typed=text[:SHOWN_AGAIN], fault=fault, refused=added.refused), 422
    told = ngettext("%(n)s added.", "%(n)s added.", added.new)
    if added.known:
        told += " " + ngettext("%(n)s was there already.", "%(n)s were there already.", added.known)
    if added.refused:
        told += " " + ngettext("%(n)s line was skipped.", "%(n)s lines were skipped.", len(added.refused))
    receipts.tell(told)
    return redirect(services().at("/suppression"), 303)


async def again(form: MultiDict[str, str]) -> tuple[str, int]:
    """Show what was pasted again: the session had ended."""
    ended = _(
        "Your session had expired, so nothing was saved. Your input is still here: press the button again."
    )
    return await _page(typed=form.get("recipients", ""), fault=ended), 403


@blueprint.get("/suppression.csv")
@auth.needs(Permission.READ)
async def take_away() -> Response:
    """Send all suppressions, or those that the page's filters leave."""
    return _download(params.search(), params.state(SuppressionReason))


@blueprint.post("/suppression/<id:suppression_id>/lift")
@auth.needs(Permission.LISTS)
async def lift(suppression_id: int) -> AnyResponse:
    """Lift a suppression."""
    lifted = await services().do(commands.lift, auth.person(), suppression_id)
    if lifted is None:
        abort(409, _("This suppression was lifted already."))
    receipts.tell(_("%(subject)s can be mailed again.", subject=lifted.subject))
    return redirect(services().at("/suppression"), 303)


@blueprint.post("/suppression/forget")
@auth.needs(Permission.LISTS)
async def forget() -> AnyResponse | tuple[str, int]:
    """Forget a person, who is never mailed again."""
    email = (await request.form).get("email", "")
    try:
        await services().do(commands.forget, auth.person(), email)
    except UnfitError as refusal:
        return await _page(forgetting=email, fault=say(refusal.reason)), 422
    receipts.tell(_("Forgotten. Volley keeps a hash of the address, and never mails it again."))
    return redirect(services().at("/suppression"), 303)


async def _page(
    *, typed: str = "", forgetting: str = "", fault: str = "", refused: Sequence[Refusal] = ()
) -> str:
    q, reason, before = params.search(), params.state(SuppressionReason), params.number("before")
    page = await services().read(_load, q, reason, before)
    return await render_template(
        "suppression/index.html",
        section="suppression",
        tab="suppression",
        page=page,
        kept={name: value for name, value in (("q", q), ("state", reason)) if value},
        before=before,
        next=page.rows[-1].id if len(page.rows) == SIZE else None,
        reasons=REASONS,
        lasts=LASTS,
        typed=typed,
        forgetting=forgetting,
        fault=fault,
        refused=refused[:REFUSED_SHOWN],
    )


def _load(connection: Connection, q: str, reason: SuppressionReason | None, before: int | None) -> _Page:
    rows = store.find(connection, q, reason, before=before, limit=SIZE)
    local, at, domain = q.partition("@")
    why = store.why(connection, q) if local and at and domain and not rows else ()
    return _Page(rows, store.count(connection, q, reason), why)


def _download(q: str, reason: SuppressionReason | None) -> Response:

    def chunk(connection: Connection, after: int | None) -> tuple[Sequence[Suppression], int | None]:
        found = store.find(connection, q, reason, before=after, limit=CHUNK)
        return found, found[-1].id if len(found) == CHUNK else None

    def cells(it: Suppression) -> Sequence[object]:
        until = formats.iso(it.expires_at) if it.expires_at else ""
        return (it.subject, it.scope, it.reason, it.source, formats.iso(it.created_at), until)

    head = downloads.BOM + downloads.csv_lines([("email", "topic", "reason", "source", "since", "until")])
    return downloads.answer(
        "volley-suppression.csv", "csv", head, chunk, lambda rows: downloads.csv_lines(map(cells, rows))
    )
