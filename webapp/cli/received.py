"""``volley received``: how sent mail is received.

What a command does is loaded when it runs: --help needs no database, no queue and no web framework.
"""

from __future__ import annotations

import click

from mailing.core.bounds import LARGEST_ID

_CUTS = ("receiver", "sender", "campaign")


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
    from webapp.cli.opening import chosen_settings, open_backend  # noqa: PLC0415

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
