"""The rulebook in a terminal: an operator's file is checked, and a reply is judged, without a database.

What a command does is loaded when it runs: --help needs no database, no queue and no web framework.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailing.smtp.rulebook import Rule

STAGES = ("connect", "greeting", "hello", "tls", "auth", "mail", "rcpt", "data", "dot")
_SCOPES = {
    "recipient": "this recipient only",
    "lane": "everybody at this receiver",
    "account": "the account at your provider, or the sending machine",
    "dns": "the DNS records of your domain",
    "message": "the message itself",
    "connection": "this connection only",
}
_FOLLOWS = {
    "fail": "the recipient fails",
    "wait": "the recipient is retried later",
    "rest": "nothing more is sent there until the wait ends; nobody fails",
    "reconnect": "the email is sent on a new connection immediately",
    "recycle": "the same, and from then on no connection carries more emails than this one did",
    "narrow": "the email is sent on the other connections immediately",
    "pause": "the recipient waits; after several such refusals sending stops",
    "stop": "the campaign pauses immediately",
}


@click.group()
def rulebook() -> None:
    """Check rules of your own for what refusals mean, and ask what a reply means."""


@rulebook.command()
@click.argument("file", type=click.Path(path_type=Path))
def check(*, file: Path) -> None:
    """Check FILE, a rulebook for VOLLEY_RULEBOOK: its rules, and the example of each."""
    rules = _load(file)
    click.echo(f"{file} can be used: {len(rules)} {'rule' if len(rules) == 1 else 'rules'}.")
    for it in rules:
        click.echo(f"  {it.ruling.rule}: {it.ruling.scope}, {it.ruling.follows}")


@rulebook.command()
@click.argument("reply")
@click.option(
    "--stage", type=click.Choice(STAGES), default="rcpt", show_default=True, help="What it answers."
)
@click.option("--server", default="", help="The name of the server that says so.")
@click.option("--file", type=click.Path(path_type=Path), help="A rulebook, instead of VOLLEY_RULEBOOK.")
def ask(*, reply: str, stage: str, server: str, file: Path | None) -> None:
    """Say what REPLY, such as "550 5.7.1 Not accepted", would mean, and by which rule."""
    from mailing.core.reasons import UnfitError  # noqa: PLC0415
    from mailing.rulebook_reading import heard  # noqa: PLC0415
    from mailing.smtp.replies import Stage  # noqa: PLC0415
    from mailing.smtp.rulebook import Book  # noqa: PLC0415

    try:
        refusal = heard(reply.strip())
    except UnfitError as error:
        raise click.BadParameter(f"It {error}", param_hint="REPLY") from None
    own = _load(file) if file else _set()
    judged = Book(own).judge(Stage(stage), refusal, server)
    for name, said in _told(judged, built_in=judged not in own):
        click.echo(f"{name:8} {said}")


def _told(judged: Rule, *, built_in: bool) -> Iterator[tuple[str, str]]:
    from mailing.core.reasons import WORDING  # noqa: PLC0415

    ruling = judged.ruling
    yield "rule", f"{ruling.rule} ({'built in' if built_in else 'your own'})"
    yield "scope", f"{ruling.scope}: {_SCOPES[ruling.scope]}"
    yield "follows", f"{ruling.follows}: {_FOLLOWS[ruling.follows]}"
    if ruling.wait_s:
        yield "wait", f"{ruling.wait_s:,} s, where the reply names no time"
    if ruling.check:
        yield "check", WORDING[f"check.{ruling.check}"]
    yield "source", judged.source


def _set() -> Sequence[Rule]:
    from webapp.cli.opening import chosen_settings  # noqa: PLC0415

    file = chosen_settings().rulebook
    return _load(file) if file else ()


def _load(file: Path) -> Sequence[Rule]:
    from mailing import rulebook_file  # noqa: PLC0415
    from mailing.rulebook_reading import RulebookError  # noqa: PLC0415

    try:
        return rulebook_file.load(file)
    except RulebookError as error:
        said = "\n".join(map(str, error.reasons))
        raise click.ClickException(f"{file} cannot be used.\n{said}") from None
