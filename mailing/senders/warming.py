"""Warm-up plans as they are kept: begun, changed, and gone on with once a day by what was sent.

All functions take an open connection; those that write belong to the transaction of their caller. Whoever
changes a plan names the revision that was read, so that of two sweeps one does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select, update

from mailing.core.clock import now_ms
from mailing.core.reasons import EntryError, Reason
from mailing.core.states import AttemptResult
from mailing.core.tables import attempts
from mailing.senders import store, warmup, windows
from mailing.senders.store import SenderError
from mailing.senders.tables import sender_usage
from mailing.senders.tables import senders as table
from mailing.senders.warmup import FIRSTS, GROWTHS, Plan, Signs
from mailing.senders.windows import MINUTE_MS
from mailing.smtp import rulebook
from mailing.smtp.replies import Reply, Stage
from mailing.smtp.rulebook import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.core.reasons import Words
    from mailing.senders.store import Account

READ_MOST = 10_000  # refusals of a day
SHOWN = 30  # days to come
_REFUSED = (AttemptResult.FAILED, AttemptResult.DEFERRED)
_HELD = frozenset({Scope.LANE, Scope.ACCOUNT, Scope.DNS})


@dataclass(frozen=True, slots=True)
class Row:
    """A day of the calendar: ``sent`` is None where it has not come yet."""

    day: str
    cap: int
    sent: int | None


def check(first: Any, growth: Any, target: Any, account: Account) -> None:
    """Raise ``EntryError`` with all that is wrong with a plan for a sender."""
    faults: dict[str, Reason] = {}
    if not _is_in(first, FIRSTS):
        faults["first"] = Reason("warmup.first", most=FIRSTS[-1])
    if not _is_in(growth, GROWTHS):
        faults["growth"] = Reason("warmup.growth", most=GROWTHS[-1])
    least = first if _is_in(first, FIRSTS) else FIRSTS[0]
    if target is not None and not _is_in(target, range(least, FIRSTS[-1] + 1)):
        faults["target"] = Reason("warmup.target")
    elif target is None and Plan().goal(account.limits) is None:
        faults["target"] = Reason("warmup.no-target", name=account.name)
    if faults:
        raise EntryError(faults)


def keep(connection: Connection, sender_id: int, first: int, growth: int, target: int | None) -> None:
    """Begin a sender's warm-up, or go on with other figures; one that stopped grows again.

    Raises ``EntryError`` and ``SenderError``.
    """
    account = _there(connection, sender_id)
    check(first, growth, target, account)
    plan = account.warmup.edited(first, growth, target).resumed() if account.warmup else None
    _put(connection, account, plan or Plan(first, growth, target))


def end(connection: Connection, sender_id: int) -> None:
    """End a sender's warm-up: its own limits hold. Raises ``SenderError``."""
    _put(connection, _there(connection, sender_id), None)


def stop(connection: Connection, sender_id: int, why: Words) -> bool:
    """Have a warm-up not grow any more until a person says so; return whether this call did."""
    account = store.get(connection, sender_id)
    plan = account.warmup if account else None
    if account is None or plan is None or plan.over or plan.stopped:
        return False
    return _change(connection, account, replace(plan, stopped=why))


def advance(connection: Connection) -> Sequence[int]:
    """Begin the day of each plan whose day is over; return the ids of the senders. Run twice, one does it."""
    found, now = [], now_ms()
    for account in store.every(connection):
        plan = account.warmup
        today = warmup.the_day(now, account.limits) if plan else ""
        if plan is None or plan.over or today <= plan.day:
            continue
        signs = Signs()
        if plan.day:
            end_at, _ = windows.day(now, account.limits.time_zone)
            signs = signs_of(
                connection,
                account.id,
                windows.midnight(date.fromisoformat(plan.day), account.limits.time_zone),
                end_at,
            )
        if _change(connection, account, plan.after(signs, today, account.limits)):
            found.append(account.id)
    return found


def signs_of(connection: Connection, sender_id: int, begin: int, end: int) -> Signs:
    """Return what a sender did between two moments (ms since 1970)."""
    own = attempts.c.sender_id == sender_id, attempts.c.ended_at >= begin, attempts.c.ended_at < end
    refused = attempts.c.result.in_(_REFUSED), attempts.c.result != AttemptResult.SENT
    columns = attempts.c.result, attempts.c.code, attempts.c.enhanced, attempts.c.reply
    rows = connection.execute(select(*columns).where(*own, *refused).limit(READ_MOST)).all()
    failed = sum(row.result == AttemptResult.FAILED for row in rows)
    held = sum(
        row.result == AttemptResult.DEFERRED
        and row.code is not None
        and rulebook.rule(Stage.RCPT, Reply(row.code, row.enhanced, row.reply)).scope in _HELD
        for row in rows
    )
    return Signs(sent(connection, sender_id, begin, end), failed, held)


def sent(connection: Connection, sender_id: int, begin: int, end: int) -> int:
    """Return how many emails a sender was given between two moments (ms since 1970)."""
    slot = sender_usage.c.slot
    own = sender_usage.c.sender_id == sender_id, slot >= begin // MINUTE_MS, slot < end // MINUTE_MS
    return int(
        connection.execute(select(func.coalesce(func.sum(sender_usage.c.n), 0)).where(*own)).scalar_one()
    )


def calendar(connection: Connection, account: Account) -> Sequence[Row]:
    """Return the days of a sender's warm-up: those that are past, today, and those to come."""
    plan = account.warmup
    if plan is None:
        return ()
    rows = [Row(*day) for day in plan.past]
    if plan.today is None:
        return rows
    begin, end_at = windows.day(now_ms(), account.limits.time_zone)
    today = warmup.the_day(now_ms(), account.limits)
    rows.append(Row(today, plan.today, sent(connection, account.id, begin, end_at)))
    coming = enumerate(islice(plan.coming(account.limits), SHOWN), 1)
    return rows + [Row(warmup.later(today, n), cap, None) for n, cap in coming]


def _there(connection: Connection, sender_id: int) -> Account:
    found = store.get(connection, sender_id)
    if found is None:
        raise SenderError(Reason("sender.not-found"))
    return found


def _put(connection: Connection, account: Account, plan: Plan | None) -> None:
    if not _change(connection, account, plan):
        raise SenderError(Reason("sender.changed-meanwhile"))


def _change(connection: Connection, account: Account, plan: Plan | None) -> bool:
    own = update(table).where(
        table.c.id == account.id, table.c.deleted_at.is_(None), table.c.revision == account.revision
    )
    values = {"warmup": warmup.dump(plan), "revision": table.c.revision + 1, "changed_at": now_ms()}
    return bool(connection.execute(own.values(values)).rowcount)


def _is_in(value: object, among: range) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in among
