"""What the commands about people do, for somebody at the machine."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import click

from mailing.accounts import passwords, tokens, users
from mailing.accounts.users import AccountError, User
from mailing.addresses import mailbox
from mailing.core.reasons import UnfitError
from tasks.commands import factors, people
from webapp.cli.work import ACTOR, chosen_settings, open_backend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.accounts.roles import Role
    from tasks.commands.campaigns import Backend


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
