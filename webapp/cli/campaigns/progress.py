"""A campaign in a terminal: its bar while it is sent, and what became of it."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import click

from mailing.campaigns import queries as campaigns
from mailing.core.states import CampaignState, RecipientState
from mailing.core.strides import Stride
from mailing.ledger import leases
from mailing.recipients import listing, undertakings
from mailing.recipients.search import Choice
from tasks.commands import campaigns as commands
from webapp.ui import formats
from webapp.ui.explanations import explain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailing.campaigns.queries import Campaign
    from mailing.campaigns.retries import Retry
    from mailing.core.database import Database
    from mailing.ledger.leases import Worker
    from mailing.ledger.rates import Speed
    from mailing.recipients.listing import RecipientRow
    from mailing.recipients.undertakings import Undertaking
    from mailing.senders.forecasts import Band
    from tasks.commands.backend import Backend

LOOK_EVERY_S = 0.25
LEAST_REST_S = 0.01  # others may be at it
PAGE = 500
GROUPS_SHOWN = 10
BAR_WIDTH = 20
_BESIDE_TEXT = 36  # the bar, its frame and the percentage


@dataclass(slots=True)
class Group:
    """Recipients whose last attempt had the same outcome for the same reason, with an example."""

    state: RecipientState
    reason: str
    email: str
    reply: str
    n: int = 0


def watch(db: Database, campaign_id: int) -> Campaign:
    """Show how a campaign goes on until it no longer sends; return it as it is then.

    The bar is drawn on a terminal only. What keeps the workers from sending is told wherever this runs.
    """
    campaign, _ = _look(db, campaign_id)
    label = f"Campaign {campaign_id}" if campaign.rehearses is None else f"REHEARSAL {campaign_id}"
    room = max(shutil.get_terminal_size().columns - len(label) - _BESIDE_TEXT, 0)

    def clipped(text: str | None) -> str:
        return (text or "")[:room]

    bar = click.progressbar(
        length=campaign.total,
        label=label,
        width=BAR_WIDTH,
        show_eta=False,
        item_show_func=clipped,
        update_min_steps=0,  # draw at each look: the words change also where the bar does not
    )
    told = ""
    with bar:
        while True:
            campaign, alive = _look(db, campaign_id)
            bar.update(max(campaign.done - bar.pos, 0), in_words(campaign))
            if campaign.state is not CampaignState.SENDING:
                return campaign
            trouble = "\n".join(waits(campaign)) or hindrance(alive)
            if trouble and trouble != told:
                click.echo(f"\n{trouble}" if sys.stdout.isatty() else trouble)
            told = trouble
            time.sleep(LOOK_EVERY_S)


def carry_out(backend: Backend, done: Undertaking) -> Undertaking:
    """Go on with a decision about many, beside the workers, and show how far it is; return how it ended."""
    stride = Stride()
    with click.progressbar(length=done.expected or 0, label=str(done.action), width=BAR_WIDTH) as bar:
        while True:
            bar.update(max(done.moved - bar.pos, 0))
            if not done.going_on:
                return done
            time.sleep(max(stride.took_s, LEAST_REST_S))
            done = commands.go_on(backend, done, stride)


def in_words(campaign: Campaign) -> str:
    """Return ``98 sent, 2 failed``: each state that somebody is in."""
    return ", ".join(
        f"{campaign.counts[state]:,} {state}" for state in RecipientState if campaign.counts[state]
    )


def hindrance(alive: Sequence[Worker]) -> str:
    """Return what keeps the workers from sending, and what to do; empty if nothing does."""
    if not alive:
        return "No worker is running, so nothing is sent. Start one: .venv/bin/python -m tasks.worker"
    return " ".join(sorted({str(worker.notice) for worker in alive if worker.notice}))


def waits(campaign: Campaign) -> list[str]:
    """Return lines that say why the sender waits and until when; none if it does not."""
    if campaign.rest is None:
        return []
    until = formats.iso(campaign.rest.until)
    return [
        f"The sender has reached its sending limit. Sending resumes automatically at {until}:",
        f"    {campaign.rest.reason}",
    ]


def summary(db: Database, campaign: Campaign) -> list[str]:
    """Return lines that say how a campaign stands, and why what was not sent was not."""
    kind = "Campaign" if campaign.rehearses is None else "REHEARSAL"
    lines = [f"{kind} {campaign.id} is {campaign.state}: {in_words(campaign)} of {campaign.total:,}."]
    if campaign.left_over:
        lines.append(f"{campaign.left_over:,} emails are left to mark as canceled. The workers do that.")
    with db.read() as connection:
        going_on = undertakings.under_way(connection, [campaign.id])[campaign.id]
    for each in going_on:
        of = "" if each.expected is None else f" of {each.expected:,}"
        lines.append(f"In progress: {each.action}, {each.moved:,}{of}. The workers continue with it.")
    if campaign.paused_reason and campaign.state is CampaignState.PAUSED:
        lines += [
            "Volley paused it, because the remaining emails would fail for the same reason:",
            f"    {campaign.paused_reason}",
        ]
    if campaign.retry:
        lines.append(_retry(campaign.retry))
    lines += waits(campaign)
    for state in (RecipientState.FAILED, RecipientState.UNKNOWN, RecipientState.DEFERRED):
        if campaign.counts[state]:
            lines += _in_groups(db, campaign.id, state)
    if campaign.state is CampaignState.PAUSED:
        lines.append(f"To resume: volley resume {campaign.id}")
        if campaign.paused_reason:
            lines.append(f"To exclude the deferred emails first: volley skip {campaign.id} --deferred")
    return lines


def pace(speed: Speed) -> str:
    """Return how fast a campaign goes, and over which time."""
    per_minute = speed.per_minute
    figure = f"{per_minute:,.0f}" if per_minute >= 10 or not per_minute else f"{per_minute:.1f}"  # noqa: PLR2004
    window = "in the last minute" if speed.whole_minute else "since the start"
    return f"{figure} per minute {window}."


def outlook(band: Band) -> str:
    """Return in two lines when the rest is sent, and what holds it back."""
    zone, usual = datetime.now().astimezone().tzinfo, band.usual
    assert zone is not None
    today = usual.by_day(zone).get(f"{datetime.now(zone):%Y-%m-%d}", 0)
    end = f"the rest until {_local(usual.ends_at)}" if usual.ends_at else "the rest later than can be told"
    held = usual.held
    whose = f" of {held.name}" if held and held.name else ""
    by = f"{_HOLDS[held.by]}{whose}" if held else "nothing"
    return f"Forecast: {today:,} today, {end}.\n    Held back by {by}; more workers would not help."


_HOLDS = {
    "second": "the limit per second",
    "minute": "the limit per minute",
    "hour": "the hourly limit",
    "day": "the daily quota",
    "24h": "the quota of 24 hours",
    "warmup": "the warm-up",
    "hours": "the sending hours",
    "rest": "the mail server",
    "speed": "the measured speed",
}


def _retry(retry: Retry) -> str:
    end = _local(retry.given_up_at)
    return f"Waiting to retry: next attempt at {_local(retry.at)}, retries stop at {end}."


def _local(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000).astimezone():%Y-%m-%d %H:%M:%S %z}"


def _in_groups(db: Database, campaign_id: int, state: RecipientState) -> list[str]:
    groups: dict[str, Group] = {}
    after: int | None = 0
    while after is not None:
        with db.read() as connection:
            page = listing.recipients_page(connection, campaign_id, Choice(state), after=after, limit=PAGE)
        _sort(page.rows, groups)
        after = page.next
    largest = sorted(groups.values(), key=lambda group: -group.n)
    lines = []
    for group in largest[:GROUPS_SHOWN]:
        others = f" and {group.n - 1:,} more" if group.n > 1 else ""
        lines.append(f"{group.n:,} {state}: {group.reason} ({group.email}{others})")
        lines += [f"    {line}" for line in group.reply.splitlines()]
    if left := sum(group.n for group in largest[GROUPS_SHOWN:]):
        lines.append(f"{left:,} {state} for other reasons; the campaign's page shows them.")
    return lines


def _sort(rows: Iterable[RecipientRow], groups: dict[str, Group]) -> None:
    """Count ``rows`` into groups by the server's codes, as its words may name each address."""
    for row in rows:
        reason = explain(row.code, row.enhanced or "") or "no usable reply"
        codes = " ".join(str(part) for part in (row.code, row.enhanced) if part)
        key = f"{reason}, {codes}" if codes else reason
        group = groups.setdefault(key, Group(row.state, key, row.email, str(row.reply or "")))
        group.n += 1


def _look(db: Database, campaign_id: int) -> tuple[Campaign, Sequence[Worker]]:
    with db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        assert campaign is not None
        return campaign, leases.alive(connection)


def timing(campaign: Campaign) -> str:
    """Return in a sentence when a campaign is sent."""
    its = campaign.schedule
    hours = f", from {its.hours.begin} to {its.hours.end} only ({its.time_zone})" if its.hours else ""
    at = f" for {its.local.replace('T', ' ')} ({its.time_zone})" if its.send_at else ""
    urgency = f" Its priority is {campaign.priority}."
    return f"Campaign {campaign.id} is {campaign.state}{at}{hours}.{urgency}"
