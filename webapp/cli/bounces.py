"""``volley bounce``: reports that a mail server pipes in, or that are in files.

What a command does is loaded when it runs: --help needs no database, no queue and no web framework.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.bounces.recording import Recorded


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
    from webapp.cli.opening import ACTOR, chosen_settings, open_backend  # noqa: PLC0415

    given: Sequence[IO[bytes]] = files or (click.open_file("-", "rb"),)
    messages = [Message(it.read(READ_MOST), to) for it in given]
    with open_backend(chosen_settings()) as backend:
        for it in commands.take(backend, ACTOR, messages, "cli"):
            click.echo(_of_report(it))


def _of_report(it: Recorded) -> str:
    if it.left:
        return f"{it.id}  unsubscribed by email"
    if not it.new:
        return f"{it.id}  {it.kind}: recorded before"
    whom = f"{it.matched.email} in campaign {it.matched.campaign_id}" if it.matched else "no recipient found"
    why = f", {it.cause.told}" if it.cause else ""
    then = ", suppressed" if it.suppressed else ""
    return f"{it.id}  {it.kind}: {whom}{why}{then}"
