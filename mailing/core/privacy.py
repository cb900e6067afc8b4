"""What Volley writes nobody else reads: its files hold other people's addresses, and passwords."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

OTHERS = stat.S_IRWXG | stat.S_IRWXO
OURS = ("*.sqlite", "*.sqlite-wal", "*.sqlite-shm", "secret_key", "redis_password", "redis", "redis/**/*")


def keep(instance: Path) -> None:
    """Have all that this process makes readable by its user only, and what is in the instance folder already.

    Only files of Volley's own names are touched: the folder may be one that holds more.
    """
    os.umask(OTHERS)
    for pattern in OURS:
        for path in instance.glob(pattern):
            with suppress(OSError):  # somebody else's, or gone
                mode = stat.S_IMODE(path.lstat().st_mode)
                if mode & OTHERS and not path.is_symlink():
                    path.chmod(mode & ~OTHERS)


def exposed(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield those of ``paths`` that other users of this machine can read."""
    for path in paths:
        with suppress(OSError):
            if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
                yield path
