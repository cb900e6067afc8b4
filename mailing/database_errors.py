"""What a database's error means, in one sentence for whoever has to mend it: what, to what, what to do.

SQLite's own codes and PostgreSQL's SQLSTATE decide (https://sqlite.org/rescode.html, PostgreSQL appendix A);
where a connection does not even begin, libpq gives only words.
"""

from __future__ import annotations

import math
import re
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.exc import (
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

if TYPE_CHECKING:
    from sqlalchemy import URL

ALL_BUSY = "All connections to the database are in use. Try again in a few seconds."
LOCKED = "The database is locked by another process. Try again in a few seconds."
FULL = "The disk that holds {name} is full. Make room on it; what was stored is safe."
DAMAGED = "The database {name} is damaged. Stop Volley and restore a backup of it."
NO_DATABASE = "{name} is no SQLite database. Name another file in VOLLEY_DATABASE_URL, or restore a backup."
READ_ONLY = (
    "The database {name} cannot be written to. Give Volley's user the right to write it and its folder."
)
UNREADABLE = "{name} cannot be opened. Give Volley's user the right to read and write it and its folder."
NO_FOLDER = "The folder of {name} is missing. Make it, or name another file in VOLLEY_DATABASE_URL."
NO_FILE = "{name} is a folder, no file. Name a file in VOLLEY_DATABASE_URL."
BAD_DISK = "The disk that holds {name} cannot be read or written. Check the disk and the file system."
NO_TABLES = "The database {name} lacks tables of this version. Run: make migrate"
SERVER_FULL = "The disk of the PostgreSQL server at {name} is full. Make room there; what was stored is safe."
SERVER_MEMORY = "The PostgreSQL server at {name} is out of memory. Try again, or give it more."
STANDBY = "The database {name} is read-only. Name the primary server in VOLLEY_DATABASE_URL."
CROWDED = (
    "The PostgreSQL server at {name} takes no more connections. Try again, or raise its max_connections."
)
RESTARTING = "The PostgreSQL server at {name} is starting or stopping. Try again in a few seconds."
NO_ENTRY = "The PostgreSQL server at {name} refuses the user or password. Check VOLLEY_DATABASE_URL."
NO_RIGHTS = "Volley's user may not use what it needs in {name}. Make it the owner of the database."
NOT_THERE = "There is no database {name}. Make it, or name another in VOLLEY_DATABASE_URL."
BAD_URL = "VOLLEY_DATABASE_URL has an option that PostgreSQL's library does not take: {said}."
NO_ANSWER = "The database {name} does not answer: {said}. Check that it runs, and VOLLEY_DATABASE_URL."
UNKNOWN = "The database {name} failed: {said}. Check VOLLEY_DATABASE_URL."

FULL_BYTES = 16 * 1024 * 1024  # with less room than this a disk counts as full
PASSING = {ALL_BUSY, LOCKED, SERVER_MEMORY, CROWDED, RESTARTING, NO_ANSWER, UNKNOWN}
_OURS = (
    DataError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
)  # what they say, unless a code is known
_SQLITE = {
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: NO_DATABASE,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_PERM: READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: UNREADABLE,
    sqlite3.SQLITE_IOERR: BAD_DISK,
}
_POSTGRESQL = {  # an SQLSTATE, or the class that its first two characters are
    "53100": SERVER_FULL,
    "53200": SERVER_MEMORY,
    "53300": CROWDED,
    "25006": STANDBY,
    "28": NO_ENTRY,
    "3D000": NOT_THERE,
    "42501": NO_RIGHTS,
    "42P01": NO_TABLES,
    "42703": NO_TABLES,
    "55P03": LOCKED,
    "57P": RESTARTING,
    "57014": LOCKED,
    "40": LOCKED,
    "08": NO_ANSWER,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
}
_WORDS = {  # of a connection that was refused: libpq passes on no SQLSTATE; PgBouncer has words of its own
    r'database ".*" does not exist|no such database': NOT_THERE,
    r'role ".*" does not exist|no such user|authentication failed|no password supplied|pg_hba.conf': NO_ENTRY,
    r"permission denied for database": NO_RIGHTS,
    r"too many |remaining connection slots|no more connections allowed": CROWDED,
    r"starting up|shutting down": RESTARTING,
    r"invalid connection option|invalid URI query parameter": BAD_URL,
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with the database. ``passing``: it may end by itself, so trying again is worthwhile."""

    detail: str
    passing: bool


def explain(error: BaseException, url: URL) -> Trouble | None:
    """Return what ``error`` says of the database at ``url``; None: it is no trouble of the database's own."""
    if isinstance(error, PoolTimeoutError):
        return Trouble(ALL_BUSY, passing=True)
    if not isinstance(error, DBAPIError) or error.orig is None:
        return None
    said = line(error.orig)
    form = _of_sqlite(error.orig, url) if url.get_backend_name() == "sqlite" else _of_postgresql(error, said)
    if form is None and isinstance(error, _OURS):
        return None
    form = form or UNKNOWN
    return Trouble(form.format(name=name(url), said=said), form in PASSING)


def sentence(error: BaseException, url: URL) -> str:
    """Return the sentence about ``error``, whatever it is."""
    trouble = explain(error, url)
    said = line(getattr(error, "orig", None) or error)
    return trouble.detail if trouble else UNKNOWN.format(name=name(url), said=said)


def name(url: URL) -> str:
    """Return what people call the database: the file, or ``host:port/database``."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return f"{url.host or 'the local socket'}:{url.port or 5432}/{url.database or url.username or ''}"


def line(error: object) -> str:
    """Return what a library said, on one line and without a final dot."""
    return " ".join(str(error).split()).rstrip(".")


def free_bytes(url: URL) -> float:
    """Return the room on the disk of a SQLite file; infinite where that cannot be known."""
    try:
        return shutil.disk_usage(Path(str(url.database)).parent).free
    except OSError:
        return math.inf


def _of_sqlite(error: BaseException, url: URL) -> str | None:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    if code == sqlite3.SQLITE_ERROR and str(error).startswith("no such "):
        return NO_TABLES
    form, file = _SQLITE.get(code), Path(str(url.database))
    if form == UNREADABLE:
        return NO_FILE if file.is_dir() else UNREADABLE if file.parent.is_dir() else NO_FOLDER
    if form == BAD_DISK and free_bytes(url) < FULL_BYTES:  # its index of the log could not grow
        return FULL
    return form


def _of_postgresql(error: DBAPIError, said: str) -> str | None:
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return next((_POSTGRESQL[key] for key in (state, state[:3], state[:2]) if key in _POSTGRESQL), None)
    for words, form in _WORDS.items():
        if re.search(words, said):
            return form
    return NO_ANSWER if isinstance(error, OperationalError) else None
