"""``volley mailbox``: from where bounces and spam reports are fetched.

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
    from collections.abc import Iterator

    from mailing.mailboxes.entries import Protocol
    from mailing.mailboxes.store import Mailbox
    from mailing.settings import Settings
    from tasks.commands.backend import Backend


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
    from tasks.commands import mailboxes as commands  # noqa: PLC0415
    from webapp.cli.opening import ACTOR  # noqa: PLC0415

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
    from tasks.commands import mailboxes as commands  # noqa: PLC0415
    from webapp.cli.opening import ACTOR  # noqa: PLC0415

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
    from webapp.cli.opening import chosen_settings, open_backend  # noqa: PLC0415

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
