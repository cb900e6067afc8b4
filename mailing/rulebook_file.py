"""The operator's own rulebook: a file like ``smtp/rulebook.toml``, whose rules go before the built-in ones.

A mistake in it is refused, with its line: at the start by the settings, and later by whoever watches the
file, who goes on with the rules that were read before.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import structlog

from mailing.core.reasons import Reason
from mailing.rulebook_reading import RulebookError, read
from mailing.smtp import rulebook

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from mailing.smtp.rulebook import Rule

LOOK_S = 5.0  # between two looks at the file
LARGEST = 256 * 1024  # bytes

log = structlog.get_logger()


def load(path: Path) -> Sequence[Rule]:
    """Return the rules of a file. Raises ``RulebookError``. Blocking."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        if len(raw) > LARGEST:
            raise RulebookError(
                Reason("rulebook.unreadable", said=Reason("rulebook.too-large", most=LARGEST))
            )
        return read(raw.decode())
    except OSError as error:
        raise RulebookError(Reason("rulebook.unreadable", said=error.strerror or str(error))) from None
    except UnicodeDecodeError:
        raise RulebookError(Reason("rulebook.unreadable", said=Reason("rulebook.not-text"))) from None


class Watch:
    """A rulebook in use by this process: read again whenever the file has changed.

    ``told`` is called with why the file as it is now is not used, and with None once it is.
    """

    def __init__(self, path: Path, told: Callable[[Reason | None], None] = lambda _: None) -> None:
        self._path, self._told = path, told
        self._seen: object = None
        self.look()

    def look(self) -> None:
        """Read the file if it has changed; the rules read before stay where it has a mistake. Blocking."""
        seen = self._stamp()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            own = load(self._path)
        except RulebookError as error:
            said = {"file": str(self._path), "fault": str(error)}
            log.warning("the rulebook has a mistake; the rules read before stay in effect", **said)
            self._told(Reason("rulebook.not-used", file=str(self._path), fault=error.reason))
            return
        rulebook.use(own)
        log.info("the rulebook was read", file=str(self._path), rules=len(own))
        self._told(None)

    def start(self) -> None:
        """Look every ``LOOK_S`` from now on, in a thread of its own."""
        threading.Thread(target=self._go_on, name="volley-rulebook", daemon=True).start()

    def _go_on(self) -> None:
        while True:
            time.sleep(LOOK_S)
            self.look()

    def _stamp(self) -> object:
        try:
            found = self._path.stat()
        except OSError as error:
            return error.errno
        return found.st_mtime_ns, found.st_size, found.st_ino
