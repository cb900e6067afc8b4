"""Lanes on the page of a campaign: how far each receiver is, why it is slow, and its lane by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, abort, redirect, request

from mailing.accounts.roles import Permission
from mailing.campaigns.lifecycle import NotAllowed
from mailing.ledger.lanes import Order
from mailing.reports.lanes import Pace
from tasks.commands import lanes as commands
from webapp.http import auth
from webapp.http.services import services, the_campaign
from webapp.i18n.domain_texts import say_why
from webapp.i18n.languages import N_, _, ngettext
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment
    from werkzeug.wrappers import Response

    from mailing.reports.lanes import Standing

blueprint = Blueprint("lanes", __name__)

ORDERS: Mapping[str, tuple[str, Order, int]] = {
    "resume": (N_("Resume now"), Order.RESUME, 0),
    "rest-10": (N_("Rest for 10 minutes"), Order.REST, 10),
    "rest-60": (N_("Rest for an hour"), Order.REST, 60),
    "pause": (N_("Pause until resumed"), Order.PAUSE, 0),
}


def install(env: Environment) -> None:
    """Give the templates what they ask for."""
    env.globals.update(LANE_ORDERS=ORDERS, lane_name=name_of, why_slow=why_slow)


def name_of(lane: Standing) -> str:
    """Return how a lane is called."""
    return lane.name or _("All others")


def why_slow(lane: Standing, until: str) -> str:
    """Return in plain words how a slow lane goes on; empty for any other. ``until`` is when its rest ends."""
    if lane.slow is None:
        return ""
    if lane.pace is Pace.PAUSED:
        return _("Paused. No email is sent to this receiver until it is resumed.")
    if lane.record:
        return _(
            "On hold until the record is published. Volley checks DNS every few minutes and then sends a "
            "single email; if it is accepted, more follow."
        )
    if lane.pace is Pace.RESTING:
        limited = _("Resting until %(time)s. Its limit is used up.", time=until)
        one = _(
            "Resting until %(time)s. Then a single email is sent; if it is accepted, more follow.", time=until
        )
        return limited if lane.slow.by_limit else one
    if lane.pace is Pace.TRYING:
        return _("Rested. A single email is sent to see whether mail is accepted again.")
    return ngettext(
        "Recovering: %(n)s email at a time, and more as emails are accepted.",
        "Recovering: %(n)s emails at a time, and more as emails are accepted.",
        lane.slow.width,
    )


@blueprint.post("/campaigns/<id:campaign_id>/lanes")
@auth.needs(Permission.SEND)
async def order(campaign_id: int) -> Response:
    """Let a lane go on, or have it rest."""
    form, svc = await request.form, services()
    await the_campaign(campaign_id)
    receiver, chosen = form.get("receiver", ""), ORDERS.get(form.get("order", ""))
    if not receiver or chosen is None:
        abort(400, _("This form is out of date. Reload the page."))
    said, wanted, minutes = chosen
    try:
        await svc.do(
            commands.order,
            auth.person(),
            campaign_id,
            receiver,
            wanted,
            minutes=minutes,
        )
    except NotAllowed as refusal:
        abort(409, say_why(refusal))
    receipts.tell(f"{_(said)}: {receiver}")
    return redirect(svc.at(f"/campaigns/{campaign_id}#lanes"), 303)
