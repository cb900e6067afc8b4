"""What a database's error means for whoever has to fix it: what happened, to what, what to do.

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

from mailing.core.reasons import FIELDS, Reason

if TYPE_CHECKING:
    from sqlalchemy import URL

ALL_BUSY = "database.all-busy"
LOCKED = "database.locked"
FULL = "database.full"
DAMAGED = "database.damaged"
NO_DATABASE = "database.no-database"
READ_ONLY = "database.read-only"
UNREADABLE = "database.unreadable"
NO_FOLDER = "database.no-folder"
NO_FILE = "database.no-file"
BAD_DISK = "database.bad-disk"
NO_TABLES = "database.no-tables"
SERVER_FULL = "database.server-full"
SERVER_MEMORY = "database.server-memory"
STANDBY = "database.standby"
CROWDED = "database.crowded"
RESTARTING = "database.restarting"
NO_ENTRY = "database.sign-in-refused"
NO_RIGHTS = "database.no-rights"
NOT_THERE = "database.not-there"
BAD_URL = "database.bad-url"
NO_ANSWER = "database.no-answer"
UNKNOWN = "database.unknown"

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

    reason: Reason
    passing: bool


def explain(error: BaseException, url: URL) -> Trouble | None:
    """Return what ``error`` says of the database at ``url``; None: it is no trouble of the database's own."""
    if isinstance(error, PoolTimeoutError):
        return Trouble(Reason(ALL_BUSY), passing=True)
    if not isinstance(error, DBAPIError) or error.orig is None:
        return None
    said = line(error.orig)
    code = _of_sqlite(error.orig, url) if url.get_backend_name() == "sqlite" else _of_postgresql(error, said)
    if code is None and isinstance(error, _OURS):
        return None
    code = code or UNKNOWN
    return Trouble(_reason(code, name=name(url), said=said), code in PASSING)


def sentence(error: BaseException, url: URL) -> str:
    """Return the sentence about ``error``, whatever it is."""
    trouble = explain(error, url)
    said = line(getattr(error, "orig", None) or error)
    return str(trouble.reason if trouble else _reason(UNKNOWN, name=name(url), said=said))


def _reason(code: str, **values: str) -> Reason:
    """Return a reason with those of the values that its sentence has."""
    return Reason(code, **{name: value for name, value in values.items() if name in FIELDS[code]})


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
    found, file = _SQLITE.get(code), Path(str(url.database))
    if found == UNREADABLE:
        return NO_FILE if file.is_dir() else UNREADABLE if file.parent.is_dir() else NO_FOLDER
    if found == BAD_DISK and free_bytes(url) < FULL_BYTES:  # its index of the log could not grow
        return FULL
    return found


def _of_postgresql(error: DBAPIError, said: str) -> str | None:
    state = getattr(error.orig, "sqlstate", None)
    if state:
        return next((_POSTGRESQL[key] for key in (state, state[:3], state[:2]) if key in _POSTGRESQL), None)
    for words, code in _WORDS.items():
        if re.search(words, said):
            return code
    return NO_ANSWER if isinstance(error, OperationalError) else None
