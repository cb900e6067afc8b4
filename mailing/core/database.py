"""The database: one engine per process, and the two ways to use it, ``read`` and ``write``.

SQLite runs in WAL mode with full sync, so a commit survives a power cut and readers never wait. Its
writers take their turn at BEGIN (``BEGIN IMMEDIATE``): a transaction that reads first and upgrades
later would fail at once, whatever the busy timeout.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event, make_url

from mailing.core import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

BUSY_TIMEOUT_MS = 15_000  # how long a SQLite writer waits for another process's lock
CHECKPOINT_PAGES = 8_000  # 32 MB; pages that are written again and again are copied once for all
LOOK_AGAIN_S = 0.0005
CONNECT_TIMEOUT_S = 5


class Database:
    """A connection pool. Blocking: the web process calls it from threads only."""

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self.url = make_url(url)
        self.sqlite = self.url.get_backend_name() == "sqlite"
        self.engine: Engine = create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_timeout=30,
            # the connection used last is used next, so that one cache is kept warm and not five in turn
            pool_use_lifo=True,
            pool_pre_ping=not self.sqlite,
            connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000}
            if self.sqlite
            else {
                "connect_timeout": CONNECT_TIMEOUT_S,
                "application_name": "volley",
                "prepare_threshold": None,  # behind PgBouncer the next transaction has another connection
            },
        )
        self._closed = False
        event.listen(self.engine, "checkin", self._check_in)
        if self.sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a connection for reading; whatever it did is rolled back."""
        with self.engine.connect() as connection:
            clock.look(connection)
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Open a connection for reading that sees one instant, however many queries it makes."""
        options = {} if self.sqlite else {"isolation_level": "REPEATABLE READ"}
        with self.engine.connect().execution_options(**options) as connection:
            clock.look(connection)
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction for writing: committed at the end, rolled back on an exception."""
        with self.engine.connect().execution_options(volley_write=True) as connection, connection.begin():
            clock.look(connection)
            yield connection

    def writer(self) -> Writer:
        """Return a writer with a connection of its own, for one thread that writes many times a second."""
        return Writer(self)

    def close(self) -> None:
        """Close every pooled connection, and those that are still used once they come back."""
        self._closed = True
        self.engine.dispose()

    def _check_in(self, _connection: Any, record: Any) -> None:
        if self._closed:
            record.invalidate()


class Writer:
    """Writes like ``Database.write``, but keeps its connection from one transaction to the next."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction; an exception rolls it back and lets the connection go."""
        if self._connection is None:
            self._connection = self._database.engine.connect().execution_options(volley_write=True)
        try:
            with self._connection.begin():
                clock.look(self._connection)
                yield self._connection
        except BaseException:
            broken, self._connection = self._connection, None  # even if closing it fails
            broken.close()
            raise


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions of its own
    for pragma in (
        f"busy_timeout = {BUSY_TIMEOUT_MS}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "cache_size = -32768",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get("volley_write", False):
        connection.exec_driver_sql("BEGIN")
        return
    # SQLite's own busy handler sleeps up to 100 ms between looks: with several writers that is most of
    # the time. Looking every half millisecond hands the lock over almost at once.
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        while time.monotonic() < until:
            try:
                driver.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:  # also in recovery after a crash
                    break
                time.sleep(LOOK_AGAIN_S)
            else:
                return
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # fails as an error of SQLAlchemy, as all others do
    finally:
        driver.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
