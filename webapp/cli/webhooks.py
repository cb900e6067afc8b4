"""``volley webhooks``: where mail providers post bounces and complaints.

What a command does is loaded when it runs: --help needs no database, no queue and no web framework.
"""

from __future__ import annotations

from typing import IO

import click


@click.group()
def webhooks() -> None:
    """Manage webhooks, by which mail providers report bounces and complaints."""


@webhooks.command("list")
def show_all() -> None:
    """List all webhooks."""
    from mailing.feedback import store  # noqa: PLC0415
    from webapp.cli.opening import chosen_settings, open_backend  # noqa: PLC0415

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
    from webapp.cli.opening import ACTOR, chosen_settings, open_backend  # noqa: PLC0415

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
    from webapp.cli.opening import ACTOR, chosen_settings, open_backend  # noqa: PLC0415

    with open_backend(chosen_settings()) as backend:
        if commands.remove_webhook(backend, ACTOR, webhook_id) is None:
            raise click.ClickException(f"There is no webhook {webhook_id}. volley webhooks list shows all.")
    click.echo(f"Webhook {webhook_id} is removed. Remove it at the provider too.")
