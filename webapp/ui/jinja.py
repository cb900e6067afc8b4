"""What templates may use beyond their own data: filters, the reader's time zone, versioned files."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jinja2 import pass_context
from quart import has_request_context, request

from mailing.core.clock import now_ms
from mailing.core.states import RecipientState
from mailing.messages.values import printed
from mailing.sites import LOOPBACK_NAMES
from webapp.http import auth, params, static_files
from webapp.i18n import domain_texts
from webapp.ui import (
    badges,
    charts,
    dialogs,
    dialogues,
    explanations,
    foretold,
    formats,
    preferences,
    receipts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2.runtime import Context
    from quart import Quart

    from mailing.campaigns.queries import Campaign
    from mailing.senders.forecasts import Band
    from webapp.http.services import Services
    from webapp.ui.foretold import Foretold


def install(app: Quart, services: Services) -> None:
    """Give the templates of ``app`` their filters and what every page shows."""
    env = app.jinja_env
    env.trim_blocks = env.lstrip_blocks = True
    env.filters.update(
        static=lambda name: services.at(static_files.address(name)),
        number=formats.number,
        printed=printed,
        beginning=formats.beginning,
        share=formats.share,
        size=formats.size,
        iso=formats.iso,
        duration=formats.duration,
        width=formats.width,
        until=formats.until,
        rate=formats.rate,
        query=query,
        say=domain_texts.say,
        segments=_segments,
        address=badges.address,
        domain=badges.domain,
        coded=badges.coded,
        badge=badges.badge,
        campaign_badge=badges.campaign_badge,
        titled=badges.titled,
        look=badges.look,
        reply=badges.reply,
        reason=explanations.reason,
        spell=params.spell,
        shape=badges.shape,
        clock=_clock,
        due=_due,
        day=_day,
        stamp=_stamp,
        date=formats.date,
        foretold=_foretold,
    )
    env.globals.update(
        root=services.at(""),
        opens=dialogs.opens,
        closes=dialogs.closes,
        explain=explanations.explain,
        receipt=receipts.take,
        CHART_ORDER=charts.ORDER,
        STAGES=dialogues.STAGES,
        TROUBLES=badges.TROUBLES,
        RECIPIENT_STATES=tuple(RecipientState),
        SHOWN_MAX=formats.SHOWN_MAX,
    )

    @app.context_processor
    def page() -> dict[str, Any]:
        return base_context(services) | {"theme": preferences.theme()}


def base_context(services: Services) -> dict[str, Any]:
    """Return what every template finds: the moment, the reader's zone, account and rights."""
    zone, name = reader_zone()
    return {
        "now": now_ms(),
        "zone": zone,
        "zone_name": name,
        "demo_inbox": services.settings.sender.host in LOOPBACK_NAMES,
        "mail_server": services.settings.sender.host,
        "rights": auth.rights(),
        "account": auth.person().name,
    }


def reader_zone() -> tuple[tzinfo, str]:
    """Return the time zone that the browser told in its cookie, or else the server's, and its name."""
    name = request.cookies.get("tz", "") if has_request_context() else ""
    try:
        return _zone(name), name
    except (ZoneInfoNotFoundError, ValueError, OSError):
        here = datetime.now().astimezone()
        return timezone(here.utcoffset() or timedelta()), here.tzname() or "UTC"


def _zone(name: str) -> ZoneInfo:
    if not name or len(name) > 64:  # noqa: PLR2004
        raise ValueError
    return ZoneInfo(name)


def query(values: Mapping[str, object]) -> str:
    """Return ``?state=failed`` for the values that are set."""
    given = {name: value for name, value in values.items() if value}
    return f"?{urlencode(given)}" if given else ""


def _segments(campaign: Campaign) -> tuple[formats.Segment, ...]:
    return formats.segments(campaign.counts, badges.BAR_ORDER)


@pass_context
def _clock(context: Context, ms: int | None) -> str:
    return formats.clock(ms, cast("tzinfo", context["zone"]))


@pass_context
def _due(context: Context, ms: int | None) -> str:
    return formats.due(ms, now_ms(), cast("tzinfo", context["zone"]))


@pass_context
def _day(context: Context, ms: int) -> str:
    return formats.day(ms, cast("tzinfo", context["zone"]))


@pass_context
def _stamp(context: Context, ms: int | None) -> str:
    return formats.stamp(ms, cast("tzinfo", context["zone"]))


@pass_context
def _foretold(context: Context, band: Band) -> Foretold:
    return foretold.words(band, cast("tzinfo", context["zone"]), now_ms())
