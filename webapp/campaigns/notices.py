"""What a reading of a campaign says in words: what keeps it from going on, and how long it will take."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.core import reasons
from mailing.core.reasons import Reason
from mailing.core.states import DECISIONS, CampaignState, RecipientAction, RecipientState
from mailing.ledger.breaker import of_canary, warns
from mailing.ledger.leases import NoticeKind
from mailing.reports.lanes import NOBODY
from mailing.schedules.schedule import LATE_MS
from webapp.campaigns import bulk_actions
from webapp.i18n.domain_texts import say
from webapp.i18n.languages import N_, _, ngettext
from webapp.ui import formats

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailing.campaigns.canary import Canary
    from mailing.campaigns.queries import Campaign
    from mailing.ledger.breaker import Breaker
    from mailing.ledger.evidence import Evidence
    from mailing.ledger.leases import Worker
    from mailing.ledger.rates import Speed
    from mailing.ledger.rests import Rest
    from mailing.redis.errors import Trouble
    from mailing.reports.lanes import Behind
    from webapp.campaigns.bulk_actions import Offer
    from webapp.campaigns.progress import Pace, Standing


_FAILURES = frozenset({"paused.many-failed", "paused.canary"})


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person must know now, in the tone of a state; ``detail`` is quoted verbatim.

    ``offers`` are what can be done with those whom it is about, ``due`` when it is over by itself, ``until``
    how long deferred emails are waited for (both in ms), ``sender`` the id of the one that it is about.
    """

    tone: str
    title: str
    text: str
    detail: str = ""
    offers: Sequence[Offer] = ()
    due: int | None = None
    until: int | None = None
    sender: int = 0


def forecast(now: Standing, pace: Pace) -> str:
    """Return how long the rest will take, or why nobody can say; empty when nothing is being sent."""
    campaign = now.campaign
    if campaign.state is not CampaignState.SENDING:
        return ""
    if campaign.opens_at:
        return _("Estimate unavailable: outside of the sending hours")
    if campaign.rest:
        return _("Estimate unavailable: the sender is waiting")
    if all(worker.held_up for worker in now.workers):
        return _("Estimate unavailable: no worker can send") if campaign.waiting else ""
    return time_left(campaign, pace.recent, now.at, now.behind)


def time_left(campaign: Campaign, recent: Speed, now: int, behind: Behind = NOBODY) -> str:
    """Return how long the rest of a campaign will take at ``now`` (ms) and this speed.

    Of those ``behind`` at slow receivers nobody can tell.
    """
    counts = campaign.counts
    return formats.forecast(
        waiting=counts[RecipientState.QUEUED] + counts[RecipientState.SENDING] - behind.queued,
        behind=behind.all,
        deferred=counts[RecipientState.DEFERRED] - behind.deferred,
        per_minute=recent.per_minute,
        running_ms=now - (campaign.started_at or now),
    )


def of(standing: Standing, *, queue_away: bool, trouble: Trouble | None) -> tuple[Notice, ...]:
    """Return what keeps a campaign from going on, each with what to do."""
    campaign = standing.campaign
    found = []
    if campaign.paused_reason and campaign.state is CampaignState.PAUSED:
        found.append(_paused(campaign, standing.evidence))
    if standing.canary and campaign.state is CampaignState.SENDING:
        found.append(_canary(standing.canary, of_canary(campaign.breaker)))
    found += _complaints(standing)
    found += _long_work(standing)
    if campaign.state is not CampaignState.SENDING or not campaign.waiting:
        return tuple(found)
    found += _hours(campaign)
    if campaign.rest:
        found.append(waits(campaign.rest))
    found += [misses(lane.name, lane.record) for lane in standing.lanes if lane.record]
    refuses = trouble is not None and trouble.refuses
    reason = say(trouble.reason) if trouble else ""
    if refuses:
        text = _("The campaign is saved. Sending resumes automatically when the queue accepts work again.")
        found.append(Notice("failed", _("The queue (Redis) isn't accepting work"), text, reason))
    elif queue_away:
        found.append(
            Notice(
                "deferred",
                _("The queue (Redis) isn't responding"),
                _(
                    "The campaign is saved. Sending resumes automatically when the queue is back. "
                    "Until then this page refreshes every 2 s."
                ),
                reason,
            )
        )
    if not standing.workers and not refuses:  # a queue that refuses work ends each that starts
        found.append(
            Notice(
                "failed",
                _("No worker is running"),
                _("Start workers with `make run`. Sending then starts automatically."),
            )
        )
    return (*found, *held_up(standing.workers))


def _paused(campaign: Campaign, evidence: Evidence | None) -> Notice:
    if reasons.code(campaign.paused_reason) == "paused.many-complained":
        text = _(
            "Nothing more is sent. The recipients who reported it are on the do-not-send list. Look at how "
            "they joined the list and at the message before you resume: receivers reject senders with "
            "many spam reports."
        )
    elif reasons.code(campaign.paused_reason) in _FAILURES:
        text = _(
            "Nothing more is sent. Look at the failed emails, then correct the message or exclude "
            "recipients. After you resume, failures are counted from zero."
        )
    else:
        text = _(
            "The remaining emails would fail for the same reason. Fix the problem, then press "
            "Resume. Nobody is mailed twice."
        )
    said, ways = say(campaign.paused_reason), bulk_actions.ways_past(campaign.state, evidence)
    return Notice("failed", _("Volley paused this campaign"), text, said, ways)


def _complaints(standing: Standing) -> Iterator[Notice]:
    """Return that more people complain than receivers like to see."""
    n, sent = standing.returned.complained, standing.campaign.counts[RecipientState.SENT]
    code = reasons.code(standing.campaign.paused_reason)
    if not warns(n, sent) or code == "paused.many-complained":
        return
    title = _(
        "%(n)s of %(total)s recipients reported the email as spam",
        n=formats.number(n),
        total=formats.number(sent),
    )
    text = _(
        "Receivers ask for less than 0.1%%; at 0.3%% they start to reject. Look at how these recipients "
        "joined the list."
    )
    yield Notice("deferred", title, text)


def _canary(canary: Canary, limit: Breaker) -> Notice:
    """Return how those stand who are sent first, and what the others wait for."""
    n, of = formats.number(canary.accepted), formats.number(canary.total)
    title = _("Canary: %(n)s of the first %(total)s emails accepted", n=n, total=of)
    text = _(
        "The others follow automatically once all of these have their outcome and fewer than %(percent)s%% "
        "were not accepted; otherwise the campaign pauses.",
        percent=limit.percent,
    )
    return Notice("sending", title, text, until=canary.until)


def _hours(campaign: Campaign) -> Iterator[Notice]:
    """Return that a campaign started late, and that it waits for its hours of the day."""
    if campaign.late_ms > LATE_MS:
        late, local = formats.duration(campaign.late_ms), campaign.schedule.local.replace("T", " ")
        at = _(
            "It was scheduled for %(time)s (%(zone)s). Volley wasn't running then.",
            time=local,
            zone=campaign.time_zone,
        )
        yield Notice("deferred", _("Started %(time)s late", time=late), at)
    if campaign.opens_at and campaign.schedule.hours:
        its = campaign.schedule.hours
        title = _("Waits until %(time)s (%(zone)s)", time=its.begin, zone=campaign.time_zone)
        text = _("It is sent from %(first)s to %(last)s only.", first=its.begin, last=its.end)
        yield Notice("queued", title, text, due=campaign.opens_at)


def waits(rest: Rest) -> Notice:
    """Return that a sender's own limit is reached, and when it goes on.

    A limit of ours is no trouble: when it goes on is known, and no email has to find out.
    """
    if rest.ours:
        return Notice(
            "queued",
            _("A sending limit is reached"),
            _("No email fails. Sending continues automatically, or immediately when the limit is raised."),
            say(rest.reason),
            due=rest.until,
            sender=rest.sender_id,
        )
    return Notice(
        "deferred",
        _("The sender is waiting"),
        _(
            "Its sending limit is reached. No email fails: sending resumes automatically, with a "
            "single email first to see whether the limit has passed."
        ),
        say(rest.reason),
        due=rest.until,
        sender=rest.sender_id,
    )


def misses(receiver: str, record: Reason) -> Notice:
    """Return which record a receiver misses; all others are sent their mail."""
    todo, found = record.values["todo"], record.values["found"]
    assert isinstance(todo, Reason)
    assert isinstance(found, Reason)
    goes_on = _(
        "All other receivers continue. Volley checks DNS every few minutes, then sends a single email to "
        "this receiver; if it is accepted, more follow."
    )
    return Notice(
        "deferred",
        _("%(receiver)s: a DNS record of your domain is missing or wrong", receiver=receiver),
        f"{say(todo)} {say(found)} {goes_on}",
        str(record.values["reply"]),
    )


def _long_work(standing: Standing) -> Iterator[Notice]:
    """Return what Volley still does of what a person asked for, and how far it is."""
    if n := standing.campaign.left_over:
        yield Notice(
            "canceled",
            ngettext("Canceling: %(n)s email left to mark", "Canceling: %(n)s emails left to mark", n),
            _("None of them will be sent. They are marked automatically."),
        )
    for each in standing.under_way:
        title = _(_DOING[each.action])
        moved = formats.number(each.moved)
        if each.expected is None:
            far = _("%(n)s so far", n=moved)
        else:
            far = _("%(n)s of %(most)s", n=moved, most=formats.number(each.expected))
        mails = DECISIONS[each.action].target is RecipientState.QUEUED
        ends = (
            _("This continues automatically. Pause or Cancel stops it.")
            if mails
            else _("This continues automatically.")
        )
        yield Notice("queued", f"{title}: {far}", ends)


_DOING = {
    RecipientAction.RETRY: N_("Retrying"),
    RecipientAction.RESEND_UNKNOWN: N_("Resending"),
    RecipientAction.MARK_UNKNOWN_SENT: N_("Marking as sent"),
    RecipientAction.SKIP: N_("Excluding"),
    RecipientAction.FAIL: N_("Marking as failed"),
}


def held_up(found: Sequence[Worker]) -> Iterator[Notice]:
    """Return what keeps workers from sending, or from sending as fast as they could."""
    slowed = next((worker.notice for worker in found if worker.notice_kind is NoticeKind.SLOWED), "")
    if slowed:
        yield Notice(
            "deferred",
            _("The mail server is throttling"),
            _("Sending continues more slowly and returns to full speed after 30 s without throttling."),
            say(slowed),
        )
    total = len(found)
    for notice, n in Counter(worker.notice for worker in found if worker.held_up).items():
        held = ngettext(
            "%(n)s of %(total)s workers is blocked", "%(n)s of %(total)s workers are blocked", n, total=total
        )
        yield Notice(
            "deferred",
            held if total > 1 else _("The worker is blocked"),
            _("Queued emails are sent automatically once this is resolved."),
            say(notice),
        )
