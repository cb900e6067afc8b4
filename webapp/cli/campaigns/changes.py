"""The commands that change what is being sent: to its message, its failure limit, its recipients."""

from __future__ import annotations

from typing import IO

import click

from mailing.core.bounds import CANARY_MOST, LARGEST_ID
from mailing.core.states import RecipientAction, RecipientState

# What a command does is loaded when it runs, as in ``commands``.

ID = click.argument("campaign_id", metavar="ID", type=click.IntRange(1, LARGEST_ID))
CANARY = click.option(
    "--canary",
    type=click.IntRange(0, CANARY_MOST),
    default=0,
    help="Send to this many recipients first, at all domains. The others follow if few of them fail.",
)
FAILURE_LIMIT = click.option(
    "--failure-limit",
    type=click.IntRange(0, 100),
    default=10,
    show_default=True,
    help="Pause when this percentage of the last 200 emails failed, and at least 20. 0: not for failures.",
)
TOPIC = click.option(
    "--topic", default="", help="What it is about, such as Events. Recipients can unsubscribe from one topic."
)
TRANSACTIONAL = click.option(
    "--transactional",
    is_flag=True,
    help="Each recipient waits for this email, such as a receipt: nobody can unsubscribe from it.",
)


@click.command()
@ID
@click.option("--subject", help="The new subject. Default: it stays.")
@click.option("--text-file", type=click.File("rb", lazy=True), help="The new message as plain text.")
@click.option("--html-file", type=click.File("rb", lazy=True), help="The new message as HTML.")
def correct(
    *, campaign_id: int, subject: str | None, text_file: IO[bytes] | None, html_file: IO[bytes] | None
) -> None:
    """Correct the message of campaign ID while it is paused.

    Recipients that still wait get the new version. Resume the campaign to send it.
    """
    from webapp.cli.campaigns import corrections  # noqa: PLC0415

    corrections.correct(campaign_id, subject, text_file, html_file)


@click.command("failure-limit")
@ID
@click.argument("percent", type=click.IntRange(0, 100))
@click.option("--of-last", type=int, default=200, show_default=True, help="Of how many emails.")
@click.option("--at-least", type=int, default=20, show_default=True, help="The least number of failures.")
@click.option("--complaints", type=int, help="Also at this many spam reports per 1,000 sent. 0: never.")
@click.option("--complaints-at-least", type=int, help="The least number of spam reports.")
def failure_limit(
    *,
    campaign_id: int,
    percent: int,
    of_last: int,
    at_least: int,
    complaints: int | None,
    complaints_at_least: int | None,
) -> None:
    """Pause campaign ID when PERCENT of its last emails failed. 0: not for failures."""
    from webapp.cli.campaigns import corrections  # noqa: PLC0415

    corrections.change_limit(campaign_id, percent, of_last, at_least, (complaints, complaints_at_least))


@click.command("follow-up")
@ID
@click.option("--state", type=click.Choice([state.value for state in RecipientState]), help="Their state.")
@click.option("--reply", help="Only recipients with this reply, such as 550-5.7.1.")
@click.option("--search", default="", help="Only addresses that start with this, or addresses at @DOMAIN.")
def follow_up(*, campaign_id: int, state: str | None, reply: str | None, search: str) -> None:
    """Make a new draft to some recipients of campaign ID, and print its id."""
    from webapp.cli.campaigns import corrections  # noqa: PLC0415

    corrections.follow_up(campaign_id, state, reply, search)


@click.command()
@ID
@click.option("--failed", "state", flag_value="failed", help="Only failed emails.")
@click.option("--deferred", "state", flag_value="deferred", help="Only deferred emails.")
def retry(*, campaign_id: int, state: str | None) -> None:
    """Retry the failed and deferred emails of campaign ID now."""
    _decide(campaign_id, RecipientAction.RETRY, state)


@click.command("resend-unknown")
@ID
def resend_unknown(*, campaign_id: int) -> None:
    """Resend the unknown emails of campaign ID. Recipients who already have it get it twice."""
    _decide(campaign_id, RecipientAction.RESEND_UNKNOWN)


@click.command("mark-sent")
@ID
def mark_sent(*, campaign_id: int) -> None:
    """Mark the unknown emails of campaign ID as sent. Nothing is sent."""
    _decide(campaign_id, RecipientAction.MARK_UNKNOWN_SENT)


def _decide(campaign_id: int, action: RecipientAction, state: str | None = None) -> None:
    from webapp.cli.campaigns import work  # noqa: PLC0415

    work.decide(campaign_id, action, state)


def _way_past(action: RecipientAction, help_text: str) -> click.Command:
    @click.command(action.value, help=help_text)
    @ID
    @click.option("--queued", "state", flag_value="queued", help="Only queued emails.")
    @click.option("--deferred", "state", flag_value="deferred", help="Only deferred emails.")
    @click.option("--reply", help="Only emails with this reply, such as 550-5.7.1.")
    @click.option(
        "--search", default="", help="Only addresses that start with this, or addresses at @DOMAIN."
    )
    def go_past(*, campaign_id: int, state: str | None, reply: str | None, search: str) -> None:
        from webapp.cli.campaigns import work  # noqa: PLC0415

        work.go_past(campaign_id, action, state=state, reply=reply, search=search)

    return go_past


skip = _way_past(
    RecipientAction.SKIP, "Exclude some emails of campaign ID: they are not sent, and count as canceled."
)
fail = _way_past(RecipientAction.FAIL, "Mark some emails of campaign ID as failed: they are not retried.")


COMMANDS = (correct, failure_limit, follow_up, retry, resend_unknown, mark_sent, skip, fail)
