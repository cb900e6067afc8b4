"""What every command opens: the settings, the database, Redis, a file."""

from __future__ import annotations

from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import click
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from mailing import settings
from mailing.core import database_errors, logs, privacy
from mailing.core.actors import Actor, ActorKind
from mailing.settings import SettingsError
from tasks.commands.backend import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.settings import Settings
    from tasks.commands.backend import Backend

ACTOR = Actor(ActorKind.CLI)


def chosen_settings() -> Settings:
    """Return the settings; what is wrong with them ends the command with a sentence."""
    try:
        chosen = settings.load()
    except SettingsError as error:
        raise click.ClickException(f"These settings are invalid:\n{error}") from None
    privacy.keep(chosen.instance)
    logs.configure(chosen.log, quiet=True)
    return chosen


@contextmanager
def open_backend(chosen: Settings) -> Iterator[Backend]:
    """Open the database and Redis; what is wrong with them ends the command with a sentence."""
    try:
        with opened(chosen, connections=1) as backend:
            yield backend
    except SQLAlchemyError as error:
        said = database_errors.sentence(error, make_url(chosen.database_url))
        raise click.ClickException(f"{said}\nFor details: volley check") from None


def read_text(file: IO[bytes]) -> str:
    """Return what a file holds, which must be UTF-8."""
    try:
        return file.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise click.ClickException(
            f"{file.name} is not UTF-8 text. Save it as UTF-8 and try again."
        ) from None
