"""The commands that schedule, steer, pause and cancel a campaign, and steer its lanes; when it is sent.

What they do is in ``steering``, which is loaded when one runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from mailing.core.bounds import LARGEST_ID
from mailing.core.states import CampaignAction

if TYPE_CHECKING:
    from collections.abc import Callable

    Command = TypeVar("Command", bound=Callable[..., Any])

_AT = click.option("--at", help='When it starts: "2026-12-01 08:00", or with an offset from UTC.')
_ZONE = click.option("--time-zone", help="The time zone of --at and --hours, such as Asia/Ho_Chi_Minh.")
_HOURS = click.option("--hours", help='Hours of the day in which it is sent: 08:00-20:00; "" for all day.')
_ID = click.argument("campaign_id", metavar="ID", type=click.IntRange(1, LARGEST_ID))
DESPITE_RED = click.option(
    "--despite-red",
    is_flag=True,
    help="Send to more than 5,000 recipients even if DNS records of the From domain have errors.",
)


def when(command: Command) -> Command:
    """Give a command the options that say when a campaign is sent."""
    return _AT(_ZONE(_HOURS(command)))


@click.command()
@_ID
@DESPITE_RED
@when
def schedule(*, campaign_id: int, despite_red: bool, **asked: Any) -> None:
    """Schedule draft ID, or change the time and the hours of a scheduled campaign."""
    from webapp.cli.campaigns import steering  # noqa: PLC0415

    steering.schedule(campaign_id, **asked, despite_red=despite_red)


@click.command()
@_ID
def unschedule(*, campaign_id: int) -> None:
    """Make scheduled campaign ID a draft again."""
    from webapp.cli.campaigns import steering  # noqa: PLC0415

    steering.unschedule(campaign_id)


@click.command()
@_ID
@DESPITE_RED
def start(*, campaign_id: int, despite_red: bool) -> None:
    """Send draft or scheduled campaign ID now."""
    from webapp.cli.campaigns import steering  # noqa: PLC0415

    steering.start(campaign_id, despite_red=despite_red)


@click.command()
@_ID
@click.argument("priority", type=click.IntRange(0, 9))
def priority(*, campaign_id: int, priority: int) -> None:
    """Change how urgent campaign ID is: PRIORITY 0 is sent first, 9 last. Workers follow within a second."""
    from webapp.cli.campaigns import steering  # noqa: PLC0415

    steering.urge(campaign_id, priority)


@click.command()
@_ID
@_ZONE
@_HOURS
def hours(*, campaign_id: int, time_zone: str | None, hours: str | None) -> None:
    """Change the hours of the day in which campaign ID is sent, also while it is sent."""
    from webapp.cli.campaigns import steering  # noqa: PLC0415

    steering.limit(campaign_id, time_zone, hours)


def _acting(action: CampaignAction, help_text: str) -> click.Command:
    @click.command(action.value, help=help_text)
    @_ID
    def act(*, campaign_id: int) -> None:
        from webapp.cli.campaigns import work  # noqa: PLC0415

        work.act(campaign_id, action)

    return act


_ACTS = (
    _acting(CampaignAction.PAUSE, "Pause campaign ID."),
    _acting(CampaignAction.RESUME, "Resume campaign ID."),
    _acting(CampaignAction.CANCEL, "Cancel the remaining emails of campaign ID. This cannot be undone."),
)


@click.command()
@click.argument("campaign_id", metavar="CAMPAIGN", type=click.IntRange(1, LARGEST_ID))
def lanes(*, campaign_id: int) -> None:
    """Show how far each receiver of CAMPAIGN is, how fast, and why it is slow."""
    from webapp.cli.campaigns import steering as work  # noqa: PLC0415

    work.show_lanes(campaign_id)


@click.command("steer-lane")
@click.argument("campaign_id", metavar="CAMPAIGN", type=click.IntRange(1, LARGEST_ID))
@click.argument("receiver")
@click.argument("wanted", metavar="resume|rest|pause", type=click.Choice(["resume", "rest", "pause"]))
@click.option("--minutes", default=10, show_default=True, type=click.IntRange(1, 7 * 24 * 60))
def steer_lane(*, campaign_id: int, receiver: str, wanted: str, minutes: int) -> None:
    """Resume, slow down or pause RECEIVER, as `volley lanes` names it, in all campaigns."""
    from mailing.ledger.lanes import Order  # noqa: PLC0415
    from webapp.cli.campaigns import steering as work  # noqa: PLC0415

    work.order_lane(campaign_id, receiver, Order(wanted), minutes)


COMMANDS = (schedule, unschedule, start, *_ACTS, priority, hours, lanes, steer_lane)
