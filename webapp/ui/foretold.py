"""Forecasts in words: how many today, when the rest is sent, and what holds them back."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from babel.dates import format_datetime, format_time

from mailing.senders.forecasts import HOURS, REST
from webapp.i18n import languages
from webapp.i18n.languages import N_, _
from webapp.ui import formats

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, tzinfo

    from mailing.senders.forecasts import Band, Held

WIDE_MS = 900_000  # a narrower band is not told
WEEK = 7  # days in which a weekday says which day is meant
QUOTAS: Mapping[str, str] = {
    "second": N_("the limit per second"),
    "minute": N_("the limit per minute"),
    "hour": N_("the hourly limit"),
    "day": N_("the daily quota"),
    "24h": N_("the quota of 24 hours"),
    "warmup": N_("the warm-up"),
}


class Foretold(NamedTuple):
    """``when`` the rest is sent, within which ``band`` if that is wide, and ``why`` not before.

    ``sender`` is the id of the one that holds it back, or 0.
    """

    when: str
    band: str
    why: str
    sender: int


def words(band: Band, zone: tzinfo, now: int) -> Foretold:
    """Return a forecast in words, by the clocks of a zone."""
    usual = band.usual
    days = usual.by_day(zone)
    today = _there(now, zone).date()
    first = days.get(today.isoformat(), 0)
    if usual.ends_at is None:
        when = _("%(n)s today, the rest later than can be told", n=formats.number(first))
    else:
        until = _moment(_there(usual.ends_at, zone), today)
        if first and first < sum(days.values()):
            when = _("%(n)s today, the rest until %(time)s", n=formats.number(first), time=until)
        else:
            when = _("all until %(time)s", time=until)
    wide = ""
    if band.earliest and band.latest and band.latest - band.earliest > WIDE_MS:
        ends = (_moment(_there(each, zone), today) for each in (band.earliest, band.latest))
        wide = _("between %(first)s and %(last)s", **dict(zip(("first", "last"), ends, strict=True)))
    held = usual.held
    return Foretold(when, wide, _why(held) if held else "", held.sender_id if held else 0)


def _why(held: Held) -> str:
    if held.by == HOURS:
        return _("Held back by the sending hours; more workers would not help.")
    name = held.name
    if held.by == REST:
        return _("Held back by the mail server of “%(name)s”; more workers would not help.", name=name)
    it = _(QUOTAS[held.by])
    if not name:
        return _("Held back by %(quota)s of this campaign; more workers would not help.", quota=it)
    return _("Held back by %(quota)s of “%(name)s”; more workers would not help.", quota=it, name=name)


def _there(ms: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(ms / 1000, zone)


def _moment(at: datetime, today: date) -> str:
    """Return the time of day, with the weekday if it is not today, or the date if that is far away."""
    locale = languages.locale()
    ahead = (at.date() - today).days
    if not ahead:
        return format_time(at, "short", locale=locale)
    return format_datetime(at, "EEEE HH:mm" if 0 < ahead < WEEK else "d MMM y, HH:mm", locale=locale)
