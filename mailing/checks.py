"""Checks of everything that Volley needs: does it work, what is wrong, what to do."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import redis
from sqlalchemy.exc import SQLAlchemyError

from mailing import schema
from mailing.core import database_errors
from mailing.core.database_errors import line
from mailing.core.reasons import Reason
from mailing.ledger import leases
from mailing.redis import errors as redis_errors
from mailing.redis import events
from mailing.smtp.session import Session, SmtpError, Timeouts

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.core.database import Database
    from mailing.smtp.account import Sender


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. ``detail`` says what works, or else what does not and what to do."""

    ok: bool
    detail: str


def database(db: Database) -> Finding:
    """Ask the database for the version of its tables, and whether it can take more. Blocking."""
    try:
        with db.read() as connection:
            wrong = schema.fault(connection) or _cannot_write(db, connection)
    except SQLAlchemyError as error:
        wrong = database_errors.sentence(error, db.url)
    if wrong:
        return Finding(ok=False, detail=wrong)
    name = "SQLite" if db.sqlite else "PostgreSQL"
    return Finding(ok=True, detail=f"{name} is running; its tables are up to date.")


def _cannot_write(db: Database, connection: Connection) -> str:
    """Return what keeps the database from storing more, found without writing; empty if nothing does."""
    name, code = database_errors.name(db.url), ""
    if not db.sqlite:
        standby = connection.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "on"
        code = database_errors.STANDBY if standby else ""
    elif database_errors.free_bytes(db.url) < database_errors.FULL_BYTES:
        code = database_errors.FULL
    elif not all(os.access(path, os.W_OK) for path in (name, Path(name).parent)):
        code = database_errors.READ_ONLY
    return str(Reason(code, name=name)) if code else ""


def worker(db: Database) -> Finding:
    """Look for workers that live, and for what keeps them from sending. Blocking."""
    try:
        with db.read() as connection:
            alive = leases.alive(connection)
    except SQLAlchemyError:
        return Finding(ok=False, detail="Status unavailable: the database is not responding.")
    if not alive:
        return Finding(
            ok=False,
            detail="No worker is running, so nothing is sent. Start one: .venv/bin/python -m tasks.worker",
        )
    notices = {str(w.notice) for w in alive if w.notice}
    living = f"{len(alive)} {'worker is' if len(alive) == 1 else 'workers are'} running."
    return Finding(ok=True, detail=" ".join([living, *sorted(notices)]))


def queue(client: events.Client) -> Finding:
    """Ask Redis whether it takes work. Blocking."""
    trouble = queue_trouble(client)
    if trouble:
        return Finding(ok=False, detail=f"{trouble.reason} Until then campaigns are saved, but not sent.")
    return Finding(ok=True, detail="Redis is running and accepts work.")


def queue_trouble(client: events.Client) -> redis_errors.Trouble | None:
    """Have Redis store and publish as batches and news do; return what keeps it from that. Blocking."""
    try:
        pipeline = client.pipeline(transaction=False)
        redis_errors.probe(pipeline, _prefix(client))
        pipeline.execute()
    except (redis.RedisError, OSError) as error:
        return redis_errors.explain(error, client.server)
    return None


def _prefix(client: events.Client) -> str:
    try:
        return client.prefix
    except SQLAlchemyError:  # it is asked all the same, under a name that no installation has
        return "volley:"


async def smtp(sender: Sender, timeout_s: float) -> Finding:
    """Connect to the SMTP server, say hello, secure the line and sign in, within ``timeout_s`` seconds."""
    patience = Timeouts(connect=timeout_s, greeting=timeout_s, command=timeout_s)
    try:
        async with asyncio.timeout(timeout_s):
            session = await Session.open(sender, patience)
    except TimeoutError:
        found = f"{sender.server} was not ready within {timeout_s:g} s"
    except SmtpError as error:
        found = line(error)
    else:
        await session.close()
        secured = {"none": "without TLS", "starttls": "with STARTTLS", "tls": "with TLS"}[sender.tls]
        who = f"signed in as {sender.username}" if sender.username else "without a user name"
        return Finding(ok=True, detail=f"{sender.server} accepts mail, {secured}, {who}.")
    return Finding(ok=False, detail=f"{found}. Check VOLLEY_SMTP_URL, and that the server is running.")
