"""A test send: its form, and its SMTP dialogue as it happens, stage by stage, with times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, abort, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.actors import ActorKind
from mailing.reports import preview
from mailing.reports.preview import NoMessageError
from webapp.http import auth, params
from webapp.http.services import services, the_campaign
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import _
from webapp.live import trials
from webapp.live.sse import BEAT_S, respond
from webapp.live.trials import BusyError, runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from werkzeug.wrappers import Response as AnyResponse

    from webapp.live.regions import Board
    from webapp.live.trials import Run

blueprint = Blueprint("trials", __name__)
LOOK_S = 0.2
_ONE = "/campaigns/<id:campaign_id>/test"


@blueprint.get(_ONE)
@auth.needs(Permission.WRITE)
async def form(campaign_id: int) -> str:
    """Show the form of a test."""
    campaign = await the_campaign(campaign_id)
    person = await services().read(preview.somebody, campaign_id, params.number("recipient"))
    who = auth.person()
    own = who.name if who.kind is ActorKind.PERSON else ""
    typed = {"to": params.words(request.args.get("to", "")) or own, "like": person.email if person else ""}
    return await _form(campaign_id, campaign.subject, typed)


@blueprint.post(_ONE)
@auth.needs(Permission.WRITE)
async def send(campaign_id: int) -> AnyResponse | tuple[str, int]:
    """Send a test, and lead to its dialogue."""
    campaign, typed = await the_campaign(campaign_id), await request.form
    to, like = typed.get("to", ""), typed.get("like", "").strip()
    try:
        run = await trials.begin(auth.person(), campaign_id, to, like)
    except BusyError as busy:
        return await _form(campaign_id, campaign.subject, typed, {"": say_why(busy)}), 503
    except NoMessageError as error:
        return await _form(campaign_id, campaign.subject, typed, {error.field: say_why(error)}), 422
    except NotAllowed as refusal:
        return await _form(campaign_id, campaign.subject, typed, {"": say_why(refusal)}), 429
    return redirect(services().at(f"/campaigns/{campaign_id}/test/{run.name}"), 303)


@blueprint.get(f"{_ONE}/<name>")
@auth.needs(Permission.WRITE)
async def show(campaign_id: int, name: str) -> str:
    """Show a test as far as it has come."""
    campaign, run = await the_campaign(campaign_id), _run(campaign_id, name)
    here = services().at(f"/campaigns/{campaign_id}")
    stream = f"{here}/test/{name}/stream"
    return await render_template(
        "messages/trial.html",
        section="campaigns",
        campaign=campaign,
        here=here,
        run=run,
        stream=stream,
    )


@blueprint.get(f"{_ONE}/<name>/stream")
@auth.needs(Permission.WRITE)
async def stream(campaign_id: int, name: str) -> Response:
    """Tell the page what is said."""
    run, svc = _run(campaign_id, name), services()

    async def fill(board: Board) -> None:
        async def draw() -> bool:
            ended = run.ended
            board.show("#dialogue", "messages/_dialogue.html", run=run)
            await board.turn()
            return ended

        await svc.hub.every(LOOK_S, draw)
        await svc.hub.every(BEAT_S, board.turn)

    return respond(("test send", name), fill)


def _run(campaign_id: int, name: str) -> Run:
    run = runs().get(name, trials.about(campaign_id))
    if run is None:
        abort(404, _("The result of this test is no longer kept. Send another test."))
    return run


async def _form(
    campaign_id: int, subject: str, typed: Mapping[str, str], faults: Mapping[str, str] | None = None
) -> str:
    return await render_template(
        "messages/test.html",
        section="campaigns",
        here=services().at(f"/campaigns/{campaign_id}"),
        subject=subject,
        typed=typed,
        faults=faults or {},
    )
