"""The demo inbox's file: the last ``KEPT`` messages, written by the inbox and read by the web process.

They lie in ``FILE`` in the instance folder and are written in groups shortly after the reply: this is a
show-room, not a mail store.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.core.clock import now_ms
from mailing.foreign import mail as foreign_mail
from mailing.foreign.mail import subject_and_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import TypeAlias

    _Row: TypeAlias = tuple[int, int, str, str, bytes]

FILE = "inbox.sqlite"
KEPT = 1000
RAW_LIMIT = 256 * 1024  # bytes kept of one message: a thousand of them still fit in memory and on disk
HEAD_LIMIT = 64 * 1024  # bytes of a message in which its header is looked for
LINE_LIMIT = 8 * 1024  # bytes of a message that are read for its line in the list, or to search it
EXCERPT = 160  # characters of its text in that line
REMEMBERED = 100_000  # `+later` messages that wait for their second attempt
WRITE_PAUSE_S = 0.05  # between two groups
BUSY_TIMEOUT_S = 5.0

_KEYS = "id, at, envelope_from, recipient"


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """One message as it arrived for one recipient. ``at`` is in ms UTC; ``raw`` ends at ``RAW_LIMIT``."""

    id: int
    at: int
    envelope_from: str
    recipient: str
    subject: str
    message_id: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """One message as a list shows it: ``excerpt`` is how its text starts, on one line."""

    id: int
    at: int
    recipient: str
    subject: str
    excerpt: str


@dataclass(frozen=True, slots=True)
class Page:
    """Messages, the newest first. ``older``: the next page holds what is below it; None if there is none."""

    lines: Sequence[Line]
    total: int
    older: int | None


def page(path: Path, sought: str = "", before: int | None = None, limit: int = 50) -> Page:
    """Return up to ``limit`` messages of the file ``path`` with ids below ``before``, the newest first.

    Each word of ``sought`` is in the recipient or in the subject, whatever the case. With them comes how many
    have arrived since the file was made, those no longer kept included.
    """
    words = sought.casefold().split()
    with _reading(path) as rows:
        found: list[Line] = []
        for mail_id, at, recipient, start in rows.execute(
            "SELECT id, at, recipient, coalesce(substr(raw, 1, ?), x'') FROM mail "
            "WHERE ? IS NULL OR id < ? ORDER BY id DESC",
            (LINE_LIMIT, before, before),
        ):
            subject = subject_and_id(start)[0]
            if all(word in f"{recipient} {subject}".casefold() for word in words):
                if len(found) == limit:
                    return Page(found, _total(rows), found[-1].id)
                excerpt = " ".join(foreign_mail.read(start).text.split())[:EXCERPT]
                found.append(Line(mail_id, at, recipient, subject, excerpt))
        return Page(found, _total(rows), None)


def latest(path: Path, limit: int = 50) -> list[ReceivedMail]:
    """Return the newest messages, each whole."""
    with _reading(path) as rows:
        found = rows.execute(f"SELECT {_KEYS}, raw FROM mail ORDER BY id DESC LIMIT ?", (limit,))  # noqa: S608
        return [_received(row) for row in found]


def arrived(path: Path) -> int:
    """Return how many messages have arrived since the file was made."""
    with _reading(path) as rows:
        return _total(rows)


def get(path: Path, mail_id: int) -> ReceivedMail | None:
    """Return one message, or None if it never was or is no longer kept."""
    with _reading(path) as rows:
        row = rows.execute(f"SELECT {_KEYS}, raw FROM mail WHERE id = ?", (mail_id,)).fetchone()  # noqa: S608
    return _received(row) if row else None


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the inbox's file, or an empty inbox if no inbox has ever run here."""
    with closing(sqlite3.connect(path if path.exists() else ":memory:", timeout=BUSY_TIMEOUT_S)) as rows:
        _make_tables(rows)
        rows.execute("BEGIN")  # what is read together belongs together
        yield rows


def _total(rows: sqlite3.Connection) -> int:
    return int(rows.execute("SELECT coalesce(max(id), 0) FROM mail").fetchone()[0])


def _received(row: _Row) -> ReceivedMail:
    mail_id, at, envelope_from, recipient, raw = row
    subject, message_id = subject_and_id(raw[:HEAD_LIMIT])
    return ReceivedMail(mail_id, at, envelope_from, recipient, subject, message_id, raw)


def _make_tables(rows: sqlite3.Connection) -> None:
    rows.execute(
        "CREATE TABLE IF NOT EXISTS mail (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, "
        "envelope_from TEXT NOT NULL, recipient TEXT NOT NULL, raw BLOB NOT NULL)"
    )
    rows.execute("CREATE TABLE IF NOT EXISTS put_off (message BLOB PRIMARY KEY)")


class Store:
    """What arrived, and what was put off. Both are only remembered; ``write`` brings them to the file."""

    def __init__(self, path: Path) -> None:
        self.rows = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
        self.rows.execute("PRAGMA journal_mode = WAL")
        self.rows.execute("PRAGMA synchronous = NORMAL")
        _make_tables(self.rows)
        self.total: int = self.rows.execute("SELECT coalesce(max(id), 0) FROM mail").fetchone()[0]
        self.waiting: deque[_Row] = deque(maxlen=KEPT)  # older ones would go anyway
        self.put_off: dict[bytes, None] = dict.fromkeys(
            row[0] for row in self.rows.execute("SELECT message FROM put_off ORDER BY rowid")
        )
        self.changed: dict[bytes, None] = {}
        self.arrived = asyncio.Event()
        self.ended = False

    def add(self, sender: str, recipients: Sequence[str], content: bytes) -> range:
        """Take in one message, once for each of its recipients; return the numbers that it got."""
        raw, at, first = content[:RAW_LIMIT], now_ms(), self.total + 1
        for recipient in recipients:
            self.total += 1
            self.waiting.append((self.total, at, sender, recipient, raw))
        self.arrived.set()
        return range(first, self.total + 1)

    def first_try(self, messages: Sequence[bytes]) -> bool:
        """Return whether any of ``messages`` comes for the first time. If none does, all are forgotten."""
        new = [message for message in messages if message not in self.put_off]
        for message in new or messages:
            if new:
                self.put_off[message] = None
            else:
                self.put_off.pop(message, None)
            self.changed[message] = None
        while len(self.put_off) > REMEMBERED:
            oldest = next(iter(self.put_off))
            del self.put_off[oldest]
            self.changed[oldest] = None
        self.arrived.set()
        return bool(new)

    async def write(self) -> None:
        """Write what arrives, group after group, until ``end``. Raises ``sqlite3.Error``."""
        while not self.ended:
            await self.arrived.wait()
            self.arrived.clear()
            await asyncio.to_thread(self.write_group, *self._take())
            await asyncio.sleep(WRITE_PAUSE_S)

    def end(self) -> None:
        """Let ``write`` finish its group; a cancelled thread would go on beside ``close``."""
        self.ended = True
        self.arrived.set()

    def _take(self) -> tuple[list[_Row], dict[bytes, bool]]:
        """Take what waits to be written: the messages, and which are now put off and which no longer."""
        group, changed = list(self.waiting), {it: it in self.put_off for it in self.changed}
        self.waiting.clear()
        self.changed.clear()
        return group, changed

    def write_group(self, group: Sequence[_Row], changed: Mapping[bytes, bool]) -> None:
        """Write what was taken and drop what is too old, in one transaction."""
        with self.rows:
            self.rows.executemany(f"INSERT INTO mail ({_KEYS}, raw) VALUES (?, ?, ?, ?, ?)", group)  # noqa: S608
            self.rows.execute("DELETE FROM mail WHERE id <= (SELECT max(id) FROM mail) - ?", (KEPT,))
            for put_off, statement in (
                (False, "DELETE FROM put_off WHERE message = ?"),
                (True, "INSERT OR IGNORE INTO put_off (message) VALUES (?)"),
            ):
                self.rows.executemany(statement, [(it,) for it, now in changed.items() if now is put_off])

    def close(self) -> None:
        """Write what still waits, and close the file."""
        self.write_group(*self._take())
        self.rows.close()
