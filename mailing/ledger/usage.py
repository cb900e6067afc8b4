"""What left by a sender or in a campaign already, as the database knows: for windows that Redis has lost.

Short windows are read from the log, to the millisecond; a day is the sum of its minutes. What left to one
receiver is read from the log in any case: it is not more than its limit.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import orjson
from sqlalchemy import and_, delete, func, literal, select, union

from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult
from mailing.core.tables import Bytewise, attempts, paces
from mailing.ledger.rates import SLOT_S
from mailing.ledger.tables import receivers
from mailing.senders import limits as sender_limits
from mailing.senders import windows
from mailing.senders.permits import Scope
from mailing.senders.tables import sender_usage
from mailing.senders.windows import MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement, Connection

    from mailing.senders.limits import Limits
    from mailing.senders.windows import Window

KEPT_DAYS = 40  # of the minutes of a sender


def scope(kind: str, id_: int, limits: Limits, now: int, receiver: str = "") -> Scope:
    """Return the windows of a ``sender``, of its mail to one ``receiver``, or of a ``campaign``.

    Changed limits have a name of their own, so that they begin with what has left, too.
    """
    digest = zlib.crc32(orjson.dumps(sender_limits.dump(limits)))
    to = f":{receiver}" if receiver else ""
    return Scope(f"{kind}:{id_}:{digest:08x}{to}", windows.of(limits, now))


def spent(connection: Connection, scope: Scope, now: int) -> Iterator[tuple[str, int, int]]:
    """Yield for each window of a scope how long ago (ms) how many left."""
    kind, id_, _, receiver = (*scope.name.split(":", 3), "")[:4]
    for window in scope.windows:
        since = window.begin or now - window.span_ms
        if receiver or window.span_ms <= windows.SHORT_MS:
            whose = _whose(kind, int(id_), receiver)
            left = _from_log(connection, whose, window, since)
        elif kind == "sender":
            left = _by_minute(connection, int(id_), since)
        else:
            left = _by_pace(connection, int(id_), since)
        for at, n in left:
            yield window.name, max(now - at, 0), n


def forget(connection: Connection, rows: int) -> int:
    """Remove the minutes of up to ``rows`` slots that no window reaches any more; return how many rows."""
    old = sender_usage.c.slot < now_ms() // MINUTE_MS - KEPT_DAYS * 24 * 60
    slots = select(sender_usage.c.slot).where(old).order_by(sender_usage.c.slot).limit(rows)
    return connection.execute(delete(sender_usage).where(old, sender_usage.c.slot.in_(slots))).rowcount


def _whose(kind: str, id_: int, receiver: str) -> ColumnElement[bool]:
    if kind == "campaign":
        return attempts.c.campaign_id == id_
    if not receiver:
        return attempts.c.sender_id == id_
    theirs = select(receivers.c.domain).where(receivers.c.receiver == receiver)
    domains = union(theirs, select(literal(receiver, Bytewise)))
    return and_(attempts.c.sender_id == id_, attempts.c.domain.in_(domains))


def _from_log(
    connection: Connection, whose: ColumnElement[bool], window: Window, since: int
) -> Iterator[tuple[int, int]]:
    own = whose, attempts.c.ended_at > since
    used = attempts.c.connection.is_not(None), attempts.c.result != AttemptResult.RETURNED
    bucket = attempts.c.ended_at // window.bucket_ms
    statement = select(func.max(attempts.c.ended_at), func.count()).where(*own, *used)
    return ((at, n) for at, n in connection.execute(statement.group_by(bucket)))


def _by_minute(connection: Connection, sender_id: int, since: int) -> Iterator[tuple[int, int]]:
    slot = sender_usage.c.slot
    own = sender_usage.c.sender_id == sender_id, slot >= since // MINUTE_MS
    statement = select(slot, func.sum(sender_usage.c.n)).where(*own).group_by(slot)
    for begun, n in connection.execute(statement):
        yield (begun + 1) * MINUTE_MS, int(n)


def _by_pace(connection: Connection, campaign_id: int, since: int) -> Iterator[tuple[int, int]]:
    slot = paces.c.slot
    own = paces.c.campaign_id == campaign_id, slot > since // 1_000 - SLOT_S
    statement = select(slot, func.sum(paces.c.n)).where(*own, paces.c.result != AttemptResult.RETURNED)
    for begun, n in connection.execute(statement.group_by(slot)):
        yield (begun + SLOT_S) * 1_000, int(n)
