"""The command line: ``volley send``, ``status``, ``pause``, ``resume``, ``cancel`` and more.

It works without the web process: it stores in the database and wakes the workers itself. Exit status 0
means that all went well: for ``send``, that every email was accepted.
"""

from __future__ import annotations

from typing import IO

import click

from mailing.accounts.roles import SCOPES, Permission, Role
from mailing.core.bounds import GIVE_UP_HOURS, GIVE_UP_USUALLY, LARGEST_ID
from webapp.cli import bounces, dkim, mailboxes, receipts, received, rulebook, senders, suppression, webhooks
from webapp.cli.campaigns import changes, timing

# What a command does is loaded when it runs: --help needs no database, no queue and no web framework.


@click.group()
def main() -> None:
    """Send one message to many people, and follow every single email."""


@main.command()
@click.option("--subject", required=True, help="The subject. {{ name }} and {{ email }} are filled in.")
@click.option(
    "--text-file", required=True, type=click.File("rb", lazy=True), help="The message as plain text."
)
@click.option("--html-file", type=click.File("rb", lazy=True), help="The same message as HTML.")
@click.option("--from", "sender_from", help="The From address, instead of VOLLEY_FROM.")
@click.option(
    "--priority", type=click.IntRange(0, 9), default=5, show_default=True, help="0 is sent first, 9 last."
)
@click.option(
    "--give-up-hours",
    type=click.IntRange(GIVE_UP_HOURS.start, GIVE_UP_HOURS.stop - 1),
    default=GIVE_UP_USUALLY,
    show_default=True,
    help="How long temporary failures are retried.",
)
@changes.CANARY
@changes.FAILURE_LIMIT
@changes.TOPIC
@changes.TRANSACTIONAL
@timing.DESPITE_RED
@timing.when
@click.option("--yes", is_flag=True, help="Send without asking.")
@click.argument("file", metavar="LIST", type=click.File("rb", lazy=True))
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
    **when: str | None,
) -> None:
    """Send a message to the addresses in LIST, a file or - for standard input.

    With --at it is scheduled, and starts automatically. Ctrl-C does not stop the campaign. The exit status is
    0 if every email was accepted.
    """
    from webapp.cli.campaigns import work  # noqa: PLC0415

    work.send(
        subject=subject,
        text_file=text_file,
        html_file=html_file,
        sender_from=sender_from,
        priority=priority,
        give_up_hours=give_up_hours,
        canary=canary,
        failure_limit=failure_limit,
        topic=topic,
        transactional=transactional,
        despite_red=despite_red,
        yes=yes,
        file=file,
        when=when,
    )


@main.command()
@click.argument("campaign_id", metavar="ID", type=click.IntRange(1, LARGEST_ID))
@click.option("--json", "as_json", is_flag=True, help="Print what the API's GET /campaigns/ID returns.")
def status(*, campaign_id: int, as_json: bool) -> None:
    """Show the state of campaign ID."""
    from webapp.cli.campaigns import work  # noqa: PLC0415

    work.status(campaign_id=campaign_id, as_json=as_json)


@main.command()
def check() -> None:
    """Check the settings, the database, Redis, the SMTP server and the workers."""
    from webapp.cli import checkup  # noqa: PLC0415

    checkup.check()


@main.command("api-docs")
@click.argument("file", type=click.File("wb", lazy=True), default="-")
def api_docs(*, file: IO[bytes]) -> None:
    """Write the description of the API (OpenAPI 3.1) to FILE, or to standard output."""
    from webapp.cli import people  # noqa: PLC0415

    people.describe(file)


_ROLE = click.Choice([role.value for role in Role])
_PASSWORD_FILE = click.option(
    "--password-file",
    type=click.File("rb", lazy=True),
    help="A file with the password, or - for standard input.",
)


@main.group()
def user() -> None:
    """Manage the people who may sign in."""


@user.command("add")
@click.argument("email")
@click.option("--role", type=_ROLE, required=True, help="What the person may do.")
@_PASSWORD_FILE
def user_add(*, email: str, role: str, password_file: IO[bytes] | None) -> None:
    """Create an account for EMAIL. Without --password-file the password is asked for."""
    from webapp.cli import people  # noqa: PLC0415

    people.add(email, Role(role), password_file)


@user.command("list")
def user_list() -> None:
    """List the accounts."""
    from webapp.cli import people  # noqa: PLC0415

    people.show()


@user.command("password")
@click.argument("email")
@_PASSWORD_FILE
def user_password(*, email: str, password_file: IO[bytes] | None) -> None:
    """Set the password of EMAIL. All of the person's sessions end."""
    from webapp.cli import people  # noqa: PLC0415

    people.set_password(email, password_file)


@user.command("role")
@click.argument("email")
@click.argument("role", type=_ROLE)
def user_role(*, email: str, role: str) -> None:
    """Change the role of EMAIL."""
    from webapp.cli import people  # noqa: PLC0415

    people.change_role(email, Role(role))


@user.command("deactivate")
@click.argument("email")
def user_deactivate(*, email: str) -> None:
    """Deactivate EMAIL: all sessions and keys of the person end."""
    from webapp.cli import people  # noqa: PLC0415

    people.deactivate(email)


@user.command("totp-off")
@click.argument("email")
def user_totp_off(*, email: str) -> None:
    """Turn the authenticator app of EMAIL off, after the phone or the secret key was lost."""
    from webapp.cli import people  # noqa: PLC0415

    people.turn_off_totp(email)


@main.group()
def key() -> None:
    """Manage the API keys of programs."""


@key.command("add")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(sorted(scope.value for scope in SCOPES)),
    multiple=True,
    required=True,
    help="What it may do.",
)
@click.option("--expires-days", "days", type=click.IntRange(1, 3650), help="After how many days it expires.")
def key_add(*, name: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Create an API key called NAME and print it. It is shown only once.

    Repeat --scope for each scope. Without --expires-days it works until it is revoked.
    """
    from webapp.cli import people  # noqa: PLC0415

    people.add_key(name, [Permission(scope) for scope in scopes], days)


@key.command("list")
def key_list() -> None:
    """List the API keys."""
    from webapp.cli import people  # noqa: PLC0415

    people.show_keys()


@key.command("revoke")
@click.argument("prefix")
def key_revoke(*, prefix: str) -> None:
    """Revoke the API key with this PREFIX: its tokens and streams end."""
    from webapp.cli import people  # noqa: PLC0415

    people.revoke_key(prefix)


@main.group("lists")
def saved_lists() -> None:
    """Manage saved lists."""


@saved_lists.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--name", default="", help="The name of the list, instead of the file's.")
def lists_import(*, file: IO[bytes], name: str) -> None:
    """Import FILE into a new list: CSV, XLSX, XLS, ODS, JSON, vCard, or another program's export."""
    from webapp.cli import lists  # noqa: PLC0415

    lists.bring(file, name)


@saved_lists.command("list")
def lists_list() -> None:
    """List the saved lists."""
    from webapp.cli import lists  # noqa: PLC0415

    lists.show()


@main.command()
@click.argument("campaign_id", metavar="CAMPAIGN", type=click.IntRange(1, LARGEST_ID))
@click.argument("email", default="")
def preview(*, campaign_id: int, email: str) -> None:
    """Write the email that EMAIL gets from CAMPAIGN, as it is sent, to standard output."""
    from webapp.cli.campaigns import messages  # noqa: PLC0415

    messages.show(campaign_id, email)


@main.command("test-send")
@click.argument("campaign_id", metavar="CAMPAIGN", type=click.IntRange(1, LARGEST_ID))
@click.argument("to", metavar="ADDRESS")
@click.option("--like", default="", help="The recipient whose data fill it. Default: ADDRESS, or the first.")
def test_send(*, campaign_id: int, to: str, like: str) -> None:
    """Send the message of CAMPAIGN to ADDRESS as a test, and show the SMTP dialogue."""
    from webapp.cli.campaigns import messages  # noqa: PLC0415

    messages.test(campaign_id, to, like)


@main.command()
@click.argument("campaign_id", metavar="CAMPAIGN", type=click.IntRange(1, LARGEST_ID))
@click.option("--links", "open_links", is_flag=True, help="Open each link, too.")
def preflight(*, campaign_id: int, open_links: bool) -> None:
    """Check the message of CAMPAIGN, its merge fields and its sender before you send it.

    The exit status is 1 if something has to be fixed.
    """
    from webapp.cli.campaigns import messages  # noqa: PLC0415

    messages.preflight(campaign_id, open_links=open_links)


@main.command()
@click.argument("campaign_id", metavar="CAMPAIGN", type=click.IntRange(1, LARGEST_ID))
@click.option(
    "--recipe", "name", default="usual", show_default=True, help="What is answered: accepted, usual or bad."
)
@click.option(
    "--answer",
    "own",
    type=(str, int),
    multiple=True,
    metavar="ANSWER N",
    help="Instead of a recipe: how many of 1,000 get later, full, bounce, slow or drop. Repeat it.",
)
def rehearse(*, campaign_id: int, name: str, own: tuple[tuple[str, int], ...]) -> None:
    """Send CAMPAIGN, a draft, to the demo inbox, and show what that finds.

    Nothing reaches a real server. The exit status is 0 if everybody could be written to.
    """
    from webapp.cli.campaigns import messages  # noqa: PLC0415

    messages.rehearse(campaign_id, name, dict(own))


@main.command("setup-link")
def setup_link() -> None:
    """Print the link that creates the first account."""
    from webapp.cli import people  # noqa: PLC0415

    people.setup_link()


_GROUPS = (
    dkim.dkim,
    receipts.receipt,
    receipts.verify,
    rulebook.rulebook,
    senders.senders,
    suppression.suppress,
    bounces.bounce,
    webhooks.webhooks,
    received.received,
    mailboxes.mailbox,
)
for each in (*changes.COMMANDS, *timing.COMMANDS, *_GROUPS):
    main.add_command(each)


if __name__ == "__main__":
    main()
