"""``volley suppress``, ``bounce``, ``received``, ``webhooks``, ``mailbox``: what comes back, what follows.

What a command does is loaded when it runs: --help needs no database, no queue and no web framework. A
password is asked for, or read from standard input, so that it is in no history and in no list of processes.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import click

from mailing.core.bounds import LARGEST_ID

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailing.bounces.recording import Recorded
    from mailing.mailboxes.entries import Protocol
    from mailing.mailboxes.store import Mailbox
    from mailing.settings import Settings
    from mailing.suppression.store import Suppression
    from tasks.commands.campaigns import Backend

_REASONS = ("unsubscribed", "bounced", "complained", "manual", "imported")
_CUTS = ("receiver", "sender", "campaign")
DAY_MS = 86_400_000


@click.group()
def suppress() -> None:
    """Manage the do-not-send list: whom no campaign mails."""


@suppress.command()
@click.argument("file", metavar="LIST", type=click.File("rb", lazy=True))
@click.option("--reason", default="manual", show_default=True, type=click.Choice(_REASONS))
@click.option("--days", type=click.IntRange(1, 3_650), help="How many days it lasts. Default: until lifted.")
@click.option("--topic", default="", help="Only from campaigns with this topic. Default: from all.")
def add(*, file: IO[bytes], reason: str, days: int | None, topic: str) -> None:
    """Add the addresses, and domains such as @example.com, in LIST, a file or - for standard input."""
    from mailing.core.clock import now_ms  # noqa: PLC0415
    from mailing.core.reasons import UnfitError  # noqa: PLC0415
    from mailing.suppression.tables import SuppressionReason  # noqa: PLC0415
    from tasks.commands import suppression as commands  # noqa: PLC0415
    from webapp.cli.campaigns.work import ACTOR, chosen_settings, open_backend  # noqa: PLC0415

    text = file.read().decode("utf-8-sig", errors="replace")
    until = now_ms() + days * DAY_MS if days else None
    with open_backend(chosen_settings()) as backend:
        try:
            added = commands.add(backend.db, ACTOR, text, SuppressionReason(reason), until, topic=topic)
        except UnfitError as refusal:
            raise click.ClickException(str(refusal.reason)) from None
    for it in added.refused[:20]:
        click.echo(f"line {it.line}: {it.text}: {it.reason}", err=True)
    click.echo(f"{added.new:,} added, {added.known:,} known, {len(added.refused):,} skipped.")
    if not (added.new or added.known):
        raise SystemExit(1)


@suppress.command("list")
@click.argument("search", default="")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000))
def show(*, search: str, limit: int) -> None:
    """List the latest suppressions; only those that SEARCH matches, the start of an address or @DOMAIN."""
    from mailing.suppression import store  # noqa: PLC0415
    from webapp.cli.campaigns.work import chosen_settings, open_backend  # noqa: PLC0415

    with open_backend(chosen_settings()) as backend, backend.db.read() as connection:
        for it in store.find(connection, search, limit=limit):
            click.echo(_in_words(it))


@suppress.command()
@click.argument("email")
def why(*, email: str) -> None:
    """Say why EMAIL is not mailed."""
    from mailing.suppression import store  # noqa: PLC0415
    from webapp.cli.campaigns.work import chosen_settings, open_backend  # noqa: PLC0415

    with open_backend(chosen_settings()) as backend, backend.db.read() as connection:
        found = store.why(connection, email)
    for it in found:
        click.echo(_in_words(it))
    if not found:
        click.echo(f"{email} is not on the list.")


@suppress.command()
@click.argument("suppression_id", metavar="ID", type=click.IntRange(1, LARGEST_ID))
def lift(*, suppression_id: int) -> None:
    """Lift the suppression ID, as `volley suppress list` shows it."""
    from tasks.commands import suppression as commands  # noqa: PLC0415
    from webapp.cli.campaigns.work import ACTOR, chosen_settings, open_backend  # noqa: PLC0415

    with open_backend(chosen_settings()) as backend:
        lifted = commands.lift(backend, ACTOR, suppression_id)
    if lifted is None:
        raise click.ClickException(f"Suppression {suppression_id} does not exist.")
    click.echo(f"{lifted.subject} can be mailed again.")


@suppress.command()
@click.argument("email")
def forget(*, email: str) -> None:
    """Forget the person of EMAIL: only a hash of the address is left, and it is never mailed again."""
    from mailing.core.reasons import UnfitError  # noqa: PLC0415
    from tasks.commands import suppression as commands  # noqa: PLC0415
    from webapp.cli.campaigns.work import ACTOR, chosen_settings, open_backend  # noqa: PLC0415

    with open_backend(chosen_settings()) as backend:
        try:
            commands.forget(backend, ACTOR, email)
        except UnfitError as refusal:
            raise click.ClickException(str(refusal)) from None
    click.echo("Forgotten.")


@click.command()
@click.argument("files", metavar="[REPORT]...", nargs=-1, type=click.File("rb", lazy=True))
@click.option("--to", default="", help="The address that the report was sent to, if its header lacks it.")
def bounce(*, files: tuple[IO[bytes], ...], to: str) -> None:
    """Record bounces and spam reports: messages in files, or one on standard input.

    A mail server can pipe them in: each is recorded once, however often it comes.
    """
    from mailing.bounces.reading import READ_MOST  # noqa: PLC0415
    from tasks.commands import bounces as commands  # noqa: PLC0415
    from tasks.commands.bounces import Message  # noqa: PLC0415
    from webapp.cli.campaigns.work import ACTOR, chosen_settings, open_backend  # noqa: PLC0415

    given: Sequence[IO[bytes]] = files or (click.open_file("-", "rb"),)
    messages = [Message(it.read(READ_MOST), to) for it in given]
    with open_backend(chosen_settings()) as backend:
        for it in commands.take(backend, ACTOR, messages, "cli"):
            click.echo(_of_report(it))


@click.command()
@click.option("--by", default="receiver", show_default=True, type=click.Choice(_CUTS), help="Rows.")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 365), help="Of how many days.")
@click.option("--campaign", type=click.IntRange(1, LARGEST_ID), help="Only of this campaign, of all days.")
def received(*, by: str, days: int, campaign: int | None) -> None:
    """Show how mail is received: delivered, bounced, reported as spam, unsubscribed.

    The exit status is 1 if reports or bounces are over a limit (0.3% and 5%).
    """
    from mailing.internet.findings import Light  # noqa: PLC0415
    from mailing.recipients import received as reading  # noqa: PLC0415
    from mailing.recipients.received import Cut  # noqa: PLC0415
    from webapp.cli.campaigns.work import chosen_settings, open_backend  # noqa: PLC0415

    with open_backend(chosen_settings()) as backend, backend.db.read() as connection:
        rows = (
            reading.of_campaign(connection, campaign, Cut(by))
            if campaign
            else reading.over(connection, Cut(by), days)
        )
    if not rows:
        click.echo("Nothing was sent.")
        return
    heads = ("sent", "delivered", "bounced", "spam reports", "unsubscribed")
    click.echo(f"{by:<32}{''.join(f'{head:>14}' for head in heads)}")
    for it in (*rows, reading.total(rows)) if len(rows) > 1 else rows:
        name = it.name or ("all others" if it.others else str(it.key))
        name = "all together" if it is not rows[-1] and it not in rows else name
        figures = (it.sent, it.delivered, it.bounced, it.complained, it.unsubscribed)
        light = "" if it.light is Light.GREEN else f"  {it.light}"
        click.echo(f"{name[:31]:<32}{''.join(f'{n:>14,}' for n in figures)}{light}")
    if any(it.light is Light.RED for it in rows):
        raise SystemExit(1)


def _of_report(it: Recorded) -> str:
    if it.left:
        return f"{it.id}  unsubscribed by email"
    if not it.new:
        return f"{it.id}  {it.kind}: recorded before"
    whom = f"{it.matched.email} in campaign {it.matched.campaign_id}" if it.matched else "no recipient found"
    why = f", {it.cause.told}" if it.cause else ""
    then = ", suppressed" if it.suppressed else ""
    return f"{it.id}  {it.kind}: {whom}{why}{then}"


def _in_words(it: Suppression) -> str:
    from webapp.ui import formats  # noqa: PLC0415

    until = f" until {formats.iso(it.expires_at)}" if it.expires_at else ""
    by = f" by {it.source}" if it.source else ""
    only = f" from {it.scope}" if it.scope else ""
    return f"{it.id}  {it.subject}  {it.reason}{only} since {formats.iso(it.created_at)}{until}{by}"


@click.group()
def webhooks() -> None:
    """Manage webhooks, by which mail providers report bounces and complaints."""


@webhooks.command("list")
def show_all() -> None:
    """List all webhooks."""
    from mailing.feedback import store  # noqa: PLC0415
    from webapp.cli.campaigns.work import chosen_settings, open_backend  # noqa: PLC0415

    chosen = chosen_settings()
    with open_backend(chosen) as backend, backend.db.read() as connection:
        for it in store.every(connection):
            ready = "ready" if it.ready else "no key yet"
            click.echo(f"{it.id}  {it.name}  {chosen.site.url}{it.path}  {ready}  {it.events:,} events")


@webhooks.command()
@click.argument(
    "provider", type=click.Choice(("ses", "sendgrid", "mailgun", "postmark", "brevo", "sparkpost"))
)
@click.option("--topic", default="", help="Amazon SES: the ARN of the SNS topic.")
@click.option("--key-from", type=click.File(), help="SendGrid and Mailgun: a file with the key; - is stdin.")
def new(*, provider: str, topic: str, key_from: IO[str] | None) -> None:
    """Create a webhook for PROVIDER, and print the URL to enter there."""
    from mailing.core.reasons import UnfitError  # noqa: PLC0415
    from mailing.feedback import proofs, store  # noqa: PLC0415
    from mailing.feedback.providers import Proof, Provider  # noqa: PLC0415
    from tasks.commands import bounces as commands  # noqa: PLC0415
    from webapp.cli.campaigns.work import ACTOR, chosen_settings, open_backend  # noqa: PLC0415

    chosen = chosen_settings()
    given = topic if provider == "ses" else key_from.read(10_000) if key_from else ""
    try:
        with open_backend(chosen) as backend:
            made = commands.create_webhook(backend, ACTOR, Provider(provider), given, chosen.secret_key)
    except UnfitError as refusal:
        raise click.ClickException(str(refusal)) from None
    click.echo(f"{chosen.site.url}{made.path}")
    if made.proof is Proof.PASSWORD:
        click.echo(f"User name: {proofs.USER}\nPassword: {store.secret(made, chosen.secret_key)}")


@webhooks.command()
@click.argument("webhook_id", metavar="WEBHOOK", type=int)
def remove(*, webhook_id: int) -> None:
    """Remove WEBHOOK."""
    from tasks.commands import bounces as commands  # noqa: PLC0415
    from webapp.cli.campaigns.work import ACTOR, chosen_settings, open_backend  # noqa: PLC0415

    with open_backend(chosen_settings()) as backend:
        if commands.remove_webhook(backend, ACTOR, webhook_id) is None:
            raise click.ClickException(f"There is no webhook {webhook_id}. volley webhooks list shows all.")
    click.echo(f"Webhook {webhook_id} is removed. Remove it at the provider too.")


_MAILBOX = click.argument("mailbox_id", metavar="ID", type=click.IntRange(1, LARGEST_ID))


@click.group()
def mailbox() -> None:
    """Manage the mailboxes from which bounces and spam reports are fetched."""


@mailbox.command("list")
def list_mailboxes() -> None:
    """List the mailboxes, and how they are."""
    from mailing.mailboxes import store  # noqa: PLC0415

    with _open() as (backend, _settings), backend.db.read() as connection:
        found = store.every(connection)
        for it in found:
            where = f"{it.protocol} {it.server} ({it.tls})"
            click.echo(f"{it.id}  {it.name}  {where}  {it.username}  {it.fetched:,} fetched")
            if it.trouble:
                click.echo(f"   {it.trouble}")
        if found and not store.is_watched(connection):
            click.echo("No process watches them. Start one: python -m tasks.mailboxes")


@mailbox.command("add")
@click.option("--name", default="", help="Its name. Default: the host.")
@click.option("--pop3", is_flag=True, help="Use POP3. Default: IMAP.")
@click.option("--host", required=True, help="The server.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Default: 993 for IMAP, 995 for POP3.")
@click.option("--tls", type=click.Choice(("tls", "starttls", "opportunistic", "none")), default="tls")
@click.option("--no-verify", is_flag=True, help="Accept any certificate.")
@click.option("--ca-file", type=click.File("r"), help="Certificates (PEM) to trust instead.")
@click.option("--user", "username", required=True, help="The user name.")
@click.option(
    "--provider", type=click.Choice(("google", "microsoft")), help="Sign in with its consent (OAuth)."
)
@click.option("--client-id", default="", help="Of your own application there.")
@click.option("--tenant", default="", help="Of Microsoft 365.")
@click.option("--folder", default="INBOX", help="The folder to look at (IMAP).")
@click.option("--delete", "removes", is_flag=True, help="Delete messages there once they are recorded.")
def add_mailbox(*, pop3: bool, no_verify: bool, ca_file: Any, provider: str | None, **given: Any) -> None:
    """Add a mailbox. Its password is asked for, or read from standard input."""
    from mailing.mailboxes import entries  # noqa: PLC0415
    from tasks.mailboxes import commands  # noqa: PLC0415
    from webapp.cli.campaigns.work import ACTOR  # noqa: PLC0415

    with _open() as (backend, chosen):
        protocol: Protocol = "pop3" if pop3 else "imap"
        given["port"] = given["port"] or entries.usual_port(protocol, given["tls"])
        given["name"] = given["name"] or given["host"]
        entry = entries.Entry(
            protocol=protocol,
            verify=not no_verify,
            ca=ca_file.read() if ca_file else "",
            provider=provider or "",
            password=None if provider else _password(),
            client_secret=_password("Client secret") if provider else None,
            **given,
        )
        mailbox_id = commands.create(backend, ACTOR, entry, chosen.secret_key)
    click.echo(f"Mailbox {mailbox_id}: {entry.name}")
    if provider:
        click.echo(
            f"To connect its account, open {chosen.site.origin + chosen.site.at(f'/mailboxes/{mailbox_id}')}"
        )
    else:
        click.echo(f"To test it: volley mailbox test {mailbox_id}")


@mailbox.command("test")
@_MAILBOX
def test_mailbox(*, mailbox_id: int) -> None:
    """Connect to mailbox ID and sign in. Nothing is fetched. The exit status is 0 if it works."""
    from threading import Event  # noqa: PLC0415

    from mailing.mailboxes import opening  # noqa: PLC0415

    with _open() as (backend, chosen):
        found = opening.test(_get(backend, mailbox_id), chosen.secret_key, Event(), backend.db)
    click.echo(f"The connection works. {found.messages:,} messages are there.")


@mailbox.command("remove")
@_MAILBOX
def remove_mailbox(*, mailbox_id: int) -> None:
    """Remove mailbox ID. Recorded bounces stay."""
    from tasks.mailboxes import commands  # noqa: PLC0415
    from webapp.cli.campaigns.work import ACTOR  # noqa: PLC0415

    with _open() as (backend, _settings):
        gone = commands.delete(backend, ACTOR, mailbox_id)
    click.echo(f"{gone.name} was removed.")


def _password(what: str = "Password") -> str:
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True))
    return sys.stdin.readline().rstrip("\r\n")


@contextmanager
def _open() -> Iterator[tuple[Backend, Settings]]:
    from mailing.core.reasons import ReasonError  # noqa: PLC0415
    from webapp.cli.campaigns.work import chosen_settings, open_backend  # noqa: PLC0415

    chosen = chosen_settings()
    with open_backend(chosen) as backend:
        try:
            yield backend, chosen
        except ReasonError as refusal:
            raise click.ClickException(str(refusal)) from None


def _get(backend: Backend, mailbox_id: int) -> Mailbox:
    from mailing.mailboxes import store  # noqa: PLC0415

    with backend.db.read() as connection:
        found = store.get(connection, mailbox_id)
    if found is None:
        raise click.ClickException(f"Mailbox {mailbox_id} does not exist. volley mailbox list shows them.")
    return found
