"""Evidence: refusals that may mean more than their recipient, and what follows once they do.

The campaign pauses. Where the records of our domain are meant and one receiver minds them, only its lane is
held, until the record is there (``holds``).

A worker keeps each such refusal in the transaction that records it, behind the lock of its campaign: so of
two workers that count at the same moment the second sees what the first saw, and one of them pauses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult
from mailing.core.tables import attempts, campaigns, refusals, rests
from mailing.internet import records
from mailing.ledger import receivers
from mailing.ledger import rests as resting
from mailing.messages.headers import read_from
from mailing.smtp.account import REHEARSALS
from mailing.smtp.replies import ReplyCode
from mailing.smtp.rulebook import THRESHOLDS, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from mailing.internet.records import Look
    from mailing.ledger.results import Result
    from mailing.smtp.rulebook import Ruling


class Outcome(NamedTuple):
    """How an attempt of a campaign ended, as far as a threshold asks."""

    recipient_id: int
    accepted: bool
    refused_so: bool
    domain: str = ""


class Weighed(NamedTuple):
    """What follows from a refusal that was kept: why the campaign must pause, or that its lane is held."""

    pause: Reason | None = None
    held: bool = False


NOTHING = Weighed()
WINDOW = max(threshold.window for threshold in THRESHOLDS.values())
LATEST = 400  # outcomes of a campaign among which those of one receiver are looked for
RECORD = "lane.record"  # why a lane is held
HELD_S = 3600  # until one email is tried where nobody can tell
LOOK_MS = 180_000  # between two looks at the records of one lane
_IS_HELD = rests.c.reason_code.like(f'{{"code":"{RECORD}"%')
REPLY_MAX = 1_000  # characters of a reply in the reason; the log has all
AT_ONCE = 20  # lanes that one process looks at


class Held(NamedTuple):
    """A lane whose record is to be looked at, and what was found before; None: it was not looked at."""

    sender: str
    lane: str
    reason_code: str
    records: str | None

    @property
    def reason(self) -> Reason:
        """Why it is held."""
        reason = reasons.load("", self.reason_code)
        assert isinstance(reason, Reason)
        return reason

    @property
    def asked(self) -> tuple[str, str, str]:
        """What is to be looked at: the check, the domain, and the DKIM selector."""
        todo = self.reason.values["todo"]
        assert isinstance(todo, Reason)
        values = todo.values
        return todo.code.removeprefix("record."), str(values["domain"]), str(values.get("selector", ""))


@dataclass(frozen=True, slots=True)
class Evidence:
    """How many recipients got the same kind of refusal since the campaign was last started, and one reply."""

    n: int
    reply: ReplyCode
    text: str


def lock(connection: Connection, campaign_ids: Iterable[int]) -> None:
    """Let nobody else count in these campaigns before this transaction ends; in one order everywhere."""
    for id_ in sorted(campaign_ids):
        own = select(campaigns.c.id).where(campaigns.c.id == id_)
        connection.execute(own.with_for_update(key_share=True))


def weigh(connection: Connection, result: Result, ruling: Ruling) -> Weighed:
    """Keep a refusal; say why its campaign, which is locked, must pause by now, or hold its lane."""
    claim = result.claim
    keep(connection, result, ruling)
    started_at = select(campaigns.c.started_at).where(campaigns.c.id == claim.campaign_id).scalar_subquery()
    here = (attempts.c.campaign_id == claim.campaign_id, attempts.c.ended_at >= func.coalesce(started_at, 0))
    at_domain = (*here, attempts.c.domain == claim.domain)

    def refused(*where: ColumnElement[bool], at_one_domain: bool) -> int:
        latest = _latest(connection, ruling.threshold, claim.campaign_id, WINDOW, *where)
        return everybodys(ruling.threshold, latest, at_one_domain=at_one_domain)

    todo = _missing(connection, result) if ruling.scope is Scope.DNS else None
    if todo and result.account != REHEARSALS:
        latest = _latest(connection, ruling.threshold, claim.campaign_id, LATEST, *here)
        theirs = receivers.of(connection, {it.domain for it in latest} | {claim.domain})
        receiver = theirs[claim.domain]
        at_receiver = [it for it in latest if theirs[it.domain] == receiver]
        n = everybodys(ruling.threshold, latest, at_one_domain=False)
        if not n or not widespread(latest[:WINDOW], theirs):
            there = everybodys(ruling.threshold, at_receiver, at_one_domain=True)
            there = there or refused(*at_domain, at_one_domain=True)
            return Weighed(held=_hold(connection, result, receiver, todo, there))
    else:
        n = refused(*here, at_one_domain=False) or refused(*at_domain, at_one_domain=True)
    if not n:
        return NOTHING
    check = Reason(f"check.{ruling.check}")
    return Weighed(Reason("paused.many-refused", n=n, check=check, reply=result.reply))


def widespread(outcomes: Iterable[Outcome], theirs: Mapping[str, str]) -> bool:
    """Whether most receivers refuse, of those that were tried lately, and not one alone."""
    outcomes = list(outcomes)
    refusing = {theirs[it.domain] for it in outcomes if it.refused_so}
    return len(refusing) > 1 and 2 * len(refusing) > len({theirs[it.domain] for it in outcomes})


def of(connection: Connection, campaign_id: int) -> Evidence | None:
    """Return the reply that most of them got, and how many did; None if there was no such refusal."""
    n = func.count().label("n")
    statement = (
        select(refusals.c.code, refusals.c.enhanced, n, func.min(refusals.c.reply))
        .where(refusals.c.campaign_id == campaign_id)
        .group_by(refusals.c.code, refusals.c.enhanced)
        .order_by(n.desc(), refusals.c.code, refusals.c.enhanced)
        .limit(1)
    )
    row = connection.execute(statement).one_or_none()
    return Evidence(int(row[2]), ReplyCode(row[0], row[1]), row[3]) if row else None


def forget(connection: Connection, campaign_id: int) -> None:
    """Start counting again: a person says that the cause is fixed."""
    connection.execute(delete(refusals).where(refusals.c.campaign_id == campaign_id))


def keep(connection: Connection, result: Result, ruling: Ruling) -> None:
    """Keep a refusal, so that a person can decide about all that were refused so."""
    values = {
        "threshold": ruling.threshold,
        "code": result.code or 0,
        "enhanced": result.enhanced,
        "reply": str(result.reply),
        "at": result.ended_at,
    }
    key = {"campaign_id": result.claim.campaign_id, "recipient_id": result.claim.recipient_id}
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(
        insert(refusals)
        .values(**key, **values)
        .on_conflict_do_update(index_elements=[refusals.c.campaign_id, refusals.c.recipient_id], set_=values)
    )


def everybodys(name: str, outcomes: Iterable[Outcome], *, at_one_domain: bool) -> int:
    """Return how many recipients got the same kind of refusal, if that passes the threshold; else 0.

    ``outcomes`` are the latest of the campaign, or those at one domain, the last one first.
    """
    threshold = THRESHOLDS[name]
    if at_one_domain and threshold.unbroken:
        return 0
    refused = set()
    for at, outcome in enumerate(outcomes):
        if at >= threshold.window or (threshold.unbroken and outcome.accepted):
            break
        if outcome.refused_so:
            refused.add(outcome.recipient_id)
    return len(refused) if len(refused) >= threshold.recipients else 0


def _latest(
    connection: Connection, threshold: str, campaign_id: int, most: int, *where: ColumnElement[bool]
) -> Sequence[Outcome]:
    """Return the latest outcomes of a campaign, the last one first."""
    refused = (
        select(refusals.c.recipient_id)
        .where(refusals.c.campaign_id == campaign_id, refusals.c.threshold == threshold)
        .where(refusals.c.recipient_id == attempts.c.recipient_id, refusals.c.at == attempts.c.ended_at)
        .exists()
    )
    statement = (
        select(attempts.c.recipient_id, attempts.c.result, refused, attempts.c.domain)
        .where(*where)
        .order_by(attempts.c.ended_at.desc(), attempts.c.id.desc())
        .limit(most)
    )
    return [
        Outcome(row[0], row[1] == AttemptResult.SENT, row[2], row[3]) for row in connection.execute(statement)
    ]


def _missing(connection: Connection, result: Result) -> Reason | None:
    """Return which record a refusal misses; None where it names none of our domain."""
    ruling = result.ruling
    assert ruling is not None
    own = select(campaigns.c.sender_from).where(campaigns.c.id == result.claim.campaign_id)
    try:
        domain = read_from(connection.execute(own).scalar_one())[1].rpartition("@")[2].lower()
    except ValueError:
        return None
    return records.advice(ruling.check, domain, result.server, str(result.reply))


def _hold(connection: Connection, result: Result, receiver: str, todo: Reason, refused: int) -> bool:
    """Hold a lane of which enough was ``refused`` so, or that is held already; return whether it is."""
    rest = resting.of(connection, result.account, receiver)
    held = rest is not None and rest.lasts and reasons.code(rest.reason) == RECORD
    if not refused and not held:
        return False
    assert result.ruling is not None
    found = Reason("record.to-be-looked-at")
    check = Reason(f"check.{result.ruling.check}")
    reason = Reason(RECORD, check=check, todo=todo, found=found, reply=str(result.reply)[:REPLY_MAX])
    wait_s = result.ruling.wait_s or HELD_S
    resting.begin(connection, result.account, wait_s, reason, tried_at=result.started_at, lane=receiver)
    return True


def held(connection: Connection, most: int) -> Mapping[str, Reason]:
    """Return the receivers whose lanes are held now, each with the record that it misses."""
    lasts = rests.c.ended_at.is_(None), rests.c.until > now_ms(), _IS_HELD
    statement = select(rests.c.lane, rests.c.reason, rests.c.reason_code).where(*lasts)
    rows = connection.execute(statement.order_by(rests.c.lane).limit(most))
    read = ((row.lane, reasons.load(row.reason, row.reason_code)) for row in rows)
    return {lane: reason for lane, reason in read if isinstance(reason, Reason)}


def take_due(connection: Connection) -> Sequence[Held]:
    """Return held lanes that are to be looked at, and mark them: nobody else looks at them for a while."""
    now = now_ms()
    due = or_(rests.c.looked_at.is_(None), rests.c.looked_at < now - LOOK_MS)
    lasts = rests.c.ended_at.is_(None), rests.c.until > now, _IS_HELD, due
    columns = rests.c.sender, rests.c.lane, rests.c.reason_code, rests.c.records
    found = [Held(*row) for row in connection.execute(select(*columns).where(*lasts).limit(AT_ONCE))]
    mine = []
    for held in found:
        this = rests.c.sender == held.sender, rests.c.lane == held.lane
        if connection.execute(update(rests).where(*this, *lasts).values(looked_at=now)).rowcount:
            mine.append(held)
    return mine


def looked(connection: Connection, held: Held, look: Look) -> bool:
    """Keep what was found; return whether one email is tried now: then batches that rest are to be woken."""
    now = now_ms()
    reason = Reason(RECORD, **{**held.reason.values, "found": look.finding.said})
    values: dict[str, object] = {"reason": str(reason), "reason_code": reasons.dump(reason)}
    if look.print:
        values["records"] = look.print
    this = rests.c.sender == held.sender, rests.c.lane == held.lane, rests.c.ended_at.is_(None)
    as_it_was = rests.c.reason_code == held.reason_code, rests.c.until > now
    if not connection.execute(update(rests).where(*this, *as_it_was).values(values)).rowcount:
        return False
    if look.missing:
        later = now + 2 * LOOK_MS
        connection.execute(update(rests).where(*this, rests.c.until < later).values(until=later))
    elif held.records and look.print and look.print != held.records:
        connection.execute(update(rests).where(*this).values(until=now, probed_at=None))
        return True
    return False
