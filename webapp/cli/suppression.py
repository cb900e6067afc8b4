"""``volley suppress``: whom no campaign mails.

What a command does is loaded when it runs: --help needs no database, no queue and no web framework.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

from mailing.core.bounds import LARGEST_ID

if TYPE_CHECKING:
    from mailing.suppression.store import Suppression

_REASONS = ("unsubscribed", "bounced", "complained", "manual", "imported")
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
    from webapp.cli.opening import ACTOR, chosen_settings, open_backend  # noqa: PLC0415

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
    from webapp.cli.opening import chosen_settings, open_backend  # noqa: PLC0415

    with open_backend(chosen_settings()) as backend, backend.db.read() as connection:
        for it in store.find(connection, search, limit=limit):
            click.echo(_in_words(it))


@suppress.command()
@click.argument("email")
def why(*, email: str) -> None:
    """Say why EMAIL is not mailed."""
    from mailing.suppression import store  # noqa: PLC0415
    from webapp.cli.opening import chosen_settings, open_backend  # noqa: PLC0415

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
    from webapp.cli.opening import ACTOR, chosen_settings, open_backend  # noqa: PLC0415

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
    from webapp.cli.opening import ACTOR, chosen_settings, open_backend  # noqa: PLC0415

    with open_backend(chosen_settings()) as backend:
        try:
            commands.forget(backend, ACTOR, email)
        except UnfitError as refusal:
            raise click.ClickException(str(refusal)) from None
    click.echo("Forgotten.")


def _in_words(it: Suppression) -> str:
    from webapp.ui import formats  # noqa: PLC0415

    until = f" until {formats.iso(it.expires_at)}" if it.expires_at else ""
    by = f" by {it.source}" if it.source else ""
    only = f" from {it.scope}" if it.scope else ""
    return f"{it.id}  {it.subject}  {it.reason}{only} since {formats.iso(it.created_at)}{until}{by}"
