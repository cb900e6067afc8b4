"""Causes: why mail did not go through at once, in groups of the same reply, counted as they came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, select

from mailing.core import reasons
from mailing.core.states import AttemptResult
from mailing.core.tables import attempts, recipients, reply_groups
from mailing.smtp.replies import ReplyCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection

    from mailing.core.reasons import Words

MOST = 500
NO_SUCH_MAILBOX = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10", "5.2.1", "5.4.1"})
"""Enhanced codes (RFC 3463) of a recipient that does not exist, as the rule ``no-such-mailbox`` has them."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A reply, how often it came, with which result most often, and one server's words for it, verbatim.

    Where no reply came, ``sample`` is one of our reasons.
    """

    reply: ReplyCode
    n: int
    result: AttemptResult
    sample: Words

    @property
    def final(self) -> bool:
        """Whether it says that there is no such mailbox, so that no retry can succeed."""
        return self.reply.enhanced in NO_SUCH_MAILBOX


def has_mailbox() -> ColumnElement[bool]:
    """Return the condition that no server has said of a recipient that there is no such mailbox."""
    said = exists().where(
        attempts.c.recipient_id == recipients.c.id,
        attempts.c.result == AttemptResult.FAILED,
        attempts.c.enhanced.in_(NO_SUCH_MAILBOX),
    )
    return ~said


def some_final(connection: Connection, campaign_id: int) -> bool:
    """Whether a server said of any recipient that there is no such mailbox."""
    group = (
        reply_groups.c.campaign_id == campaign_id,
        reply_groups.c.result == AttemptResult.FAILED,
        reply_groups.c.enhanced.in_(NO_SUCH_MAILBOX),
    )
    return connection.execute(select(reply_groups.c.n).where(*group).limit(1)).first() is not None


def of(connection: Connection, campaign_id: int) -> Sequence[Cause]:
    """Return why mail was refused or delayed, the most frequent reason first; at most ``MOST``."""
    n = func.sum(reply_groups.c.n).label("n")
    statement = (
        select(
            reply_groups.c.code,
            reply_groups.c.enhanced,
            reply_groups.c.result,
            n,
            func.min(reply_groups.c.sample).label("sample"),
            func.min(reply_groups.c.reason_code).label("reason_code"),
        )
        .where(reply_groups.c.campaign_id == campaign_id)
        .group_by(reply_groups.c.code, reply_groups.c.enhanced, reply_groups.c.result)
        .order_by(n.desc())
        .limit(MOST)
    )
    found: dict[ReplyCode, Cause] = {}
    for row in connection.execute(statement):
        reply = ReplyCode(row.code, row.enhanced)
        sample = reasons.load(row.sample, row.reason_code)
        most = found.get(reply) or Cause(reply, 0, AttemptResult(row.result), sample)
        found[reply] = Cause(reply, most.n + int(row.n), most.result, most.sample)
    return sorted(found.values(), key=lambda cause: (-cause.n, cause.reply.code, cause.reply.enhanced))
