"""Receipts in a terminal: one is written into a file, and any file is checked, without a database.

What a command does is loaded when it runs: --help needs no database, no queue and no web framework.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from mailing.core.bounds import LARGEST_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.receipts.verifying import Verified


@click.command()
@click.argument("campaign_id", metavar="CAMPAIGN", type=click.IntRange(1, LARGEST_ID))
@click.argument("file", default="")
def receipt(*, campaign_id: int, file: str) -> None:
    """Write the receipt of CAMPAIGN, which is finished or canceled, to FILE.

    The receipt has every recipient with every attempt and reply. FILE is volley-receipt-CAMPAIGN.jsonl, or -
    for standard output.
    """
    from mailing.receipts import document  # noqa: PLC0415
    from mailing.receipts.document import NotOverError  # noqa: PLC0415
    from tasks.commands.accounts import keys as commands  # noqa: PLC0415
    from webapp.cli.opening import chosen_settings, open_backend  # noqa: PLC0415

    chosen = chosen_settings()
    name = file or document.file_name(campaign_id)
    with open_backend(chosen) as backend:
        key = commands.receipt_key(backend, chosen.secret_key)
        try:
            with backend.db.snapshot() as connection, _whole(name) as out:
                for block in document.blocks(connection, campaign_id, key):
                    out.write(block)
        except NotOverError as refusal:
            raise click.ClickException(str(refusal)) from None
    if name != "-":
        click.echo(f"Receipt: {name}")
        click.echo(f"To check it: volley verify {name} --key {key.public}")


@click.command()
@click.argument("file", type=click.File("rb"))
@click.option("--key", "known", metavar="KEY", help="The key that is shown on the receipt's page.")
def verify(*, file: IO[bytes], known: str | None) -> None:
    """Check the receipt in FILE, or - for standard input. It needs neither a database nor a network.

    The exit status is 0 if the receipt is whole and signed with KEY. Otherwise the first wrong line is named.
    """
    from mailing.receipts import verifying  # noqa: PLC0415
    from mailing.receipts.verifying import SpoiledError  # noqa: PLC0415

    try:
        found = verifying.verify(file, known)
    except SpoiledError as error:
        raise click.ClickException(f"{file.name}: {error}") from None
    except OSError as error:
        raise click.ClickException(f"{file.name} cannot be read: {error.strerror}.") from None
    for line in _told(found, known=known is not None):
        click.echo(line)


def _told(found: Verified, *, known: bool) -> Iterator[str]:
    campaign = found.campaign
    kind = "Campaign" if campaign.get("rehearses") is None else "REHEARSAL"
    states = ", ".join(f"{n:,} {state}" for state, n in found.ledger.items() if n) or "nobody"
    lines = f"{found.lines:,} lines, none changed since they were signed"
    yield f"Genuine: {lines} with the key you named." if known else f"Whole: {lines}. By whom is not checked."
    yield _plain(f"{kind} {campaign.get('id')} is {campaign.get('state')}: {campaign.get('subject')}")
    yield f"{states} of {found.recipients:,}, with {found.attempts:,} attempts."
    yield _plain(f"Made at {found.made_at}, signed with the key {found.public_key}.")
    if not known:
        yield "Anyone can sign with a key of their own: compare it with the receipt's page, or use --key KEY."
    yield "A receipt has what mail servers replied. It cannot show what they did with an email later."


def _plain(text: str) -> str:
    """Return what somebody else wrote without what a terminal would obey."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


@contextmanager
def _whole(name: str) -> Iterator[IO[bytes]]:
    """Open a file that is there once all of it was written."""
    if name == "-":
        yield sys.stdout.buffer
        return
    part = Path(f"{name}.part")
    try:
        with part.open("wb") as out:
            yield out
        part.replace(name)
    except OSError as error:
        raise click.ClickException(f"{name} cannot be written: {error.strerror}.") from None
    finally:
        part.unlink(missing_ok=True)
