"""Imports: each is carried out in a process of its own, which ends with the worker that started it.

Reading a long file is pure Python for half a minute: in a worker's thread, nothing would be sent meanwhile.
A worker has one that reads at a time. What finds it busy stays waiting, and the sweep gives it out again,
as it does with what a dead worker leaves behind.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from typing import TYPE_CHECKING

import structlog
from kombu import pools
from sqlalchemy.exc import DBAPIError

from mailing import settings
from mailing.contacts import imports
from mailing.contacts.tables import ImportState
from mailing.core import database_errors
from tasks import import_process, processes
from tasks.app import app
from tasks.import_process import EXIT_ENDED, Errand

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.context import SpawnProcess

    from mailing.core.database import Database

TOUCH_S = 2.0  # between two looks at a process, which also say that it lives
PROCESSES_MAX = 3  # of one worker: one that reads, and others that ask about domains
GIVEN_OUT = 20  # imports that one sweep gives out

log = structlog.get_logger()
_starting = threading.Lock()
_processes: dict[int, SpawnProcess] = {}  # of this worker, by their imports


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
    """Start the process that reads a file into its list, unless this worker has one that reads."""
    database = processes.database()
    with _starting:
        if _is_busy(database):
            return
        with database.write() as connection:
            holder = imports.take(connection, import_id)
        if not holder:
            return
        url = database.url.render_as_string(hide_password=False)
        errand = Errand(url, import_id, holder, os.getpid(), settings.load().log)
        spawning = multiprocessing.get_context("spawn")
        process = spawning.Process(target=import_process.run, args=(errand,), daemon=True)
        process.start()
        _processes[import_id] = process
        threading.Thread(target=_accompany, args=(process, database, errand), daemon=True).start()


def _is_busy(database: Database) -> bool:
    """Whether a process of this worker reads a file, or several still ask about domains."""
    for import_id in [import_id for import_id, process in _processes.items() if not process.is_alive()]:
        del _processes[import_id]
    with database.read() as connection:
        found = [imports.get(connection, import_id) for import_id in _processes]
    return len(found) >= PROCESSES_MAX or any(one is not None and one.under_way for one in found)


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
        log.warning("an import was interrupted", import_id=errand.import_id, exit_code=process.exitcode)


def _look(process: SpawnProcess, database: Database, errand: Errand, *, alive: bool) -> None:
    with database.write() as connection:
        if not alive:
            imports.let_go(connection, errand.import_id, errand.holder)
        elif not imports.keep(connection, errand.import_id, errand.holder):
            found = imports.get(connection, errand.import_id)
            if found is None or found.state is ImportState.CANCELED:
                process.terminate()
