"""The command that runs the workers: ``python -m tasks.worker [--grace SECONDS]``.

It starts ``VOLLEY_WORKERS`` Celery workers, each a process with a thread pool and an engine of its own
(Celery's prefork children die on a SIGTERM to their process group, threads do not), replaces those that die,
and passes a stop on to all of them. They are forks of this process, which has loaded all that they run and
opens nothing: they start at once, and share its memory. What a dead worker had claimed is freed at once: its
process is certainly gone, so its lease need not be waited for.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click
import structlog
from sqlalchemy.exc import DBAPIError

from mailing import schema, settings
from mailing.core import database_errors, logs
from mailing.core.database import Database
from mailing.ledger import leases

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from celery import Celery

TASKS_AT_ONCE = 4  # batches that may wait in one process; the engine decides which is served
WATCH_S = 0.2
STOPS = (signal.SIGTERM, signal.SIGINT)
RESTART_S = 1.0  # between the deaths of a worker and of its successor

log = structlog.get_logger()


class Supervisor:
    """Keeps ``count`` workers running until it is told to stop."""

    def __init__(self, app: Celery, count: int, database_url: str, grace_s: float) -> None:
        self._app = app
        self._database_url = database_url
        self._grace_s = grace_s
        self._stopping = False
        self._workers = [(number, _start(app, number)) for number in range(1, count + 1)]

    def stop(self, *_args: Any) -> None:
        """Ask all workers to finish what is in flight and end."""
        if not self._stopping:
            self._stopping = True
            self._kill_at = time.monotonic() + self._grace_s
            for _, worker in self._workers:
                worker.terminate()

    def run(self) -> None:
        """Watch the workers until all have ended after a stop."""
        while self._workers:
            time.sleep(WATCH_S)
            for number, worker in list(self._workers):
                if worker.exitcode is not None:
                    self._workers.remove((number, worker))
                    self._bury(worker)
                    if not self._stopping:
                        time.sleep(RESTART_S)
                    if not self._stopping:  # nor told to stop meanwhile
                        self._workers.append((number, _start(self._app, number)))
            if self._stopping and time.monotonic() > self._kill_at:
                for _, worker in self._workers:
                    worker.kill()

    def _bury(self, worker: BaseProcess) -> None:
        assert worker.pid
        if worker.exitcode:
            log.warning("a worker crashed", process=worker.pid, exit_code=worker.exitcode)
        database = Database(self._database_url, pool_size=1)  # closed again: its successor inherits nothing
        try:
            with database.write() as connection:
                leases.end_named(connection, leases.name_of(worker.pid))
        except DBAPIError as error:
            reason = database_errors.sentence(error, database.url)
            log.warning("its lease was not released; it expires later", process=worker.pid, reason=reason)
        finally:
            database.close()


def _load() -> Celery:
    """Load what the workers run: not with this module, which their imports' processes load again."""
    for name in ("celery.apps.worker", "celery.bin.celery", "celery.concurrency.thread"):
        import_module(name)
    app: Celery = import_module("tasks.app").app
    app.loader.import_default_modules()
    gc.collect()
    gc.freeze()  # what is loaded stays, and stays shared
    return app


def _start(app: Celery, number: int) -> BaseProcess:
    worker = multiprocessing.get_context("fork").Process(target=_run, args=(app, number))
    held = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        worker.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
    return worker


def _run(app: Celery, number: int) -> None:
    """Be a Celery worker."""
    os.setsid()  # a SIGTERM to the supervisor's group reaches us once, through the supervisor
    for each in STOPS:
        signal.signal(each, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    options = ["--pool=threads", f"--concurrency={TASKS_AT_ONCE}", "--without-gossip", "--without-mingle"]
    name = f"--hostname=volley{number}@%h"
    app.worker_main(["--quiet", "worker", name, *options, "--queues=volley", "--loglevel=WARNING"])


@click.command()
@click.option(
    "--grace", default=330.0, show_default=True, help="Seconds to finish emails in progress when stopping."
)
def main(grace: float) -> None:
    """Run the Celery workers of this machine."""
    chosen = settings.load_or_exit()
    logs.configure(chosen.log)
    schema.require(chosen.database_url, patient=True)
    supervisor = Supervisor(_load(), chosen.workers, chosen.database_url, grace)
    signal.signal(signal.SIGTERM, supervisor.stop)
    signal.signal(signal.SIGINT, supervisor.stop)
    log.info("workers started", workers=chosen.workers)
    supervisor.run()


if __name__ == "__main__":
    main()
