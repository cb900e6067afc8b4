"""What Volley leans on, asked one by one: does it work, what is wrong, what to do."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import redis
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from mailing import settings, workers
from mailing.smtp import Session, SmtpError, Timeouts

if TYPE_CHECKING:
    from mailing.database import Database
    from mailing.senders import Sender


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. ``detail`` says what works, or else what does not and what to do."""

    ok: bool
    detail: str


def database(db: Database) -> Finding:
    """Ask the database for the version of its tables. Blocking."""
    try:
        with db.read() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        return Finding(
            ok=False,
            detail=f"{_line(getattr(error, 'orig', None) or error)}. Check VOLLEY_DATABASE_URL.",
        )
    name = "SQLite" if db.sqlite else "PostgreSQL"
    if found is None:
        return Finding(ok=False, detail=f"{name} answers, but is empty. Run: make migrate")
    if found != _newest_tables():
        fix = "Run: make migrate"
        return Finding(ok=False, detail=f"{name} has the tables of another version ({found}). {fix}")
    return Finding(ok=True, detail=f"{name} answers, its tables are up to date.")


def worker(db: Database) -> Finding:
    """Look for workers that live, and for what keeps them from sending. Blocking."""
    try:
        with db.read() as connection:
            alive = workers.alive(connection)
    except SQLAlchemyError:
        return Finding(ok=False, detail="Nobody can know while the database does not answer.")
    if not alive:
        return Finding(
            ok=False,
            detail="No worker is running, so nothing is sent. Start one: .venv/bin/python -m tasks.worker",
        )
    notices = {w.notice for w in alive if w.notice}
    living = f"{len(alive)} {'worker is' if len(alive) == 1 else 'workers are'} running."
    return Finding(ok=True, detail=" ".join([living, *sorted(notices)]))


def queue(client: redis.Redis) -> Finding:
    """Ask Redis whether it is there. Blocking."""
    try:
        client.ping()
    except redis.RedisError as error:
        fix = "Start it, or set VOLLEY_REDIS_URL. Campaigns are stored meanwhile, and nothing is sent."
        return Finding(ok=False, detail=f"{_line(error)}. {fix}")
    return Finding(ok=True, detail="Redis answers.")


async def smtp(sender: Sender, timeout_s: float) -> Finding:
    """Connect to the SMTP server, say hello, secure the line and sign in, within ``timeout_s`` seconds."""
    patience = Timeouts(connect=timeout_s, greeting=timeout_s, command=timeout_s)
    try:
        async with asyncio.timeout(timeout_s):
            session = await Session.open(sender, patience)
    except TimeoutError:
        found = f"{sender.server} did not get ready for mail within {timeout_s:g} seconds"
    except SmtpError as error:
        found = _line(error)
    else:
        await session.close()
        line = {"none": "without TLS", "starttls": "with STARTTLS", "tls": "with TLS"}[sender.tls]
        who = f"signed in as {sender.username}" if sender.username else "without a user name"
        return Finding(ok=True, detail=f"{sender.server} takes mail, {line}, {who}.")
    return Finding(ok=False, detail=f"{found}. Check VOLLEY_SMTP_URL, and that the server runs.")


@cache
def _newest_tables() -> str | None:
    return ScriptDirectory(str(settings.ROOT / "migrations")).get_current_head()


def _line(error: object) -> str:
    """Return what a library said, on one line and without a final dot."""
    return " ".join(str(error).split()).rstrip(".")
