"""Causes: why mail did not go through at once, in groups of the same reply, counted as they came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from mailing import reasons
from mailing.models import reply_groups
from mailing.replies import ReplyCode
from mailing.states import AttemptResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.reasons import Words

MOST = 500


@dataclass(frozen=True, slots=True)
class Cause:
    """A reply, how often it came, with which result most often, and one server's words for it, verbatim.

    Where no reply came, ``sample`` is one of our reasons.
    """

    reply: ReplyCode
    n: int
    result: AttemptResult
    sample: Words


def of(connection: Connection, campaign_id: int) -> Sequence[Cause]:
    """Return what held up or refused a campaign's mail, the most frequent first; at most ``MOST``."""
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
