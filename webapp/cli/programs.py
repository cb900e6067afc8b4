"""What the commands for programs do: their API keys, and the description of the API."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import click
import orjson

from mailing.accounts.users import AccountError
from mailing.core.clock import now_ms
from mailing.programs import api_keys
from tasks.commands import keys
from webapp.api import routes
from webapp.cli.work import ACTOR, chosen_settings, open_backend
from webapp.ui import formats

if TYPE_CHECKING:
    from collections.abc import Collection

    from mailing.accounts.roles import Permission


def add(name: str, scopes: Collection[Permission], days: int | None) -> None:
    """Create a key, and print it."""
    try:
        with open_backend(chosen_settings()) as backend:
            click.echo(keys.add(backend, ACTOR, name, set(scopes), days))
    except AccountError as refusal:
        raise click.ClickException(str(refusal)) from None


def show() -> None:
    """List the keys."""
    with open_backend(chosen_settings()) as backend, backend.db.read() as connection:
        found = api_keys.listed(connection)
    for key in found:
        ended = "revoked" if key.revoked_at else "expired" if key.fault(now_ms()) else ""
        until = f"until {formats.iso(key.expires_at)}" if key.expires_at else "no expiry"
        click.echo(f"{key.prefix}  {key.name}  {','.join(sorted(key.scopes))}  {ended or until}")
    if not found:
        click.echo("There are no API keys.")


def revoke(prefix: str) -> None:
    """Revoke a key."""
    with open_backend(chosen_settings()) as backend:
        with backend.db.read() as connection:
            key = api_keys.find(connection, prefix)
        if key is None:
            raise click.ClickException(f"There is no API key {prefix}. List them with: volley key list")
        keys.revoke(backend, ACTOR, key.id)
    click.echo(f"The API key {prefix} ({key.name}) is revoked. Its tokens and streams have ended.")


def describe(file: IO[bytes]) -> None:
    """Write the OpenAPI document. It needs neither the database nor Redis."""
    document = routes.document(chosen_settings().site)
    file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
