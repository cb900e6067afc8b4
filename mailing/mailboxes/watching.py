"""A thread that looks at one mailbox again and again, until it is stopped.

Over IMAP the server says at once that something came (IDLE), or else it is looked each minute; over POP3 each
few minutes. After a fault it waits, longer each time: shortly where the server is only away, and long where a
person must act first, so that no account is locked by sign-ins that fail.
"""

from __future__ import annotations

import random
from threading import Event, Thread
from typing import TYPE_CHECKING, Protocol

import structlog

from mailing.core.reasons import Reason
from mailing.mailboxes import looking, opening
from mailing.mailboxes.faults import MailboxError
from mailing.mailboxes.imap import Imap
from mailing.mailboxes.line import StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailing.core.database import Database
    from mailing.core.reasons import Words
    from mailing.mailboxes.store import Mailbox

IDLE_S = 300.0  # after which the server is asked whether it is still there; RFC 2177 allows 29 minutes
IMAP_S, POP3_S = 60.0, 180.0  # between two looks
AWAY_S, AWAY_MOST_S = 5.0, 300.0  # after a fault that passes
WRONG_S, WRONG_MOST_S = 300.0, 3_600.0  # after one that a person must fix
log = structlog.get_logger(__name__)


class MovedError(Exception):
    """Somebody else changed the mailbox, or looked at it meanwhile: whoever watches begins anew."""


class Diary(looking.Keeper, Protocol):
    """Who records what is fetched, and how a mailbox is."""

    def worked(self, seen: Mailbox, remark: Words) -> None:
        """Note that a mailbox could be looked at."""

    def failed(self, seen: Mailbox, reason: Reason) -> None:
        """Note why it could not."""

    def again(self, mailbox_id: int) -> Mailbox | None:
        """Return a mailbox as it is now."""


class Watcher:
    """Watches one mailbox."""

    def __init__(self, mailbox: Mailbox, secret_key: str, diary: Diary, database: Database) -> None:
        self.seen, self._diary = mailbox, diary
        self._secret_key, self._database = secret_key, database
        self._stop = Event()
        self._faults = 0
        self._thread = Thread(target=self._run, name=f"mailbox-{mailbox.id}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end."""
        self._stop.set()

    def join(self, seconds: float) -> bool:
        """Wait for its end; return whether it came."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def runs(self) -> bool:
        """Whether it watches still."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            wait = 0.0
            try:
                wait = self._session()
            except StoppedError:
                return
            except MovedError:
                wait = AWAY_S
            except MailboxError as error:
                wait = self._pause(lasts=error.lasts)
                self._try(lambda why=error: self._diary.failed(self.seen, why.reason))  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001 - it is told, and watched on
                wait = self._pause(lasts=False)
                tell = log.exception if self._faults == 1 else log.warning  # of the same fault one traceback
                tell("a mailbox cannot be watched", mailbox=self.seen.name)
                said = Reason("mailbox.failed", said=type(error).__name__)
                self._try(lambda why=said: self._diary.failed(self.seen, why))  # type: ignore[misc]
            if self._stop.wait(wait):
                return
            now = self._try(lambda: self._diary.again(self.seen.id))
            self.seen = now or self.seen

    def _try(self, do: Callable[[], Mailbox | None]) -> Mailbox | None:
        """Do what needs the database; while that is away nothing is noted."""
        try:
            return do()
        except Exception as error:  # noqa: BLE001 - the next look says it again
            log.warning("nothing is noted of a mailbox", mailbox=self.seen.name, reason=str(error)[:200])
            return None

    def _session(self) -> float:
        """Look over one connection until that ends; return how long to wait until the next."""
        client = opening.open_mailbox(self.seen, self._secret_key, self._stop, self._database)
        try:
            while True:
                self.seen, remark = looking.look(client, self.seen, self._diary)
                self._diary.worked(self.seen, remark)
                self._faults = 0
                if not isinstance(client, Imap):
                    return POP3_S
                if b"IDLE" in client.offers:
                    client.idle(IDLE_S)
                elif self._stop.wait(IMAP_S):
                    raise StoppedError
        finally:
            client.end()

    def _pause(self, *, lasts: bool) -> float:
        """Return how long to wait after a fault: twice as long each time, and not all at the same moment."""
        first, most = (WRONG_S, WRONG_MOST_S) if lasts else (AWAY_S, AWAY_MOST_S)
        self._faults += 1
        doubled = min(first * 2.0 ** min(self._faults - 1, 10), most)
        return doubled * random.uniform(0.8, 1.2)  # noqa: S311
