"""What the commands of the command line do. It is loaded when one runs, for it takes a while to load."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click
import orjson
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from mailing import checks, settings
from mailing.addresses import parsing as addresses
from mailing.campaigns import queries as campaigns
from mailing.campaigns.drafts import Draft
from mailing.campaigns.lifecycle import NotAllowed
from mailing.checks import Finding
from mailing.core import database_errors, logs, privacy
from mailing.core.actors import Actor, ActorKind
from mailing.core.clock import now_ms
from mailing.core.database import Database
from mailing.core.reasons import Reason, UnfitError
from mailing.core.states import CampaignAction, CampaignState, RecipientAction, RecipientState
from mailing.ledger.breaker import Breaker
from mailing.recipients.search import EVERYBODY, Choice
from mailing.redis import events
from mailing.reports import estimates, lanes, paces
from mailing.schedules.schedule import ANY_TIME, Asked
from mailing.settings import Settings, SettingsError
from mailing.suppression import purposes
from tasks.commands import campaigns as commands
from webapp.api import answers, posted
from webapp.cli.campaigns import progress
from webapp.http import params
from webapp.http.problems import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mailing.addresses.parsing import ParsedList
    from mailing.schedules.schedule import Schedule
    from mailing.smtp.replies import ReplyCode
    from tasks.commands.campaigns import Backend

CHECK_S = 8.0
REFUSED_SHOWN = 20
ACTOR = Actor(ActorKind.CLI)


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


def check() -> None:
    """Check the settings, the database, Redis, the SMTP server and the workers."""
    try:
        chosen = settings.load()
    except SettingsError as error:
        for fault in error.faults:
            _show("settings", Finding(ok=False, detail=fault))
        sys.exit(1)
    logs.configure(chosen.log, quiet=True)
    privacy.keep(chosen.instance)
    _show("settings", Finding(ok=True, detail=_settings_in_words(chosen)))
    found = _ask_all(chosen)
    for name, finding in found.items():
        _show(name, finding)
    if not all(finding.ok for finding in found.values()):
        sys.exit(1)


def _settings_in_words(chosen: Settings) -> str:
    """Say that the settings can be used, and what of theirs other users of this machine can read."""
    files = [settings.ROOT / ".env"]
    url = make_url(chosen.database_url)
    if url.get_backend_name() == "sqlite":
        files.append(Path(str(url.database)))
    open_ones = " ".join(map(str, privacy.exposed(files)))
    warning = f" But other users of this machine can read secrets or addresses. Run: chmod 600 {open_ones}"
    return f"All settings are valid.{warning if open_ones else ''}"


def _ask_all(chosen: Settings) -> dict[str, Finding]:
    """Do all checks at once. Their threads are daemons: one that hangs does not keep the command alive."""
    db = Database(chosen.database_url, pool_size=1)
    client = events.connect(chosen.redis_url, chosen.database_url)
    asked: dict[str, Callable[[], Finding]] = {
        "database": lambda: checks.database(db),
        "redis": lambda: checks.queue(client),
        "smtp": lambda: asyncio.run(checks.smtp(chosen.sender, CHECK_S - 1)),
        "workers": lambda: checks.worker(db),
    }
    found = {name: Finding(ok=False, detail=f"No response within {CHECK_S:g} s.") for name in asked}

    def ask(name: str) -> None:
        found[name] = asked[name]()

    threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in asked]
    until = time.monotonic() + CHECK_S
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0))
    client.close()
    db.close()
    return dict(found)


def _show(name: str, finding: Finding) -> None:
    mark, color = ("✓", "green") if finding.ok else ("✗", "red")
    click.echo(f"{click.style(mark, fg=color)} {name:8} {finding.detail}")


def chosen_settings() -> Settings:
    """Return the settings; what is wrong with them ends the command with a sentence."""
    try:
        chosen = settings.load()
    except SettingsError as error:
        raise click.ClickException(f"These settings are invalid:\n{error}") from None
    privacy.keep(chosen.instance)
    logs.configure(chosen.log, quiet=True)
    return chosen


@contextmanager
def open_backend(chosen: Settings) -> Iterator[Backend]:
    """Open the database and Redis; what is wrong with them ends the command with a sentence."""
    try:
        with commands.backend(chosen, connections=1) as backend:
            yield backend
    except SQLAlchemyError as error:
        said = database_errors.sentence(error, make_url(chosen.database_url))
        raise click.ClickException(f"{said}\nFor details: volley check") from None


def read_text(file: IO[bytes]) -> str:
    """Return what a file holds, which must be UTF-8."""
    try:
        return file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.ClickException(
            f"{file.name} is not UTF-8 text. Save it as UTF-8 and try again."
        ) from None


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
