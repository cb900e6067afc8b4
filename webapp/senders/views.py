"""The pages of senders: all of them in their order, one to be changed, and a test of it as it happens.

Every form is a POST answered by a redirect, so all of it works without scripts. No secret is ever shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, abort, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.core.clock import now_ms
from mailing.core.reasons import EntryError, UnfitError
from mailing.credentials.providers import PROVIDERS
from mailing.ledger import rests
from mailing.senders import opening, store, warming, warmup
from mailing.senders.presets import OWN, PRESETS
from mailing.senders.store import SenderError
from tasks.commands import senders as commands
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _
from webapp.live.sse import BEAT_S, respond
from webapp.live.trials import BusyError, runs
from webapp.senders import forms, inspections
from webapp.senders.consents import Way
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quart import Response
    from sqlalchemy import Connection
    from werkzeug.wrappers import Response as AnyResponse

    from mailing.core.reasons import Words
    from mailing.ledger.rests import Rest
    from mailing.senders.store import Account
    from webapp.live.regions import Board
    from webapp.live.trials import Run

blueprint = Blueprint("senders", __name__)
LOOK_S = 0.2
_ONE = "/senders/<id:sender_id>"
WAY = Way(
    "/senders",
    "volley_consent",
    "consent",
    store.get,
    store.open_secret,
    commands.connect,
    "sender.not-found",
)


@blueprint.get("/senders")
@auth.needs(Permission.READ)
async def index() -> str:
    """Show all senders in their order."""
    senders, resting = await services().read(_load)
    return await render_template(
        "senders/index.html",
        section="senders",
        senders=senders,
        resting=resting,
        troubles={it.id: _trouble(it) for it in senders},
        summary=forms.summary,
        tls=forms.TLS,
    )


@blueprint.get(f"{_ONE}/connect")
@auth.needs(Permission.SENDERS)
async def connect(sender_id: int) -> AnyResponse:
    """Send the browser to the provider of a sender's account, which gives its consent there."""
    return await WAY.begin(sender_id)


@blueprint.get(WAY.back)
@auth.needs(Permission.SENDERS)
async def connected() -> AnyResponse:
    """Keep the consent that the browser brings back."""
    return await WAY.finish(_("Connected. Test the sender before you use it."))


def _load(connection: Connection) -> tuple[Sequence[Account], Mapping[str, Rest]]:
    """Return all senders in their order, and those that wait now, by account."""
    now = now_ms()
    lasting = rests.lasting(connection).rests
    return store.every(connection), {name: it for name, it in lasting.items() if it.holds(now)}


@blueprint.get("/senders/new")
@auth.needs(Permission.SENDERS)
async def new() -> str:
    """Show the presets, or the form that begins with one."""
    preset = PRESETS.get(request.args.get("preset", ""))
    if preset is None:
        return await render_template("senders/presets.html", section="senders", presets=PRESETS.values())
    return await _form(forms.of_preset(preset), {}, None)


@blueprint.post("/senders")
@auth.needs(Permission.SENDERS)
async def create() -> AnyResponse | tuple[str, int]:
    """Store a sender, and show it."""
    form, svc = await request.form, services()
    entry, faults = forms.entered(form, None)
    if entry is None:
        return await _form(form, faults, None), 422
    try:
        sender_id = await svc.do(commands.create, auth.person(), entry, svc.settings.secret_key)
    except SenderError as refusal:
        return await _form(form, {"name": say_why(refusal)}, None), 409
    receipts.tell(_("Saved. Test the sender before you use it."))
    return redirect(svc.at(f"/senders/{sender_id}"), 303)


@blueprint.get(_ONE)
@auth.needs(Permission.SENDERS)
async def show(sender_id: int) -> str:
    """Show the form of a sender."""
    account = await the_sender(sender_id)
    return await _form(forms.of_account(account), {}, account)


@blueprint.post(_ONE)
@auth.needs(Permission.SENDERS)
async def revise(sender_id: int) -> AnyResponse | tuple[str, int]:
    """Change a sender as the form's page showed it."""
    form, svc, account = await request.form, services(), await the_sender(sender_id)
    entry, faults = forms.entered(form, account)
    if entry is None:
        return await _form(form, faults, account), 422
    seen = form.get("revision", "")
    if not (seen.isascii() and seen.isdigit()) or len(seen) > 9:  # noqa: PLR2004
        abort(400, _("This form is out of date. Reload the page."))
    key = svc.settings.secret_key
    try:
        await svc.do(commands.revise, auth.person(), sender_id, entry, key, seen=int(seen))
    except EntryError as error:
        return await _form(form, forms.refused(error), account), 422
    except SenderError as refusal:
        return await _form(form, {"name": say_why(refusal)}, account), 409
    receipts.tell(_("Saved."))
    return redirect(svc.at(f"/senders/{sender_id}"), 303)


@blueprint.post(f"{_ONE}/move")
@auth.needs(Permission.SENDERS)
async def move(sender_id: int) -> AnyResponse:
    """Move a sender up or down in the order."""
    senders = await services().read(store.every)
    order = [account.id for account in senders]
    if sender_id not in order:
        abort(404)
    place = order.index(sender_id) + 1
    wanted = place + (1 if (await request.form).get("to") == "down" else -1)
    if 1 <= wanted <= len(order):
        await services().do(commands.move, auth.person(), sender_id, wanted)
    return redirect(services().at("/senders"), 303)


@blueprint.post(f"{_ONE}/delete")
@auth.needs(Permission.SENDERS)
async def delete(sender_id: int) -> AnyResponse:
    """Delete a sender, unless a campaign uses it."""
    await the_sender(sender_id)
    try:
        gone = await services().do(commands.delete, auth.person(), sender_id)
    except SenderError as refusal:
        abort(409, say_why(refusal))
    receipts.tell(_("“%(name)s” was deleted.", name=gone.name))
    return redirect(services().at("/senders"), 303)


@blueprint.post(f"{_ONE}/test")
@auth.needs(Permission.SENDERS)
async def begin_test(sender_id: int) -> AnyResponse | tuple[str, int]:
    """Try a sender, and lead to what is said."""
    account, form = await the_sender(sender_id), await request.form
    typed = forms.of_account(account) | {"mail_from": form.get("mail_from", "")}
    try:
        run = await inspections.begin(auth.person(), account, typed["mail_from"])
    except BusyError as busy:
        return await _form(typed, {"mail_from": say_why(busy)}, account), 503
    except UnfitError as error:
        return await _form(typed, {"mail_from": say_why(error)}, account), 422
    except SenderError as refusal:
        return await _form(typed, {"mail_from": say_why(refusal)}, account), 409
    return redirect(services().at(f"/senders/{sender_id}/test/{run.name}"), 303)


@blueprint.get(f"{_ONE}/test/<name>")
@auth.needs(Permission.SENDERS)
async def show_test(sender_id: int, name: str) -> str:
    """Show a test as far as it has come."""
    account, run = await the_sender(sender_id), _run(sender_id, name)
    here = services().at(f"/senders/{sender_id}")
    return await render_template(
        "senders/test.html",
        section="senders",
        account=account,
        here=here,
        run=run,
        stream=f"{here}/test/{name}/stream",
    )


@blueprint.get(f"{_ONE}/test/<name>/stream")
@auth.needs(Permission.SENDERS)
async def stream(sender_id: int, name: str) -> Response:
    """Tell the page what is said."""
    run, svc = _run(sender_id, name), services()

    async def fill(board: Board) -> None:
        async def draw() -> bool:
            ended = run.ended
            board.show("#dialogue", "senders/_dialogue.html", run=run)
            await board.turn()
            return ended

        await svc.hub.every(LOOK_S, draw)
        await svc.hub.every(BEAT_S, board.turn)

    return respond(("sender test", name), fill)


@blueprint.post(f"{_ONE}/warmup")
@auth.needs(Permission.SENDERS)
async def warm_up(sender_id: int) -> AnyResponse | tuple[str, int]:
    """Begin, change or end a sender's warm-up."""
    account, form = await the_sender(sender_id), await request.form
    try:
        if form.get("act") == "end":
            await services().do(commands.end_warmup, auth.person(), sender_id)
        else:
            wanted = forms.read_warmup(form)
            await services().do(commands.keep_warmup, auth.person(), sender_id, **wanted)
    except EntryError as error:
        typed = forms.of_account(account) | {name: form.get(name, "") for name in forms.WARMUP}
        return await _form(typed, forms.refused(error), account), 422
    except SenderError as refusal:
        abort(409, say_why(refusal))
    receipts.tell(_("Saved."))
    return redirect(services().at(f"/senders/{sender_id}#warmup"), 303)


async def the_sender(sender_id: int) -> Account:
    """Return the sender that an address names; answer 404 if there is none."""
    found = await services().read(store.get, sender_id)
    if found is None:
        abort(404, _("Sender %(id)s doesn't exist.", id=sender_id))
    return found


def _run(sender_id: int, name: str) -> Run:
    run = runs().get(name, inspections.about(sender_id))
    if run is None:
        abort(404, _("The result of this test is no longer kept. Test the sender again."))
    return run


def _trouble(account: Account) -> Words:
    chosen = services().settings
    return opening.fault(account, chosen.secret_key, chosen.sender)


async def _form(typed: Mapping[str, str], faults: Mapping[str, str], account: Account | None) -> str:
    preset = PRESETS.get(typed.get("preset", ""), PRESETS[OWN])
    return await render_template(
        "senders/form.html",
        section="senders",
        account=account,
        typed=typed,
        faults=faults,
        preset=preset,
        trouble=_trouble(account) if account else "",
        provider=PROVIDERS.get(account.provider) if account else None,
        uses=await services().read(store.campaigns_of, account.id) if account else (),
        calendar=await services().read(warming.calendar, account) if account else (),
        today=warmup.the_day(now_ms(), account.limits) if account else "",
        back=WAY.address,
        TLS=forms.TLS,
        SIGN_IN=forms.SIGN_IN,
        UNITS=forms.UNITS,
        line=forms.EXAMPLE,
        usual=services().settings.sender.connections,
    )
