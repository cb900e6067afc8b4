"""The process of an import: reads a file into its list, asks about its domains, and ends with its worker.

It loads no Celery and no engine, so it starts in half the time and takes half the memory of a worker.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from dataclasses import dataclass

from mailing.contacts import carrying, mail_exchangers
from mailing.core import logs
from mailing.core.database import Database

NICE = 5  # sending and the pages come first where cores are few
WATCH_S = 0.5
EXIT_ENDED = 72  # with its worker, or because it was canceled


@dataclass(frozen=True, slots=True)
class Errand:
    """What the process is told: which import, the word that holds it, and which worker started it."""

    database_url: str
    import_id: int
    holder: str
    parent: int
    log: str


def run(errand: Errand) -> None:
    """Carry an import out."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_ENDED))
    os.nice(NICE)
    threading.Thread(target=_end_with, args=(errand.parent,), daemon=True).start()
    logs.configure(errand.log)
    database = Database(errand.database_url, pool_size=1)
    try:
        carrying.carry_out(database, errand.import_id, holder=errand.holder)
        mail_exchangers.note(database, errand.import_id)
    finally:
        database.close()


def _end_with(parent: int) -> None:
    """End this process when the worker is gone without a word."""
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os._exit(0)
