"""How numbers, times and shares are written for people, in the language now: the same on page and stream."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from babel.dates import format_date, format_datetime, format_skeleton

from webapp.i18n import languages
from webapp.i18n.languages import N_, NBSP, _, ngettext

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from mailing.core.states import RecipientState

SHOWN_MAX = 100_000  # characters of a message
BAR_WIDTH = 1000  # units of a progress bar's drawing
_LEAST_WIDTH = 4.0  # what a single email gets, so that one failure among 100,000 is seen
_SECOND_MS, _MINUTE_MS = 1_000, 60_000
_TELLING_MS = 10_000  # a rate over less time than this foretells nothing
_MEGABYTE = 1_000_000
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def number(value: int) -> str:
    """Return ``48,210`` for 48210."""
    return languages.grouped(value)


def beginning(text: str) -> str:
    """Return as much of a text as a page shows: a long one would keep the browser busy for long."""
    return text[:SHOWN_MAX]


def share(part: int, whole: int) -> str:
    """Return a percentage that says 0% and 100% only when it is so."""
    if whole <= 0 or part <= 0:
        return percent("0")
    if part >= whole:
        return percent("100")
    tenths = min(max(round(part * 1000 / whole), 1), 999)
    return percent(f"{'<' if part * 1000 < whole else ''}{tenths / 10:.1f}")


def size(n: int) -> str:
    """Return ``12.3 KB`` for 12,345 bytes, never parted. It says 0 only of nothing."""
    unit, each = (N_("%(n)s KB"), 1_000) if n < _MEGABYTE else (N_("%(n)s MB"), _MEGABYTE)
    shown = max(n, each // 10) if n > 0 else 0
    return _measure(unit, languages.point(f"{shown / each:.1f}".removesuffix(".0")))


def percent(figure: object) -> str:
    """Return ``40%`` for 40, never parted."""
    return _measure(N_("%(n)s%%"), languages.point(str(figure)))


def clock(ms: int | None, zone: tzinfo) -> str:
    """Return the time of day, ``14:02:11``."""
    return "" if ms is None else f"{_moment(ms, zone):%H:%M:%S}"


def due(ms: int | None, now_ms: int, zone: tzinfo) -> str:
    """Return when something is due: the time today, or else its day, too, ``28 Nov, 14:02``."""
    if ms is None or _moment(ms, zone).date() == _moment(now_ms, zone).date():
        return clock(ms, zone)
    day = format_skeleton("MMMd", _moment(ms, zone), locale=languages.locale())
    return f"{day}, {_moment(ms, zone):%H:%M}"


def stamp(ms: int | None, zone: tzinfo) -> str:
    """Return date and time, ``22 Nov 2026, 14:02:11``."""
    if ms is None:
        return ""
    return format_datetime(_moment(ms, zone), "medium", locale=languages.locale())


def day(ms: int, zone: tzinfo) -> str:
    """Return the day, ``Sunday, 22 November 2026``."""
    return format_date(_moment(ms, zone), "full", locale=languages.locale())


def date(day: str) -> str:
    """Return a day of the calendar, ``22 Nov 2026``, that is given as ``2026-11-22``."""
    return format_date(datetime.fromisoformat(day), "medium", locale=languages.locale())


def iso(ms: int | None) -> str:
    """Return the machine's form in UTC, ``2026-11-22T14:02:11.034Z``."""
    return "" if ms is None else f"{_moment(ms // 1000 * 1000, UTC).isoformat()[:19]}.{ms % 1000:03d}Z"


def duration(ms: int) -> str:
    """Return a length of time in its two largest units, ``1 h 12 min``."""
    if ms < 10 * _SECOND_MS:
        return _measure(N_("%(n)s s"), languages.point(f"{max(ms, 0) / 1000:.1f}"))
    seconds = ms // 1000
    units = (
        (N_("%(n)s d"), seconds // 86400),
        (N_("%(n)s h"), seconds // 3600 % 24),
        (N_("%(n)s min"), seconds // 60 % 60),
        (N_("%(n)s s"), seconds % 60),
    )
    first = next(place for place, (_unit, value) in enumerate(units) if value)
    return " ".join(_measure(unit, str(value)) for unit, value in units[first : first + 2] if value)


def width(ms: int) -> str:
    """Return the width of a bar, ``5 s``: a whole number of seconds."""
    return _measure(N_("%(n)s s"), str(ms // 1000)) if ms < _MINUTE_MS else duration(ms)


def until(due_ms: int, now_ms: int) -> str:
    """Return when something is due, seen from now: ``in 4 min`` or ``now``."""
    left = due_ms - now_ms
    unit = _SECOND_MS if left < _MINUTE_MS else _MINUTE_MS
    return _("in %(time)s", time=duration(-(-left // unit) * unit)) if left > 0 else _("now")


def rate(per_minute: float) -> str:
    """Return a speed per minute, ``1,234/min``: none only if it is none."""
    if per_minute >= 10 or per_minute <= 0:  # noqa: PLR2004
        return _("%(n)s/min", n=number(round(per_minute)))
    least = "<" if per_minute < 0.05 else ""  # noqa: PLR2004
    return _("%(n)s/min", n=languages.point(f"{least}{max(per_minute, 0.1):.1f}"))


@dataclass(frozen=True, slots=True)
class Segment:
    """One state's part of a progress bar, in units of ``BAR_WIDTH``."""

    state: RecipientState
    x: float
    width: float


def segments(counts: Mapping[RecipientState, int], order: tuple[RecipientState, ...]) -> tuple[Segment, ...]:
    """Divide a bar among the states in ``order``. Any state that has an email is wide enough to be seen."""
    present = [(state, counts[state]) for state in order if counts.get(state)]
    total = sum(n for _, n in present)
    wide = [max(n * BAR_WIDTH / total, _LEAST_WIDTH) for _, n in present]
    scale = BAR_WIDTH / sum(wide) if wide else 1.0
    parts, x = [], 0.0
    for (state, _n), width in zip(present, wide, strict=True):
        parts.append(Segment(state, round(x, 2), round(width * scale, 2)))
        x += width * scale
    return tuple(parts)


def forecast(*, waiting: int, behind: int = 0, deferred: int, per_minute: float, running_ms: int) -> str:
    """Return how long the rest will take, or why nobody can say.

    ``waiting`` counts queued and sending emails, without those ``behind``: at receivers that rest or recover.
    ``per_minute`` is how fast the campaign goes now, ``running_ms`` how long it has been going.
    """
    parts = []
    if behind:
        slow = ngettext("%(n)s email behind a slow receiver", "%(n)s emails behind slow receivers", behind)
        parts.append(slow)
    if deferred:
        retried = ngettext("%(n)s email waiting to retry", "%(n)s emails waiting to retry", deferred)
        parts.append(retried)
    later = "; ".join(parts)
    if not waiting:
        return later
    if running_ms < _TELLING_MS:
        return _("Calculating…")
    if per_minute <= 0:
        return _("Estimate unavailable: nothing was sent in the last minute")
    left = round(waiting * _MINUTE_MS / per_minute)
    about = (
        _("Less than a minute")
        if left < _MINUTE_MS
        else _("About %(time)s", time=duration(round(left / _MINUTE_MS) * _MINUTE_MS))
    )
    return f"{about}; {later}" if later else about


def unicode_domain(name: str) -> str:
    """Return a domain with its A-labels as U-labels (RFC 5890); one that cannot be read, as it is."""
    return ".".join(map(_unicode_label, name.split("."))) if "xn--" in name else name


def safe_cell(value: str) -> str:
    """Return a CSV cell that no spreadsheet runs as a formula (OWASP, "CSV injection")."""
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value


def _unicode_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        shown = label.removeprefix("xn--").encode().decode("punycode")
    except UnicodeError:
        return label
    return shown if shown.isprintable() else label


def _measure(unit: str, figure: str) -> str:
    return _(unit, n=figure).replace(" ", NBSP)


def _moment(ms: int, zone: tzinfo) -> datetime:
    return datetime.fromtimestamp(ms / 1000, zone)
