"""What the commands of the command line do. It is loaded when one runs, for it takes a while to load."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import IO, TYPE_CHECKING

import click
import orjson

from mailing import checks
from mailing.addresses import parsing as addresses
from mailing.campaigns import queries as campaigns
from mailing.campaigns.drafts import Draft
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, UnfitError
from mailing.core.states import CampaignAction, CampaignState, RecipientAction, RecipientState
from mailing.ledger.breaker import Breaker
from mailing.recipients.search import EVERYBODY, Choice
from mailing.reports import estimates, lanes, paces
from mailing.schedules.schedule import ANY_TIME, Asked
from mailing.suppression import purposes
from tasks.commands import campaigns as commands
from webapp.api import answers, posted
from webapp.cli.campaigns import progress
from webapp.cli.opening import ACTOR, chosen_settings, open_backend, read_text
from webapp.http import params
from webapp.http.problems import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.addresses.parsing import ParsedList
    from mailing.schedules.schedule import Schedule
    from mailing.smtp.replies import ReplyCode
    from tasks.commands.backend import Backend

REFUSED_SHOWN = 20


def send(
    *,
    subject: str,
    text_file: IO[bytes],
    html_file: IO[bytes] | None,
    sender_from: str | None,
    priority: int,
    give_up_hours: int,
    canary: int,
    failure_limit: int,
    topic: str,
    transactional: bool,
    despite_red: bool,
    yes: bool,
    file: IO[bytes],
    when: Mapping[str, str | None],
) -> None:
    """Send a message to the addresses in LIST, a file or - for standard input.

    Ctrl-C does not stop the campaign. The exit status is 0 if every email was accepted.
    """
    chosen = chosen_settings()
    html = read_text(html_file) if html_file else ""
    sender_from = sender_from or chosen.default_from
    schedule = _schedule(when)
    draft = Draft(sender_from, subject, read_text(text_file), html, priority, give_up_hours)
    limit = Breaker(percent=failure_limit)
    try:
        purpose = purposes.read(topic, transactional=transactional)
    except UnfitError as refusal:
        raise click.ClickException(str(refusal.reason)) from None
    draft = replace(draft, breaker=limit, canary=canary, schedule=schedule, purpose=purpose)
    parsed = addresses.parse_pasted(read_text(file))
    _show_list(parsed)
    _refuse_faulty(draft, parsed)
    if not yes and sys.stdin.isatty():
        click.confirm(f"Send to {_addresses(parsed)}?", abort=True)
    with open_backend(chosen) as backend:
        campaign_id = _begin(backend, draft, parsed, despite_red=despite_red)
        if schedule.send_at:
            with backend.db.read() as connection:
                campaign = campaigns.get(connection, campaign_id)
            assert campaign is not None
            click.echo(progress.timing(campaign))
            return
        try:
            campaign = progress.watch(backend.db, campaign_id)
        except KeyboardInterrupt:
            raise click.ClickException(
                f"Campaign {campaign_id} is still being sent.\n"
                f"To stop it: volley pause {campaign_id}\nTo follow it: volley status {campaign_id}"
            ) from None
        click.echo("\n".join(progress.summary(backend.db, campaign)))
    if campaign.counts[RecipientState.SENT] < campaign.total:
        sys.exit(1)


def status(*, campaign_id: int, as_json: bool) -> None:
    """Show the state of campaign ID."""
    with open_backend(chosen_settings()) as backend:
        with backend.db.read() as connection:
            campaign = campaigns.get(connection, campaign_id)
            if campaign is None:
                raise click.ClickException(f"Campaign {campaign_id} does not exist.")
            speed = paces.recent(connection, [campaign], now_ms())[campaign_id]
        if as_json:
            click.echo(orjson.dumps(answers.campaign(campaign, speed), option=orjson.OPT_INDENT_2))
            return
        click.echo("\n".join(progress.summary(backend.db, campaign)))
        if campaign.state is CampaignState.SENDING:
            click.echo(progress.pace(speed))
        with backend.db.read() as connection:
            behind = lanes.all_behind(connection, campaign).all
            band = estimates.band(connection, campaign, speed, behind=behind)
        if band:
            click.echo(progress.outlook(band))
        if behind:
            click.echo(
                f"{behind:,} emails wait for receivers that rest or recover: volley lanes {campaign_id}"
            )


def act(campaign_id: int, action: CampaignAction) -> None:
    """Pause, resume or cancel a campaign."""
    with open_backend(chosen_settings()) as backend:
        try:
            campaign = commands.act(backend, ACTOR, campaign_id, action)
        except NotAllowed as refusal:
            raise click.ClickException(str(refusal)) from None
    click.echo(f"Campaign {campaign_id} is {campaign.state}: {progress.in_words(campaign)}.")
    if campaign.left_over:
        click.echo(f"{campaign.left_over:,} emails are left to mark as canceled. The workers do that.")


def go_past(
    campaign_id: int, action: RecipientAction, *, state: str | None, reply: str | None, search: str
) -> None:
    """Skip or fail those who are named by a state, a reply or an address."""
    got = reply_of(reply)
    if not (state or reply or search):
        raise click.UsageError("Choose emails with --queued, --deferred, --reply or --search.")
    chosen = Choice(RecipientState(state) if state else None, params.words(search), got)
    _decide(campaign_id, action, chosen)


def reply_of(spelt: str | None) -> ReplyCode | None:
    """Return the reply that an option names; None where it was left out."""
    got = params.read_reply(spelt) if spelt else None
    if spelt and got is None:
        said = "--reply must look like 550-5.7.1, or like 421 without an enhanced status code."
        raise click.UsageError(said)
    return got


def decide(campaign_id: int, action: RecipientAction, state: str | None = None) -> None:
    """Retry, resend or mark as sent: all whom it can move, or those in a state."""
    _decide(campaign_id, action, Choice(RecipientState(state)) if state else EVERYBODY)


def _decide(campaign_id: int, action: RecipientAction, choice: Choice) -> None:
    with open_backend(chosen_settings()) as backend:
        try:
            done = commands.decide(backend, ACTOR, campaign_id, action, choice)
            if done.going_on:
                done = progress.carry_out(backend, done)
        except NotAllowed as refusal:
            raise click.ClickException(str(refusal)) from None
        except KeyboardInterrupt:
            raise click.ClickException(
                f"The workers continue with it. To follow them: volley status {campaign_id}"
            ) from None
        with backend.db.read() as connection:
            campaign = campaigns.get(connection, campaign_id)
    assert campaign is not None
    click.echo(f"{_count(done.moved, 'recipient')} changed.")
    click.echo(f"Campaign {campaign_id} is {campaign.state}: {progress.in_words(campaign)}.")


def _show_list(parsed: ParsedList) -> None:
    refused, duplicates = parsed.refused, _count(len(parsed.duplicates), "duplicate")
    click.echo(f"{_addresses(parsed)}, {duplicates} merged, {_count(len(refused), 'line')} skipped.")
    for refusal in refused[:REFUSED_SHOWN]:
        click.echo(f"  line {refusal.line}: {refusal.text}\n    {refusal.reason}")
    if len(refused) > REFUSED_SHOWN:
        click.echo(f"  and {len(refused) - REFUSED_SHOWN:,} more")


def _refuse_faulty(draft: Draft, parsed: ParsedList) -> None:
    faults = posted.message_faults(draft)
    if not parsed.entries:
        faults.append(Fault.of("list", Reason("list-fault.no-addresses")))
    if faults:
        said = "\n".join(f"{fault.field}: {fault.detail}" for fault in faults)
        raise click.ClickException(f"Nothing was sent.\n{said}")


def _schedule(when: Mapping[str, str | None]) -> Schedule:
    asked = Asked(when["at"], when["time_zone"], when["hours"])
    schedule, faults = asked.judge(ANY_TIME, now_ms())
    if faults:
        raise click.ClickException("\n".join(["Nothing was sent.", *map(str, faults.values())]))
    return schedule


def _begin(backend: Backend, draft: Draft, parsed: ParsedList, *, despite_red: bool) -> int:
    """Store the campaign and wake the workers; return its id."""
    try:
        change = commands.store(backend.db, ACTOR, draft, parsed, send=True, despite_red=despite_red)
    except NotAllowed as refusal:
        raise click.ClickException(f"Nothing was sent. {refusal}") from None
    if not commands.announce(backend, change):
        click.echo("The campaign is saved. Sending starts when Redis accepts work again.")
        trouble = checks.queue_trouble(backend.news)
        click.echo(trouble.reason if trouble else "")
    return change.campaign_id


def _addresses(parsed: ParsedList) -> str:
    return _count(len(parsed.entries), "address", "addresses")


def _count(n: int, noun: str, nouns: str = "") -> str:
    return f"{n:,} {noun if n == 1 else nouns or noun + 's'}"
