"""``volley senders``: accounts at mail servers, for somebody at the machine.

What a command does is loaded when it runs: --help needs no database, no queue and no web framework. A
password is asked for, or read from standard input, so that it is in no history and in no list of processes.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from mailing.core.bounds import LARGEST_ID

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mailing.senders.limits import Limits
    from mailing.senders.store import Account
    from mailing.settings import Settings
    from tasks.commands.backend import Backend

_ID = click.argument("sender_id", metavar="ID", type=click.IntRange(1, LARGEST_ID))
_PERIODS = ("per_second", "per_minute", "per_hour", "per_day", "per_24h")
_TLS, _AUTH = ("none", "opportunistic", "starttls", "tls"), ("", "plain", "login", "cram-md5", "xoauth2")


def _limited(command: Any) -> Any:
    """Give a command the options that are limits."""
    for name in _PERIODS:
        command = click.option(f"--{name.replace('_', '-')}", type=int, help="0: no limit.")(command)
    zone = click.option("--time-zone", help="In which a day of --per-day starts. Default: UTC.")
    return zone(command)


def _entered(command: Any) -> Any:
    """Give a command the options that say what a sender is."""
    for option in (
        click.option("--host", help="The mail server."),
        click.option("--port", type=click.IntRange(1, 65_535)),
        click.option("--tls", type=click.Choice(_TLS), help="starttls requires it; opportunistic takes it."),
        click.option("--verify/--no-verify", default=None, help="Whether its certificate must be trusted."),
        click.option("--sign/--no-sign", "signs", default=None, help="Whether Volley signs with DKIM."),
        click.option("--ca-file", type=click.File("r"), help="Certificates (PEM) to trust instead."),
        click.option("--user", "username", help="The user name."),
        click.option("--auth", type=click.Choice(_AUTH), help="The sign-in method. Default: the best."),
        click.option("--password", "ask", is_flag=True, help="Ask for the password, or read standard input."),
        click.option("--client-id", help="Of your own application at Google or Microsoft."),
        click.option("--tenant", help="Of Microsoft 365."),
        click.option("--connections", type=click.IntRange(1, 100), help="Of each worker process."),
    ):
        command = option(command)
    return _limited(command)


@click.group()
def senders() -> None:
    """Manage senders, the accounts that send."""


@senders.command("list")
def show() -> None:
    """List the senders in their order."""
    from mailing.senders import store  # noqa: PLC0415

    with _open() as (backend, _settings), backend.db.read() as connection:
        for it in store.every(connection):
            click.echo(f"{it.id}  {it.name}  {it.server} ({it.tls}){_more(it)}")
            if it.trouble:
                click.echo(f"   {it.trouble}")


@senders.command()
@click.option(
    "--preset", default="", help="A well-known mail server: gmail, microsoft, ses, brevo and others."
)
@click.option("--name", default="", help="Its name. Default: the name of the preset, or the host.")
@_entered
def add(*, preset: str, name: str, **given: Any) -> None:
    """Add a sender."""
    from mailing.senders.entries import Entry  # noqa: PLC0415
    from mailing.senders.limits import NONE  # noqa: PLC0415
    from mailing.senders.presets import PRESETS  # noqa: PLC0415
    from tasks.commands import senders as commands  # noqa: PLC0415
    from webapp.cli.opening import ACTOR  # noqa: PLC0415

    known = PRESETS.get(preset)
    if preset and known is None:
        raise click.UsageError(f"Unknown preset. Use one of: {', '.join(PRESETS)}.")
    if known is None and not given["host"]:
        raise click.UsageError("Give --host, or a --preset.")
    with _open() as (backend, chosen):
        values = _values(given, known.limits if known else NONE)
        if name or not known:
            values["name"] = name or given["host"]
        entry = known.entered(**values) if known else Entry(**{"port": 587, **values})
        sender_id = commands.create(backend, ACTOR, entry, chosen.secret_key)
    click.echo(f"Sender {sender_id}: {entry.name}")
    if entry.provider:
        page = chosen.site.origin + chosen.site.at(f"/senders/{sender_id}")
        click.echo(f"To connect its account, open {page}")
    else:
        click.echo(f"To test it: volley senders test {sender_id}")


@senders.command()
@_ID
@click.option("--name", help="Its new name.")
@_entered
def change(*, sender_id: int, name: str | None, **given: Any) -> None:
    """Change sender ID: only what is given."""
    from mailing.senders import store  # noqa: PLC0415
    from tasks.commands import senders as commands  # noqa: PLC0415
    from webapp.cli.opening import ACTOR  # noqa: PLC0415

    with _open() as (backend, chosen):
        now = _get(backend, sender_id)
        values = _values(given, now.limits) | ({"name": name} if name else {})
        entry = store.as_entered(now, **values)
        commands.revise(backend, ACTOR, sender_id, entry, chosen.secret_key, seen=now.revision)
    click.echo(f"Sender {sender_id} was changed.")


@senders.command()
@_ID
@click.argument("position", type=click.IntRange(1, 1_000))
def move(*, sender_id: int, position: int) -> None:
    """Give sender ID the place POSITION in the order, from 1."""
    from tasks.commands import senders as commands  # noqa: PLC0415
    from webapp.cli.opening import ACTOR  # noqa: PLC0415

    with _open() as (backend, _settings):
        commands.move(backend, ACTOR, sender_id, position)


@senders.command()
@_ID
def delete(*, sender_id: int) -> None:
    """Delete sender ID, unless a campaign uses it."""
    from tasks.commands import senders as commands  # noqa: PLC0415
    from webapp.cli.opening import ACTOR  # noqa: PLC0415

    with _open() as (backend, _settings):
        gone = commands.delete(backend, ACTOR, sender_id)
    click.echo(f"{gone.name} was deleted.")


@senders.command()
@_ID
@click.option("--mail-from", default="", help="An address that the server is asked to take mail from.")
def test(*, sender_id: int, mail_from: str) -> None:
    """Connect to the server of sender ID and sign in. Nothing is sent.

    The exit status is 0 if the sender can be used.
    """
    import asyncio  # noqa: PLC0415

    from mailing.senders import opening  # noqa: PLC0415
    from mailing.smtp.dialogue import Dialogue, Side  # noqa: PLC0415
    from mailing.smtp.inspection import inspect  # noqa: PLC0415
    from tasks.commands import senders as commands  # noqa: PLC0415

    with _open() as (backend, chosen):
        sender = opening.usable(_get(backend, sender_id), chosen.secret_key, chosen.sender, backend.db)
        dialogue = Dialogue(sender)
        outcome = asyncio.run(inspect(sender, dialogue, mail_from))
        marks = {Side.CLIENT: "C:", Side.SERVER: "S:", Side.NOTE: "--"}
        for line in dialogue.lines:
            click.echo(f"{line.ms:>6} ms  {marks[line.side]} {line.words}")
        click.echo(str(outcome.words))
        if outcome.accepted:
            commands.end_trouble(backend, sender_id)
    if not outcome.accepted:
        sys.exit(1)


@senders.command()
@_ID
@click.option("--first", type=int, help="Emails on the first day. Default: 50.")
@click.option("--growth", type=int, help="Percent by which each day grows. Default: 100.")
@click.option("--target", type=int, help="The full volume of a day. Default: the daily limit.")
@click.option("--resume", is_flag=True, help="Let it grow again.")
@click.option("--end", is_flag=True, help="End it.")
def warmup(*, sender_id: int, resume: bool, end: bool, **given: int | None) -> None:
    """Show the warm-up of sender ID; with a figure, start or change it."""
    from mailing.senders import warming  # noqa: PLC0415
    from mailing.senders.warmup import Plan  # noqa: PLC0415
    from tasks.commands import senders as commands  # noqa: PLC0415
    from webapp.cli.opening import ACTOR  # noqa: PLC0415

    with _open() as (backend, _settings):
        plan = _get(backend, sender_id).warmup or Plan()
        if end:
            commands.end_warmup(backend, ACTOR, sender_id)
        elif resume or any(value is not None for value in given.values()):
            values = {name: getattr(plan, name) if it is None else it for name, it in given.items()}
            commands.keep_warmup(backend, ACTOR, sender_id, **values)
        account = _get(backend, sender_id)
        with backend.db.read() as connection:
            rows = warming.calendar(connection, account)
    if account.warmup is None:
        click.echo("No warm-up.")
    for row in rows:
        click.echo(f"{row.day}  {'' if row.sent is None else f'{row.sent:,} of '}{row.cap:,}")
    if account.warmup and account.warmup.stopped:
        click.echo(f"It does not grow any more: {account.warmup.stopped}")
        click.echo(f"To let it grow again: volley senders warmup {sender_id} --resume")


@senders.command()
@click.argument("campaign_id", metavar="CAMPAIGN", type=click.IntRange(1, LARGEST_ID))
@click.argument("ids", metavar="[ID]...", nargs=-1, type=click.IntRange(1, LARGEST_ID))
@_limited
def use(*, campaign_id: int, ids: tuple[int, ...], **given: Any) -> None:
    """Have CAMPAIGN sent by these senders, in this order, and with limits of its own.

    Without an ID it is the usual sender. It takes effect while the campaign is being sent, too.
    """
    from mailing.senders.limits import NONE  # noqa: PLC0415
    from mailing.senders.routes import Route  # noqa: PLC0415
    from tasks.commands import senders as commands  # noqa: PLC0415
    from webapp.cli.opening import ACTOR  # noqa: PLC0415

    with _open() as (backend, _settings):
        route = Route(ids or None, _limits(given, NONE))
        commands.change_route(backend, ACTOR, campaign_id, route)
    click.echo(f"Campaign {campaign_id} was changed.")


@contextmanager
def _open() -> Iterator[tuple[Backend, Settings]]:
    """Open the backend; what is refused is one line. The sender of the settings is put in step."""
    from mailing.core.reasons import ReasonError  # noqa: PLC0415
    from tasks.commands import senders as commands  # noqa: PLC0415
    from webapp.cli.opening import chosen_settings, open_backend  # noqa: PLC0415

    chosen = chosen_settings()
    with open_backend(chosen) as backend:
        try:
            commands.keep_default(backend, chosen.sender)
            yield backend, chosen
        except ReasonError as refusal:
            raise click.ClickException(str(refusal)) from None


def _get(backend: Backend, sender_id: int) -> Account:
    from mailing.senders import store  # noqa: PLC0415

    with backend.db.read() as connection:
        found = store.get(connection, sender_id)
    if found is None:
        raise click.ClickException(f"Sender {sender_id} does not exist. volley senders list shows them.")
    return found


def _values(given: Mapping[str, Any], bounds: Limits) -> dict[str, Any]:
    """Return what was given; asks for the password. Raises ``LimitsError``."""
    values = {name: value for name, value in given.items() if value is not None and name not in _OTHERS}
    if given["ca_file"]:
        values["ca"] = given["ca_file"].read()
    if given["ask"]:
        asked = sys.stdin.isatty()
        values["password"] = (
            click.prompt("Password", hide_input=True) if asked else sys.stdin.readline().rstrip("\r\n")
        )
    return values | {"limits": _limits(given, bounds)}


def _limits(given: Mapping[str, Any], bounds: Limits) -> Limits:
    """Return limits as they were, but for what was given. Raises ``LimitsError``."""
    from mailing.senders import limits  # noqa: PLC0415

    held = dict(limits.dump(bounds) or {})
    held |= {name: given[name] or None for name in _PERIODS if given[name] is not None}
    if given["time_zone"]:
        held["time_zone"] = given["time_zone"]
    return limits.parse(held)


_OTHERS = frozenset({*_PERIODS, "time_zone", "ca_file", "ask"})


def _more(it: Account) -> str:
    """Return what else is worth knowing on one line."""
    told = [it.username, *(f"{most:,} {period.replace('_', ' ')}" for period, most in it.limits.bounds())]
    if it.provider:
        told.append("connected" if it.refresh_token else "not connected")
    return "".join(f"  {each}" for each in told if each)
