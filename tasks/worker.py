"""The command that runs the workers: ``python -m tasks.worker [--grace SECONDS]``.

It starts ``VOLLEY_WORKERS`` Celery workers, each a process with a thread pool and an engine of its own
(prefork children die on a SIGTERM to their process group, threads do not), replaces those that die,
and passes a stop on to all of them. What a dead worker had claimed is freed at once: its process is
certainly gone, so its lease need not be waited for.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import Any

import click
import structlog
from sqlalchemy.exc import DBAPIError

from mailing import schema, settings
from mailing.core import database_errors, logs
from mailing.core.database import Database
from mailing.ledger import leases

TASKS_AT_ONCE = 4  # batches that may wait in one process; the engine decides which is served
WATCH_S = 0.2
RESTART_S = 1.0  # between the deaths of a worker and of its successor

log = structlog.get_logger()


class Supervisor:
    """Keeps ``count`` workers running until it is told to stop."""

    def __init__(self, count: int, database: Database, grace_s: float) -> None:
        self._database = database
        self._grace_s = grace_s
        self._stopping = False
        self._workers = [(number, _start(number)) for number in range(1, count + 1)]

    def stop(self, *_args: Any) -> None:
        """Ask all workers to finish what is in flight and end."""
        if not self._stopping:
            self._stopping = True
            self._kill_at = time.monotonic() + self._grace_s
            for _, worker in self._workers:
                worker.send_signal(signal.SIGTERM)

    def run(self) -> None:
        """Watch the workers until all have ended after a stop."""
        while self._workers:
            time.sleep(WATCH_S)
            for number, worker in list(self._workers):
                if worker.poll() is not None:
                    self._workers.remove((number, worker))
                    self._bury(worker)
                    if not self._stopping:
                        time.sleep(RESTART_S)
                    if not self._stopping:  # nor told to stop meanwhile
                        self._workers.append((number, _start(number)))
            if self._stopping and time.monotonic() > self._kill_at:
                for _, worker in self._workers:
                    worker.kill()

    def _bury(self, worker: subprocess.Popen[bytes]) -> None:
        if worker.returncode:
            log.warning("a worker crashed", process=worker.pid, exit_code=worker.returncode)
        try:
            with self._database.write() as connection:
                leases.end_named(connection, leases.name_of(worker.pid))
        except DBAPIError as error:
            reason = database_errors.sentence(error, self._database.url)
            log.warning("its lease was not released; it expires later", process=worker.pid, reason=reason)


def _start(number: int) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "celery",
        "--app=tasks.app",
        "--quiet",
        "worker",
        f"--hostname=volley{number}@%h",
    ]
    options = ["--pool=threads", f"--concurrency={TASKS_AT_ONCE}", "--without-gossip", "--without-mingle"]
    # A group of its own: a SIGTERM to the supervisor's group reaches it once, through the supervisor.
    return subprocess.Popen(  # noqa: S603 - our own command, nothing of it comes from outside
        [*command, *options, "--queues=volley", "--loglevel=WARNING"],
        cwd=settings.ROOT,
        start_new_session=True,
    )


@click.command()
@click.option(
    "--grace", default=330.0, show_default=True, help="Seconds to finish emails in progress when stopping."
)
def main(grace: float) -> None:
    """Run the Celery workers of this machine."""
    chosen = settings.load_or_exit()
    logs.configure(chosen.log)
    schema.require(chosen.database_url, patient=True)
    supervisor = Supervisor(chosen.workers, Database(chosen.database_url, pool_size=1), grace)
    signal.signal(signal.SIGTERM, supervisor.stop)
    signal.signal(signal.SIGINT, supervisor.stop)
    log.info("workers started", workers=chosen.workers)
    supervisor.run()


if __name__ == "__main__":
    main()
