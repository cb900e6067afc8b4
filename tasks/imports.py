"""Imports: each is carried out in a process of its own, which ends with the worker that started it.

Reading a long file is pure Python for half a minute: in a worker's thread, nothing would be sent meanwhile.
A worker has one such process at a time. What finds it busy stays waiting, and the sweep gives it out again,
as it does with what a dead worker leaves behind.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
from kombu import pools
from sqlalchemy.exc import DBAPIError

from mailing import settings
from mailing.contacts import carrying, imports, mail_exchangers
from mailing.contacts.tables import ImportState
from mailing.core import database_errors, logs
from mailing.core.database import Database
from tasks import processes
from tasks.app import app

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.context import SpawnProcess

TOUCH_S = 2.0  # between two looks at a process, which also say that it lives
WATCH_S = 0.5
NICE = 5  # sending and the pages come first where cores are few
EXIT_ENDED = 72  # with its worker, or because it was canceled
GIVEN_OUT = 20  # imports that one sweep gives out

log = structlog.get_logger()
_starting = threading.Lock()
_reading: SpawnProcess | None = None


@dataclass(frozen=True, slots=True)
class Errand:
    """What the process of an import is told."""

    database_url: str
    import_id: int
    holder: str
    parent: int


def enqueue(import_ids: Sequence[int]) -> bool:
    """Give imports to the workers, after the commit that lets them be read. Blocking.

    Returns whether the queue took them; if not, the sweeper gives them out once Redis is back.
    """
    if not import_ids:
        return True
    try:
        with pools.producers[app.connection_for_write()].acquire(block=True, timeout=5) as producer:
            for import_id in import_ids:
                carry.apply_async((import_id,), priority=0, producer=producer, retry=False)
    except Exception as error:  # noqa: BLE001 - the change is committed: whatever it is, it must not seem to fail
        log.warning("the queue refuses imports; the sweeper will enqueue them", reason=str(error))
        return False
    return True


def give_out(database: Database) -> None:
    """Enqueue the imports that wait for a worker, or have lost theirs."""
    with database.read() as connection:
        waiting = imports.waiting(connection, GIVEN_OUT)
    if not waiting:
        return
    with database.write() as connection:
        imports.give_out(connection, waiting)
    enqueue(waiting)


@app.task(name="volley.import", ignore_result=True)
def carry(import_id: int) -> None:
    """Start the process that reads a file into its list, unless this worker has one."""
    global _reading  # noqa: PLW0603 - one for each worker process
    database = processes.database()
    with _starting:
        if _reading is not None and _reading.is_alive():
            return
        with database.write() as connection:
            holder = imports.take(connection, import_id)
        if not holder:
            return
        url = database.url.render_as_string(hide_password=False)
        errand = Errand(url, import_id, holder, os.getpid())
        _reading = multiprocessing.get_context("spawn").Process(target=_carry, args=(errand,), daemon=True)
        _reading.start()
        threading.Thread(target=_accompany, args=(_reading, database, errand), daemon=True).start()


def _accompany(process: SpawnProcess, database: Database, errand: Errand) -> None:
    """Say that the import is being read as long as its process lives, and let it go after that."""
    alive = True
    while alive:
        process.join(TOUCH_S)
        alive = process.is_alive()
        try:
            _look(process, database, errand, alive=alive)
        except DBAPIError as error:
            log.warning("an import was not touched", reason=database_errors.sentence(error, database.url))
    if process.exitcode not in {0, -signal.SIGTERM, EXIT_ENDED}:
        log.warning("an import broke off", import_id=errand.import_id, exit_code=process.exitcode)


def _look(process: SpawnProcess, database: Database, errand: Errand, *, alive: bool) -> None:
    with database.write() as connection:
        if not alive:
            imports.let_go(connection, errand.import_id, errand.holder)
        elif not imports.keep(connection, errand.import_id, errand.holder):
            found = imports.get(connection, errand.import_id)
            if found is None or found.state is ImportState.CANCELED:
                process.terminate()


def _carry(errand: Errand) -> None:
    """In the process: read the file, then ask about its domains."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_ENDED))
    os.nice(NICE)
    threading.Thread(target=_end_with, args=(errand.parent,), daemon=True).start()
    logs.configure(settings.load().log)
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
