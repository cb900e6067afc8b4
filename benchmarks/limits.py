"""Rows: the limits of a sender, held by all workers together, and what they cost."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from sqlalchemy import update

from benchmarks import sinks
from benchmarks.figures import RATE, Bar, Figure
from benchmarks.messages import DRAFT, people
from benchmarks.site import act, send, store
from mailing.core.states import CampaignAction, RecipientAction, RecipientState
from mailing.core.tables import campaigns
from mailing.recipients.search import EVERYBODY
from mailing.senders import limits as sender_limits
from mailing.senders import permits
from mailing.senders import store as senders
from mailing.senders.entries import Entry
from mailing.senders.limits import Limits
from tests.support.days import pass_by
from tests.support.smtp_server import serving
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.site import Site
    from tests.support.stack import Stack

PER_MINUTE, MINUTES = 600, 3
WINDOWS_S = {1: PER_MINUTE // 60, 60: PER_MINUTE}
HELD_BY = 4  # worker processes
N, MANY = 5_000, 20_000
QUOTA, QUOTA_N = 1_000, 2_500
WIDE = Limits(per_second=1_000_000, per_hour=10_000_000, per_24h=10_000_000)  # three that never bind
ROUNDS = 5
UNMETERED = {"PYTHONPATH": str(Path(__file__).with_name("unmetered"))}
PATIENCE_S = 300.0


def held(site: Site) -> Iterator[Figure]:
    """Hold a limit of a minute for three, counted where the emails arrive, and through a flush of Redis."""
    for flushed in (False, True):
        arrived = _hold(site, flushed=flushed)
        how = f"{PER_MINUTE}/min, {HELD_BY} workers, {MINUTES} minutes, {site.database}"
        how += ", Redis flushed in the middle" * flushed
        for span_s, most in WINDOWS_S.items():
            busiest = most_within(span_s, arrived)
            yield Figure(f"most in {span_s} s", busiest, "emails", how, Bar(most, at_most=True))
        used = 100 * len(arrived) / (PER_MINUTE * MINUTES)
        yield Figure("of the limit used", used, "%", how, Bar(97))


def _hold(site: Site, *, flushed: bool) -> list[float]:
    """Return when emails arrived in the minutes from the first (monotonic s)."""
    arrived: list[float] = []

    async def note(_transaction: object) -> None:
        arrived.append(time.monotonic())

    with site.stack(workers=HELD_BY) as stack, serving({"dot": note}) as server:
        limited = _sender(stack, server.port, "limited", Limits(per_minute=PER_MINUTE))
        campaign_id = _draft(stack, PER_MINUTE * (MINUTES + 1), limited)
        stack.start("redis", "worker", "beat")
        act(stack, campaign_id, CampaignAction.SEND)
        wait_until(lambda: arrived, "the first email")
        _rest_until(arrived[0] + 30 * MINUTES)
        if flushed:
            with stack.redis as client:
                client.flushall()
        _rest_until(arrived[0] + 60 * MINUTES)
        act(stack, campaign_id, CampaignAction.CANCEL)
    return [moment for moment in arrived if moment < arrived[0] + 60 * MINUTES]


def cost(site: Site) -> Iterator[Figure]:
    """Send without a limiter, without limits, and with three that never bind, each in turn.

    A Redis that has just started lets nothing limited pass until it has known for long enough: that is waited
    out.
    """
    kinds = ((UNMETERED, sender_limits.NONE), ({}, sender_limits.NONE), ({}, WIDE))
    rates: list[list[float]] = [[] for _ in kinds]
    for n in range(ROUNDS):
        for place in sorted(range(len(kinds)), key=lambda it: (it + n) % len(kinds)):  # each is first in turn
            rates[place].append(_rate(site, *kinds[place]))
    bare, free, limited = map(median, rates)
    how = f"{MANY:,} emails, the median of {ROUNDS} runs in turn, {site.database}"
    yield Figure("no limiter", bare, RATE, how)
    yield Figure("no limit", free, RATE, how, Bar(0.95, of="no limiter"))
    yield Figure("limited", limited, RATE, f"three limits that never bind, {how}", Bar(0.9, of="no limit"))


def _rate(site: Site, extra: dict[str, str], limits: Limits) -> float:
    with site.stack(extra=extra) as stack, sinks.listening(stack.smtp_port, stack.folder) as sink:
        campaign_id = _draft(stack, MANY, _sender(stack, stack.smtp_port, "wide", limits))
        stack.start("redis", "worker", "beat")
        time.sleep(1.1 * permits.CLOSED_MS / 1000)
        return send(stack, sink, campaign_id, PATIENCE_S).rate


def failover(site: Site) -> Iterator[Figure]:
    """Kill the server of the first of two senders in the middle of a campaign.

    What was in transit just then is in doubt, and is sent again only because a person says so, who knows
    that the dead server kept none of it.
    """
    with site.stack() as stack, serving({}) as second:
        with serving({}) as first:
            one, other = _sender(stack, first.port, "one"), _sender(stack, second.port, "other")
            campaign_id = _draft(stack, N, one, other)
            stack.start("redis", "worker", "beat")
            begun = time.perf_counter()
            act(stack, campaign_id, CampaignAction.SEND)
            wait_until(lambda: len(first.accepted) > N / 4, "a quarter is sent")
        killed = time.perf_counter()
        wait_until(lambda: second.accepted, "the second sends")
        gap_s = time.perf_counter() - killed
        campaign = stack.wait_for(campaign_id, patience_s=PATIENCE_S)
        took_s = time.perf_counter() - begun
        doubt = campaign.counts[RecipientState.UNKNOWN]
        if doubt:
            stack.decide(campaign_id, RecipientAction.RESEND_UNKNOWN, EVERYBODY)
            wait_until(partial(_all_sent, stack, campaign_id), "those in doubt are sent again", PATIENCE_S)
        everybody = [message.recipients[0] for message in (*first.accepted, *second.accepted)]
    how = f"{N:,} emails, {took_s:.0f} s, {site.database}"
    yield Figure("accepted once", 100 * len(set(everybody)) / N, "%", how, Bar(100))
    yield Figure("accepted twice", len(everybody) - len(set(everybody)), "emails", how, Bar(0, at_most=True))
    yield Figure("in doubt", doubt, "emails", "in transit when the server was killed; sent again by hand")
    yield Figure("until the second sends", gap_s, "s", how, Bar(1, at_most=True))


def quota(site: Site) -> Iterator[Figure]:
    """Use up the quota of 24 hours in mid-campaign, and move time on until its window opens."""
    with site.stack() as stack, serving({}) as server:
        campaign_id = _draft(stack, QUOTA_N, _sender(stack, server.port, "club", Limits(per_24h=QUOTA)))
        stack.start("redis", "worker", "beat")
        act(stack, campaign_id, CampaignAction.SEND)
        for sent in range(QUOTA, QUOTA_N, QUOTA):
            wait_until(partial(_waits_after, stack, campaign_id, sent), f"it waits after {sent}", PATIENCE_S)
            pass_by(stack, 24.2)
        campaign = stack.wait_for(campaign_id, patience_s=PATIENCE_S)
        everybody = {message.recipients[0] for message in server.accepted}
    how = f"{QUOTA_N:,} emails, {QUOTA:,} in 24 hours, {site.database}"
    failed = campaign.counts[RecipientState.FAILED] + campaign.counts[RecipientState.UNKNOWN]
    yield Figure("failed", failed, "emails", how, Bar(0, at_most=True))
    yield Figure("sent once", 100 * len(everybody) / QUOTA_N, "%", how, Bar(100))
    yield Figure("sent twice", len(server.accepted) - len(everybody), "emails", how, Bar(0, at_most=True))


def _all_sent(stack: Stack, campaign_id: int) -> bool:
    return stack.campaign(campaign_id).counts[RecipientState.SENT] == N


def _waits_after(stack: Stack, campaign_id: int, sent: int) -> bool:
    campaign = stack.campaign(campaign_id)
    return campaign.rest is not None and campaign.counts[RecipientState.SENT] == sent


def most_within(span_s: float, moments: Sequence[float]) -> int:
    """Return the most of these ordered moments (s) that any window of this length holds."""
    first = most = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= span_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def _rest_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def _sender(stack: Stack, port: int, name: str, limits: Limits = sender_limits.NONE) -> int:
    with stack.db.write() as connection:
        entry = Entry(name, "127.0.0.1", port, tls="none", limits=limits)
        return senders.create(connection, entry, stack.settings.secret_key)


def _draft(stack: Stack, n: int, *by: int) -> int:
    campaign_id = store(stack, DRAFT, people(n))
    with stack.db.write() as connection:
        own = update(campaigns).where(campaigns.c.id == campaign_id)
        connection.execute(own.values(senders=list(by)))
    return campaign_id
