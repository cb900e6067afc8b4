"""The dashboard: what is being sent, what needs a person, what today brought, and what ended last."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from quart import Blueprint, render_template
from sqlalchemy.exc import SQLAlchemyError

from mailing.accounts.roles import Permission
from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult, CampaignState, RecipientState
from mailing.internet.receivers import name_of
from mailing.recipients.received import WARNED_DAYS
from mailing.reports import overview
from mailing.reports.lanes import NOBODY
from webapp.campaigns.notices import held_up, misses, time_left, waits
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.domain_texts import say
from webapp.i18n.languages import _, ngettext
from webapp.live.sse import respond
from webapp.received.views import TOLD, warning
from webapp.ui import badges, formats
from webapp.ui.jinja import reader_zone

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import tzinfo

    from quart import Response

    from mailing.campaigns.queries import Campaign
    from mailing.recipients.received import Warned
    from mailing.reports.overview import Overview
    from webapp.http.services import Services
    from webapp.live.hub import Reading
    from webapp.live.regions import Board

blueprint = Blueprint("dashboard", __name__)
UPDATE_S = 1.0
RESULTS = (AttemptResult.SENT, AttemptResult.DEFERRED, AttemptResult.FAILED, AttemptResult.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Need:
    """What a person has to do something about; where, by address. ``detail`` is quoted verbatim."""

    tone: str
    title: str
    text: str
    links: Mapping[str, str]
    detail: str = ""


@blueprint.get("/")
@auth.needs(Permission.READ)
async def index() -> str | tuple[str, int]:
    """Show how everything stands."""
    svc, zone = services(), reader_zone()[0]
    try:
        found = await _reading(svc, zone).get(asyncio.get_running_loop().time())
    except SQLAlchemyError:
        return await render_template("dashboard/index.html", section="dashboard", found=None), 503
    regions = _regions(svc, found, await svc.read(svc.received.read))
    return await render_template(
        "dashboard/index.html", section="dashboard", stream=svc.at("/stream"), **regions
    )


@blueprint.get("/stream")
@auth.needs(Permission.READ)
async def stream() -> Response:
    """Tell each second how everything stands."""
    return respond("dashboard", partial(_fill, services(), reader_zone()[0]))


async def _fill(svc: Services, zone: tzinfo, board: Board) -> None:
    async def draw() -> None:
        found = await _reading(svc, zone).get(asyncio.get_running_loop().time())
        values = _regions(svc, found, await svc.read(svc.received.read))
        for region in ("needs", "running", "today", "done"):
            board.show(f"#{region}", f"dashboard/_{region}.html", **values)
        await board.turn()

    await svc.hub.every(UPDATE_S, draw)


def _reading(svc: Services, zone: tzinfo) -> Reading[Overview]:
    now = datetime.fromtimestamp(now_ms() / 1000, zone)
    midnight = int(now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())
    return svc.hub.reading(f"overview since {midnight}", lambda: svc.read(overview.load, midnight, svc.days))


def _regions(svc: Services, found: Overview, warned: Warned) -> Mapping[str, object]:
    return {
        "found": found,
        "needs": (*_needs(svc, found), *_received(svc, warned)),
        "speeds": {each.id: _speed(each, found) for each in found.under_way},
        "results": RESULTS,
    }


def _speed(campaign: Campaign, found: Overview) -> str:
    """Return how fast a campaign goes and how long it will take; empty unless it is being sent."""
    if campaign.state is not CampaignState.SENDING:
        return ""
    speed = found.speeds[campaign.id]
    left, rate = (
        time_left(campaign, speed, found.at, found.behind.get(campaign.id, NOBODY)),
        formats.rate(speed.per_minute),
    )
    return f"{rate} · {left}" if left else rate


def _needs(svc: Services, found: Overview) -> Iterator[Need]:
    workers = {svc.at("/workers"): _("View workers")}
    trouble = svc.queue.trouble
    refuses = trouble is not None and trouble.refuses  # which ends each worker that starts
    reason = say(trouble.reason) if trouble else ""
    if found.waits and not found.workers and not refuses:
        text = _("A campaign is waiting. Start workers with `make run`. Sending then resumes automatically.")
        yield Need("failed", _("No worker is running"), text, workers)
    for campaign in found.under_way:
        if campaign.paused_reason:
            title = _("Volley paused “%(subject)s”", subject=badges.titled(campaign))
            text = _(
                "The remaining emails would fail for the same reason. Fix the problem, then press Resume."
            )
            link = {svc.at(f"/campaigns/{campaign.id}"): _("View campaign")}
            yield Need("failed", title, text, link, say(campaign.paused_reason))
    for campaign in found.not_started:
        title = _("“%(subject)s” did not start", subject=badges.titled(campaign))
        text = _("It is a draft again. Fix the problem, then schedule it again or send it.")
        link = {svc.at(f"/campaigns/{campaign.id}"): _("View campaign")}
        yield Need("failed", title, text, link, say(campaign.paused_reason))
    if waiting := next((campaign for campaign in found.under_way if campaign.rest), None):
        assert waiting.rest is not None
        notice = waits(waiting.rest)
        link = {svc.at(f"/campaigns/{waiting.id}"): _("View campaign")}
        yield Need(notice.tone, notice.title, notice.text, link, notice.detail)
    for receiver, record in found.held.items():
        notice = misses(name_of(receiver), record)
        yield Need(notice.tone, notice.title, notice.text, {}, notice.detail)
    yield from _of_workers(found, workers)
    if refuses:
        text = _("Nothing is lost. Sending resumes automatically when it accepts work again.")
        yield Need("failed", _("The queue (Redis) isn't accepting work"), text, workers, reason)
    elif svc.hub.away:
        text = _("Nothing is lost. Sending resumes automatically when it is back.")
        yield Need("deferred", _("The queue (Redis) isn't responding"), text, workers, reason)
    if unknown := [each for each in found.unknown if not _is_busy(each)]:
        total = sum(campaign.counts[RecipientState.UNKNOWN] for campaign in unknown)
        title = ngettext("%(n)s delivery is unconfirmed", "%(n)s deliveries are unconfirmed", total)
        text = _("The connection was lost before the server confirmed. Resend them or mark them as sent:")
        links = {
            svc.at(
                f"/campaigns/{campaign.id}?state=unknown#list"
            ): f"{badges.titled(campaign)} ({formats.number(campaign.counts[RecipientState.UNKNOWN])})"
            for campaign in unknown
        }
        yield Need("unknown", title, text, links)


def _received(svc: Services, warned: Warned) -> Iterator[Need]:
    for cut, it in warned[:TOLD]:
        link = {svc.at(f"/received?by={cut}&days={WARNED_DAYS}"): _("View figures")}
        yield Need(*warning(cut, it), link)


def _is_busy(campaign: Campaign) -> bool:
    """Whether emails of a campaign are being sent now: what is unknown can wait until that has ended."""
    return campaign.state is CampaignState.SENDING and campaign.retry is None


def _of_workers(found: Overview, link: Mapping[str, str]) -> Iterator[Need]:
    total = len(found.workers)
    resting = sum(not worker.consuming for worker in found.workers)
    if resting:
        title = ngettext(
            "%(n)s of %(total)s workers is paused",
            "%(n)s of %(total)s workers are paused",
            resting,
            total=total,
        )
        all_rest = resting == total
        text = _("Nothing is sent until you resume one.") if all_rest else _("The others take over.")
        yield Need("failed" if all_rest and found.waits else "deferred", title, text, link)
    for notice in held_up(found.workers):
        yield Need(notice.tone, notice.title, notice.text, link, notice.detail)
