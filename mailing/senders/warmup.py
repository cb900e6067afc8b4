"""Warm-up: a new sender may send a little on its first day, and more each day, until its full volume.

Pure. A day is one of the calendar of the sender's limits. The plan goes on once a day, by what was sent on
the day that is over: after one without mail it stays as it is, and after one with bad signs it stops growing,
says why, and waits for a person.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from mailing.core import reasons
from mailing.core.reasons import Reason
from mailing.senders.limits import MOST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mailing.core.reasons import Words
    from mailing.senders.limits import Limits

FIRST, GROWTH = 50, 100
FIRSTS, GROWTHS = range(1, MOST + 1), range(1, 1_001)
BAD_SHARE, BAD_LEAST = 0.05, 3  # more of a day's emails than this share, and at least so many
KEPT = 60  # days that a plan remembers


class Day(NamedTuple):
    """A day on which something was sent: how much might be, and how much was."""

    day: str  # 2026-11-26
    cap: int
    sent: int


class Signs(NamedTuple):
    """What a sender did on a day: ``held`` were put off by their receivers, ``complaints`` came in."""

    sent: int = 0
    failed: int = 0
    held: int = 0
    complaints: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """``first`` emails on the first day, and ``growth`` percent more on each next, up to ``target``.

    Without a target it is the sender's own limit of a day. ``cap`` is that of ``day``, which is empty until
    the plan begins. ``stopped`` says why it does not grow; ``over``: its target was reached.
    """

    first: int = FIRST
    growth: int = GROWTH
    target: int | None = None
    cap: int = 0
    day: str = ""
    over: bool = False
    stopped: Words = ""
    past: tuple[Day, ...] = ()

    def edited(self, first: int, growth: int, target: int | None) -> Plan:
        """Return the plan with other figures; another beginning begins it again."""
        if first != self.first:
            return Plan(first, growth, target, past=self.past)
        return replace(self, growth=growth, target=target, over=self.over and target == self.target)

    @property
    def today(self) -> int | None:
        """How many emails may leave on the day; None once it is over."""
        return None if self.over else self.cap or self.first

    def goal(self, limits: Limits) -> int | None:
        """Return how much is its full volume; None where nothing says so."""
        return min((n for n in (self.target, limits.per_day, limits.per_24h) if n), default=None)

    def next_cap(self, limits: Limits) -> int:
        """Return the cap of a day after this one."""
        cap = self.today or self.first
        grown = max(cap + 1, cap * (100 + self.growth) // 100)
        return min(grown, self.goal(limits) or MOST)

    def coming(self, limits: Limits) -> Iterator[int]:
        """Yield the caps of the days after this one up to the full volume, if mail is sent on each."""
        each, goal = self, self.goal(limits)
        while goal and not (each.over or each.stopped) and (each.today or 0) < goal:
            each = replace(each, cap=each.next_cap(limits))
            yield each.cap

    def after(self, signs: Signs, day: str, limits: Limits) -> Plan:
        """Return the plan on a later ``day``, by the ``signs`` of the one that is over."""
        cap = self.today
        if not self.day or cap is None or not signs.sent:
            return replace(self, cap=cap or self.cap, day=day)
        past = (*self.past, Day(self.day, cap, signs.sent))[-KEPT:]
        begun = replace(self, cap=cap, day=day, past=past)
        if self.stopped:
            return begun
        if why := warning(signs):
            return replace(begun, stopped=why)
        goal = self.goal(limits)
        return replace(begun, cap=self.next_cap(limits), over=goal is not None and cap >= goal)

    def resumed(self) -> Plan:
        """Return the plan that grows again, from where it stopped."""
        return replace(self, stopped="")


def warning(signs: Signs) -> Words:
    """Return why a plan must not grow after a day like this; empty if nothing speaks against it."""
    if signs.complaints:
        return Reason("warmup.complaints", n=signs.complaints)
    bad = signs.failed + signs.held
    if bad >= BAD_LEAST and bad > BAD_SHARE * signs.sent:
        return Reason("warmup.bad-signs", total=signs.sent, failed=signs.failed, held=signs.held)
    return ""


def within(limits: Limits, plan: Plan | None) -> Limits:
    """Return the limits that hold today: those of the sender, and the day's cap while it warms up."""
    cap = plan.today if plan else None
    if cap is None or (limits.per_day is not None and limits.per_day <= cap):
        return limits
    return replace(limits, per_day=cap)


def the_day(now: int, limits: Limits) -> str:
    """Return the calendar day of ``now`` (ms since 1970), by the clocks of the limits."""
    return datetime.fromtimestamp(now / 1000, ZoneInfo(limits.time_zone)).date().isoformat()


def later(day: str, days: int) -> str:
    """Return the day so many days later."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


def dump(plan: Plan | None) -> dict[str, Any] | None:
    """Return a plan as JSON."""
    if plan is None:
        return None
    told: dict[str, Any] = {"first": plan.first, "growth": plan.growth, "target": plan.target}
    told |= {"cap": plan.cap, "day": plan.day, "over": plan.over, "past": [list(it) for it in plan.past]}
    return told | {"stopped": str(plan.stopped), "stopped_code": reasons.dump(plan.stopped)}


def load(kept: Mapping[str, Any] | None) -> Plan | None:
    """Return what ``dump`` made JSON of."""
    if not kept:
        return None
    values = {**kept, "past": tuple(Day(*it) for it in kept["past"])}
    told = {"stopped": values["stopped"], "reason_code": values.pop("stopped_code")}
    return Plan(**values | reasons.in_row(told, "stopped"))
