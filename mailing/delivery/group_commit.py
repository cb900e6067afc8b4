"""One round of the engine's group commit: everything that came together, in one transaction.

Runs in the database thread. Nothing here knows sockets or event loops.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select

from mailing.campaigns import lifecycle
from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.core.states import ENDED, AttemptResult, CampaignState, RecipientState
from mailing.core.tables import campaigns
from mailing.delivery import taking
from mailing.domains import signers
from mailing.ledger import batches, breaker, claims, evidence, lanes, leases, rests, results
from mailing.redis import events
from mailing.schedules.schedule import Schedule
from mailing.senders import store
from mailing.smtp.rulebook import Follows, Scope

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.core.database import Writer
    from mailing.delivery.taking import Taken, Want
    from mailing.ledger.claims import Claim, Withheld
    from mailing.ledger.evidence import Weighed
    from mailing.ledger.lanes import Lanes
    from mailing.ledger.leases import Status
    from mailing.ledger.rests import Rest
    from mailing.ledger.results import Result
    from mailing.senders.allowance import Allowance
    from mailing.smtp.rulebook import Ruling


class Route(NamedTuple):
    """By which senders a campaign goes, and within which limits of its own, as ``Campaign`` has them."""

    senders: Sequence[int] | None
    limits: Mapping[str, Any] | None


_PAUSING = frozenset({Follows.PAUSE, Follows.STOP})
OUT_S = 900  # until a sender that is refused is tried again, while others send for it


@dataclass(frozen=True, slots=True)
class Round:
    """What one commit carries.

    ``watched`` are the campaigns whose state the engine must know, ``finishing`` those of which it
    holds nothing more, ``held`` what it holds (given only when an earlier commit was in doubt), ``status``
    how the worker is doing (given when the lease is to be renewed). ``rests`` are those of the process's
    senders, by account, as they were seen last: while one lasts, one email at most is claimed for that one.
    ``lanes`` are the slow lanes of each, as they were seen last, ``allowances`` what those may send that have
    limits by receiver.
    """

    worker_id: int
    worker_name: str
    results: Sequence[Result]
    returned: Sequence[Claim]
    wants: Sequence[Want]
    watched: Collection[int]
    finishing: Collection[int]
    held: Collection[int] | None
    rests: Mapping[str, Rest | None]
    lanes: Mapping[str, Lanes] = field(default_factory=dict)
    allowances: Mapping[str, Allowance] = field(default_factory=dict)
    status: Status | None = None


@dataclass(slots=True)
class Committed:
    """What the commit brought: claims for each want, the campaigns' states, the news, the senders' rests.

    ``claimed`` has None for a want whose sender rests, or whose campaign is ``closed``, outside of its hours
    of the day: it has found out nothing. ``priorities`` and ``routes`` are those of the campaigns that were
    looked at, ``lanes`` the slow lanes of each sender.
    """

    lease_held: bool = True
    claimed: list[Taken | None] = field(default_factory=list)
    states: dict[int, CampaignState] = field(default_factory=dict)
    priorities: dict[int, int] = field(default_factory=dict)
    routes: dict[int, Route] = field(default_factory=dict)
    closed: set[int] = field(default_factory=set)
    news: list[dict[str, Any]] = field(default_factory=list)
    rests: dict[str, Rest | None] = field(default_factory=dict)
    lanes: dict[str, Lanes] = field(default_factory=dict)
    senders: object = None  # the revision of them all and of the keys that sign, where it was looked for


def commit(writer: Writer, entry: Round) -> Committed:
    """Commit a round. Raises ``DBAPIError`` when the database fails; trying again is harmless."""
    try:
        return _commit(writer, entry, at_once=True)
    except results.StaleResultError:
        return _commit(writer, entry, at_once=False)


def _commit(writer: Writer, entry: Round, *, at_once: bool) -> Committed:
    outcome = Committed()
    with writer.write() as connection:
        if entry.status is not None:
            outcome.lease_held = leases.beat(connection, entry.worker_id, entry.status)
        fresh = results.settle(connection, entry.results, at_once=at_once)
        doubtful = claims.release(connection, entry.returned)
        _wake_again(connection, entry)
        if not at_once:
            doubtful |= {result.claim.campaign_id for result in fresh if result.state not in ENDED}
        if entry.held is not None:
            claims.release_strays(connection, entry.worker_id, entry.held)
        _look(connection, entry.watched, outcome)
        if entry.watched or entry.status:
            outcome.senders = signers.revision(connection)
        _reopen(connection, doubtful, outcome)
        weighed = _weigh(connection, fresh)
        touched = _rest(connection, fresh, entry, weighed)
        for account, rest in entry.rests.items():
            looks = entry.watched or account in touched or _lasts(rest)
            outcome.rests[account] = rests.of(connection, account) if looks else rest
        held = {result.account for result, it in weighed if it.held}
        open_lanes = _steer(connection, fresh, entry, outcome, held)
        _tell_senders(connection, fresh)
        pausing = [(result, it) for result, it in weighed if not _others_send(result)]
        _stop_what_must(connection, fresh, entry, outcome, pausing)
        if outcome.lease_held:
            outcome.claimed = _claims(connection, entry, outcome, open_lanes)
    outcome.news[:0] = [_result_news(result, entry.worker_name) for result in fresh]
    return outcome


def _look(connection: Connection, watched: Collection[int], outcome: Committed) -> None:
    """Read how the watched campaigns stand: what a person changes of them takes effect by this."""
    if not watched:
        return
    names = ("id", "state", "priority", "time_zone", "hours", "senders", "limits")
    columns = [campaigns.c[it] for it in names]
    now = now_ms()
    for row in connection.execute(select(*columns).where(campaigns.c.id.in_(watched))):
        outcome.states[row.id] = CampaignState(row.state)
        outcome.priorities[row.id] = row.priority
        outcome.routes[row.id] = Route(row.senders, row.limits)
        if not Schedule.of(None, row.time_zone, row.hours).holds(now):
            outcome.closed.add(row.id)


def _reopen(connection: Connection, doubtful: Collection[int], outcome: Committed) -> None:
    """Resume campaigns that finished while recipients that this worker now requeues were in doubt."""
    for campaign_id in sorted(doubtful):
        if lifecycle.reopen(connection, campaign_id):
            outcome.states[campaign_id] = CampaignState.SENDING
            outcome.news.append(events.campaign_changed(campaign_id, CampaignState.SENDING))


def _lasts(rest: Rest | None) -> bool:
    return rest is not None and rest.lasts


def _rest(
    connection: Connection, fresh: Sequence[Result], entry: Round, weighed: Sequence[tuple[Result, Weighed]]
) -> set[str]:
    """Have senders rest whose limit was reached, or end their rests; return those of which either may be."""
    touched = set()
    for result in (result for result, it in weighed if it.pause and _others_send(result)):
        rests.begin(connection, result.account, OUT_S, result.reply, tried_at=result.started_at)
        touched.add(result.account)
    lasting = {account for account, rest in entry.rests.items() if _lasts(rest)}
    for result in fresh if lasting else [result for result in fresh if result.ruling]:
        account, ruling = result.account, result.ruling
        if result.result is AttemptResult.RETURNED and ruling and _has_to_rest(result, ruling):
            wait_s = ruling.wait_s if ruling.follows is Follows.REST else OUT_S
            rests.begin(connection, account, wait_s, result.reply, tried_at=result.started_at)
            touched.add(account)
        elif account in lasting:
            accepted = result.result is AttemptResult.SENT
            rests.probed(connection, account, tried_at=result.started_at, accepted=accepted)
            touched.add(account)
    return touched


def _has_to_rest(result: Result, ruling: Ruling) -> bool:
    """Whether its sender waits: its limit is reached, or it is refused itself and others go on without it."""
    return ruling.follows is Follows.REST or (ruling.follows is Follows.STOP and _others_send(result))


def _others_send(result: Result) -> bool:
    """Whether a refusal means its sender, and the campaign goes on by another."""
    return result.others and result.ruling is not None and result.ruling.scope is Scope.ACCOUNT


def _weigh(connection: Connection, fresh: Sequence[Result]) -> Sequence[tuple[Result, Weighed]]:
    """Keep the refusals that may be everybody's, behind the locks of all campaigns that may pause by this."""
    locked = {it.claim.campaign_id for it in fresh if it.result is AttemptResult.FAILED}
    locked |= {it.claim.campaign_id for it in fresh if it.ruling and it.ruling.follows in _PAUSING}
    evidence.lock(connection, locked)
    kept = ((it, it.ruling) for it in fresh if it.ruling and it.ruling.follows is Follows.PAUSE)
    return [(result, evidence.weigh(connection, result, ruling)) for result, ruling in kept]


def _steer(
    connection: Connection,
    fresh: Sequence[Result],
    entry: Round,
    outcome: Committed,
    held: Collection[str],
) -> Mapping[str, Sequence[str]]:
    """Have lanes take what came, and read the slow ones; return those of each sender to be asked for claims.

    That is each time somebody came out of a lane, and else whenever the campaigns are looked at.
    """
    touched = lanes.heed(connection, fresh, entry.lanes)
    changed, now, asked = {account for account, _ in touched} | {*held}, now_ms(), {}
    for account, seen in entry.lanes.items():
        reads = entry.watched or account in changed
        outcome.lanes[account] = lanes.current(connection, account, seen) if reads else seen
        asked[account] = [
            receiver
            for receiver in outcome.lanes[account].open(now)
            if entry.watched or (account, receiver) in touched
        ]
    return asked


def _wake_again(connection: Connection, entry: Round) -> None:
    """Have the batches looked at in which somebody waits again who was in hand, if all others are at rest."""
    if not any(entry.lanes.values()):
        return
    again = [*entry.returned, *(it.claim for it in entry.results if it.state is RecipientState.QUEUED)]
    people: dict[int, list[int]] = {}
    for claim in again:
        people.setdefault(claim.campaign_id, []).append(claim.recipient_id)
    for campaign_id, ids in sorted(people.items()):
        batches.lose_those_of(connection, campaign_id, ids)


def _claims(
    connection: Connection, entry: Round, outcome: Committed, open_lanes: Mapping[str, Sequence[str]]
) -> list[Taken | None]:
    """Claim what is wanted for each sender that is free, or the one email that is tried after its rest."""
    wanted = Counter[str]()
    for want in entry.wants:
        wanted[want.account] += 0 if want.beside else want.limit
    lasting = {account for account in wanted if _lasts(outcome.rests[account])}
    denied = {account for account in lasting if wanted[account] != 1 or not rests.probe(connection, account)}
    made: list[Taken | None] = []
    spent = Counter[str]()  # beside the others, of what they want
    allowances = dict(entry.allowances)
    for want in entry.wants:
        account = want.account
        if account in denied or want.batch.campaign_id in outcome.closed:
            made.append(None)
            continue
        less = 0 if want.beside else min(spent[account], want.limit)
        allowed = replace(want, limit=want.limit - less)
        slow, asked = outcome.lanes.get(account, lanes.NONE), open_lanes.get(account, ())
        allowance = allowances.get(account)
        found = taking.take(connection, entry.worker_id, allowed, slow, asked, allowance=allowance)
        made.append(found)
        spent[account] += len(found.claims) if want.beside else -less
        if allowance:
            allowances[account] = allowance.less(it.limited for it in found.claims if it.limited)
    for want, taken in zip(entry.wants, made, strict=True):
        if taken and taken.claims:
            outcome.news.append(_claimed_news(want, taken.claims, entry.worker_name))
        outcome.news += [_withheld_news(it, entry.worker_name) for it in (taken.withheld if taken else ())]
    got = {want.account for want, taken in zip(entry.wants, made, strict=True) if taken and taken.claims}
    for account in lasting - denied - got:
        rests.probed(connection, account, tried_at=now_ms(), accepted=False)
    return made


def _stop_what_must(
    connection: Connection,
    fresh: Sequence[Result],
    entry: Round,
    outcome: Committed,
    weighed: Sequence[tuple[Result, Weighed]],
) -> None:
    """Pause campaigns whose sender or message is at fault, or too many of whose emails fail.

    Finish campaigns in which nobody waits.
    """
    failed = {result.claim.campaign_id for result in fresh if result.result is AttemptResult.FAILED}
    for result in fresh:
        if result.ruling is None:
            continue
        if result.result is AttemptResult.RETURNED:
            claims.forgive(connection, result.claim)
            if result.others:  # they send it at once
                batches.lose_those_of(connection, result.claim.campaign_id, [result.claim.recipient_id])
        reason: Reason | None = None
        if result.ruling.follows is Follows.STOP and not _others_send(result):
            reason = _in_words(result, result.ruling)
            evidence.keep(connection, result, result.ruling)
        _pause(connection, result.claim.campaign_id, reason, outcome)
    for result, it in weighed:
        _pause(connection, result.claim.campaign_id, it.pause, outcome)
    for campaign_id in sorted(failed):
        _pause(connection, campaign_id, breaker.weigh(connection, campaign_id), outcome)
    for campaign_id in sorted(entry.finishing):
        if lifecycle.finish(connection, campaign_id):
            outcome.states[campaign_id] = CampaignState.FINISHED
            outcome.news.append(events.campaign_changed(campaign_id, CampaignState.FINISHED))


def _tell_senders(connection: Connection, fresh: Sequence[Result]) -> None:
    """Note what keeps a sender from sending, or that nothing does any more: its page says so."""
    for result in fresh:
        if result.sender_id and result.heals:
            store.end_trouble(connection, result.sender_id)
        elif result.sender_id and result.ruling and result.ruling.follows is Follows.STOP:
            store.note_trouble(connection, result.sender_id, result.reply)


def _pause(connection: Connection, campaign_id: int, reason: Reason | None, outcome: Committed) -> None:
    if reason and lifecycle.pause(connection, campaign_id, reason):
        outcome.states[campaign_id] = CampaignState.PAUSED
        outcome.news.append(events.campaign_changed(campaign_id, CampaignState.PAUSED))


def _in_words(result: Result, ruling: Ruling) -> Reason:
    """Return why a campaign must pause, and what to do: a reason of ours says both by itself."""
    if isinstance(result.reply, Reason):
        return result.reply
    return Reason("paused.sender-refused", check=Reason(f"check.{ruling.check}"), reply=result.reply)


def _claimed_news(want: Want, made: Sequence[Claim], worker_name: str) -> dict[str, Any]:
    return {
        "type": "claimed",
        "campaign": want.batch.campaign_id,
        "recipients": [claim.recipient_id for claim in made],
        "worker": worker_name,
        "at": now_ms(),
    }


def _withheld_news(it: Withheld, worker_name: str) -> dict[str, Any]:
    reason, at = it.reason.told, now_ms()
    return {
        "type": "recipient",
        "campaign": it.campaign_id,
        "recipient": it.recipient_id,
        "email": it.email,
        "state": RecipientState.SUPPRESSED,
        "attempt": it.attempts,
        "code": None,
        "enhanced": "",
        "reply": str(reason),
        "reason_code": reason.code,
        "worker": worker_name,
        "started_at": at,
        "at": at,
        "due_at": None,
    }


def _result_news(result: Result, worker_name: str) -> dict[str, Any]:
    return {
        "type": "recipient",
        "campaign": result.claim.campaign_id,
        "recipient": result.claim.recipient_id,
        "email": result.claim.email,
        "state": result.state,
        "attempt": result.claim.attempt,
        "code": result.code,
        "enhanced": result.enhanced,
        "reply": str(result.reply),
        "reason_code": reasons.code(result.reply),
        "worker": worker_name,
        "started_at": result.started_at,
        "at": result.ended_at,
        "due_at": result.due_at,
    }
