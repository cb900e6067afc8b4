"""What the commands about people and programs do: accounts, API keys, the description of the API."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import click
import orjson

from mailing.accounts import passwords, tokens, users
from mailing.accounts.users import AccountError, User
from mailing.addresses import mailbox
from mailing.core.clock import now_ms
from mailing.core.reasons import UnfitError
from mailing.programs import api_keys
from tasks.commands.accounts import factors, keys, people
from webapp.api import routes
from webapp.cli.opening import ACTOR, chosen_settings, open_backend
from webapp.ui import formats

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from mailing.accounts.roles import Permission, Role
    from tasks.commands.backend import Backend


def add(email: str, role: Role, password_file: IO[bytes] | None) -> None:
    """Create an account."""
    try:
        email = mailbox.judge(email)
    except UnfitError as error:
        raise click.ClickException(f"{email}: {error}") from None
    typed = _password(password_file, email)
    with _backend() as backend:
        people.add(backend, ACTOR, email, role, passwords.hashed(typed))
    click.echo(f"{email} can sign in as {role}.")


def show() -> None:
    """List the accounts."""
    with _backend() as backend, backend.db.read() as connection:
        found = users.listed(connection)
    for user in found:
        click.echo(f"{user.email}  {user.role}{'' if user.active else '  deactivated'}")
    if not found:
        click.echo("There are no accounts.")


def set_password(email: str, password_file: IO[bytes] | None) -> None:
    """Set somebody's password."""
    with _backend() as backend:
        user = _find(backend, email)
        people.change_password(
            backend, ACTOR, user.id, passwords.hashed(_password(password_file, user.email))
        )
    click.echo(f"The password of {user.email} was changed. All sessions have ended.")


def change_role(email: str, role: Role) -> None:
    """Give somebody a role."""
    with _backend() as backend:
        user = _find(backend, email)
        people.change_role(backend, ACTOR, user.id, role)
    click.echo(f"{user.email} is {role} now.")


def deactivate(email: str) -> None:
    """Deactivate an account."""
    with _backend() as backend:
        user = _find(backend, email)
        people.deactivate(backend, ACTOR, user.id)
    click.echo(f"{user.email} can't sign in any more. All sessions and keys have ended.")


def turn_off_totp(email: str) -> None:
    """Turn somebody's authenticator app off."""
    with _backend() as backend:
        user = _find(backend, email)
        was_on = factors.turn_off_totp(backend, ACTOR, user.id)
    if not was_on:
        raise click.ClickException(f"{user.email} has no authenticator app set up.")
    click.echo(f"{user.email} signs in with the password alone.")


def setup_link() -> None:
    """Print the link that creates the first account."""
    chosen = chosen_settings()
    with open_backend(chosen) as backend, backend.db.read() as connection:
        if users.any_exist(connection):
            raise click.ClickException("The first account exists already. Add more with: volley user add")
    click.echo(chosen.site.origin + chosen.site.at(f"/setup?token={tokens.set_up(chosen.secret_key)}"))


def add_key(name: str, scopes: Collection[Permission], days: int | None) -> None:
    """Create a key, and print it."""
    try:
        with open_backend(chosen_settings()) as backend:
            click.echo(keys.add(backend, ACTOR, name, set(scopes), days))
    except AccountError as refusal:
        raise click.ClickException(str(refusal)) from None


def show_keys() -> None:
    """List the keys."""
    with open_backend(chosen_settings()) as backend, backend.db.read() as connection:
        found = api_keys.listed(connection)
    for key in found:
        ended = "revoked" if key.revoked_at else "expired" if key.fault(now_ms()) else ""
        until = f"until {formats.iso(key.expires_at)}" if key.expires_at else "no expiry"
        click.echo(f"{key.prefix}  {key.name}  {','.join(sorted(key.scopes))}  {ended or until}")
    if not found:
        click.echo("There are no API keys.")


def revoke_key(prefix: str) -> None:
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


@contextmanager
def _backend() -> Iterator[Backend]:
    try:
        with open_backend(chosen_settings()) as backend:
            yield backend
    except AccountError as refusal:
        raise click.ClickException(str(refusal)) from None


def _find(backend: Backend, email: str) -> User:
    with backend.db.read() as connection:
        user = users.find(connection, email)
    if user is None:
        raise click.ClickException(f"{email} has no account. List them with: volley user list")
    return user


def _password(file: IO[bytes] | None, email: str) -> str:
    if file:
        typed = file.read().decode("utf-8", "replace").rstrip("\r\n")
    elif sys.stdin.isatty():
        typed = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        raise click.UsageError("There is no terminal to ask for the password. Use --password-file.")
    if wrong := passwords.fault(typed, email):
        raise click.ClickException(str(wrong))
    return typed
