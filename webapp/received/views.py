"""How sent mail is received: over all campaigns of some days, by campaign, sender or receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, render_template, request

from mailing.accounts.roles import Permission
from mailing.internet.findings import Light
from mailing.recipients import received
from mailing.recipients.received import PERIODS, WARNED_DAYS, Cut
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.languages import N_, _
from webapp.ui import formats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import Environment
    from sqlalchemy import Connection

    from mailing.recipients.received import Received, Warned

blueprint = Blueprint("received", __name__)
CUTS: Mapping[Cut, str] = {
    Cut.RECEIVER: N_("By receiver"),
    Cut.SENDER: N_("By sender"),
    Cut.CAMPAIGN: N_("By campaign"),
}
HEADS: Mapping[Cut, str] = {
    Cut.RECEIVER: N_("Receiver"),
    Cut.SENDER: N_("Sender"),
    Cut.CAMPAIGN: N_("Campaign"),
}
TONES: Mapping[Light, str] = {Light.AMBER: "deferred", Light.RED: "failed"}
USUAL_DAYS = 30
TOLD = 3  # warnings; the table marks all


def install(env: Environment) -> None:
    """Give the templates what they ask for."""
    env.globals.update(
        CUTS=CUTS, HEADS=HEADS, RECEIVED_TONES=TONES, received_name=name_of, received_total=received.total
    )
    env.filters.update(finely=finely)


def finely(part: int, whole: int) -> str:
    """Return a share, under a tenth to a hundredth of a percent: limits are as small as 0.1%."""
    if part * 10 >= whole:
        return formats.share(part, whole)
    return formats.percent(f"{100 * part / whole:.2f}") if part > 0 and whole > 0 else formats.percent("0")


def name_of(cut: Cut, it: Received) -> str:
    """Return how a row is called."""
    if it.others:
        return _("All others")
    if cut is Cut.SENDER and not it.key:
        return _("Demo inbox, or marked by hand")
    if it.name:
        return it.name
    return _("Sender %(id)s (removed)", id=it.key) if cut is Cut.SENDER else str(it.key)


def warning(cut: Cut, it: Received) -> tuple[str, str, str]:
    """Return what a limit warns of, as a tone, a title and what to do."""
    name, days = name_of(cut, it), WARNED_DAYS
    if it.complaint_light is not Light.GREEN:
        share = finely(it.complained, it.sent)
        title = _("%(name)s: %(share)s reported as spam in %(n)s days", name=name, share=share, n=days)
        text = _(
            "Receivers ask for less than 0.1%%; at 0.3%% they start to reject. Look at how these recipients "
            "joined the list."
        )
    else:
        share = finely(it.bounced, it.sent)
        title = _("%(name)s: %(share)s bounced in %(n)s days", name=name, share=share, n=days)
        text = _(
            "Receivers distrust senders with more than 2%%. Look at where the addresses come from before you "
            "send more."
        )
    return TONES[it.light], title, text


@blueprint.get("/received")
@auth.needs(Permission.READ)
async def index() -> str:
    """Show how the mail of some days was received."""
    asked, days = request.args.get("by", ""), request.args.get("days", "")
    cut = Cut(asked) if asked in set(Cut) else Cut.RECEIVER
    period = int(days) if days in set(map(str, PERIODS)) else USUAL_DAYS
    rows, warned = await services().read(_load, cut, period)
    return await render_template(
        "received/index.html",
        section="dashboard",
        cut=cut,
        days=period,
        rows=rows,
        warnings=[warning(*it) for it in warned[:TOLD]],
        PERIODS=PERIODS,
        here=services().at("/received"),
    )


def _load(connection: Connection, cut: Cut, days: int) -> tuple[Sequence[Received], Warned]:
    return received.over(connection, cut, days), received.warned(connection)
