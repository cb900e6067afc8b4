"""Limits: at most how many emails may leave in a second, a minute, an hour, a day, and in any 24 hours.

Pure. The same record holds for a sender, for its mail to one receiver, and for one campaign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from mailing.core.reasons import Reason, UnfitError
from mailing.internet.receivers import known

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PERIODS: Mapping[str, int] = {
    "per_second": 1,
    "per_minute": 60,
    "per_hour": 3_600,
    "per_day": 86_400,
    "per_24h": 86_400,
}
"""Seconds. A day is one of the calendar; ``per_24h`` counts the last 24 hours at every instant."""

MOST = 10_000_000  # emails; a larger limit is a slip of the pen
UTC = "UTC"
RECEIVERS_MOST = 200
OTHERS = "*"  # in a table of receivers: all that it does not name
_LONGEST_RECEIVER = 253  # characters, as of a domain
_ZONE = "time_zone"


class LimitsError(UnfitError):
    """Limits that cannot be kept. ``fields`` names what each of the reasons is about, where that is known."""

    def __init__(self, *reasons: Reason, fields: Iterable[str] = ()) -> None:
        super().__init__(*reasons)
        self.fields = tuple(fields)


@dataclass(frozen=True, slots=True)
class Limits:
    """The most emails in each period; none: no limit. The calendar's day begins in ``time_zone``."""

    per_second: int | None = None
    per_minute: int | None = None
    per_hour: int | None = None
    per_day: int | None = None
    per_24h: int | None = None
    time_zone: str = UTC

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return any(True for _ in self.bounds())

    def bounds(self) -> Iterator[tuple[str, int]]:
        """Yield each period that has a limit, the shortest first, and the limit."""
        for period in PERIODS:
            if (most := getattr(self, period)) is not None:
                yield period, most


NONE = Limits()


def parse(given: object) -> Limits:
    """Read limits as a program or a form gives them. Raises ``LimitsError`` with all that is wrong."""
    if given is None:
        return NONE
    if not isinstance(given, Mapping):
        raise LimitsError(Reason("limits.no-object"))
    faults: dict[str, Reason] = {}
    for name, value in given.items():
        if name in PERIODS:
            if value is not None and not _is_limit(value):
                faults[name] = Reason("limits.whole", period=worded(name), most=MOST)
        elif name != _ZONE:
            faults[str(name)[:100]] = Reason("limits.unknown", name=str(name)[:100])
    zone = given.get(_ZONE) or UTC
    if not is_zone(zone):
        faults[_ZONE] = Reason("limits.no-zone", name=str(zone)[:100])
    if faults:
        raise LimitsError(*faults.values(), fields=faults)
    return Limits(**{name: given.get(name) for name in PERIODS}, time_zone=zone)


def dump(limits: Limits) -> dict[str, Any] | None:
    """Return limits as JSON; None where there are none."""
    told: dict[str, Any] = dict(limits.bounds())
    if not told:
        return None
    return told if limits.time_zone == UTC else told | {_ZONE: limits.time_zone}


def load(kept: Mapping[str, Any] | None) -> Limits:
    """Return what ``dump`` made JSON of."""
    return Limits(**kept) if kept else NONE


def parse_receivers(given: object) -> Mapping[str, Limits]:
    """Read the table of limits by receiver, ``OTHERS`` among them. Raises ``LimitsError``."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise LimitsError(Reason("limits.no-object"))
    if len(given) > RECEIVERS_MOST:
        raise LimitsError(Reason("limits.too-many-receivers", most=RECEIVERS_MOST))
    table: dict[str, Limits] = {}
    for name, limits in given.items():
        receiver = name.strip().lower() if isinstance(name, str) else ""
        if not 0 < len(receiver) <= _LONGEST_RECEIVER or not receiver.isprintable():
            raise LimitsError(Reason("limits.no-receiver"))
        receiver = known(receiver) or receiver  # gmail.com is Gmail's
        try:
            table[receiver] = parse(limits)
        except LimitsError as error:
            told = (Reason("limits.of-receiver", receiver=receiver, fault=fault) for fault in error.reasons)
            raise LimitsError(*told) from None
    return {receiver: limits for receiver, limits in table.items() if limits}


def of_receiver(table: Mapping[str, Limits], receiver: str) -> Limits:
    """Return the limits of a receiver: its own, or those that ``OTHERS`` have."""
    return table.get(receiver) or table.get(OTHERS, NONE)


def dump_receivers(table: Mapping[str, Limits]) -> dict[str, Any] | None:
    """Return the table as JSON; None where it is empty."""
    return {receiver: dump(limits) for receiver, limits in table.items() if limits} or None


def load_receivers(kept: Mapping[str, Any] | None) -> Mapping[str, Limits]:
    """Return what ``dump_receivers`` made JSON of."""
    return {receiver: load(limits) for receiver, limits in (kept or {}).items()}


def worded(period: str) -> Reason:
    """Return how people call a period: per day."""
    return Reason(f"limits.{period.replace('_', '-')}")


def is_zone(name: object) -> bool:
    """Whether this is a time zone that this machine knows, like ``Europe/Berlin``."""
    try:
        return isinstance(name, str) and bool(ZoneInfo(name))
    except (KeyError, ValueError, OSError):  # not found is a KeyError
        return False


def _is_limit(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST
