"""What one worker process owns: its database pool, its Redis client, its engine.

The engine starts with the Celery worker and ends with it: on SIGTERM it claims no more at once, while
Celery waits for its tasks. A process whose engine or parent died ends itself.
"""

from __future__ import annotations

import functools
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import structlog
from celery.signals import worker_init, worker_shutdown, worker_shutting_down

from mailing import rulebook_file, settings
from mailing.core.database import Database
from mailing.delivery.engine import Engine
from mailing.delivery.outlets import Outlets
from mailing.domains import ways
from mailing.ledger.leases import NoticeKind, WorkerNotice
from mailing.redis import events

if TYPE_CHECKING:
    from pathlib import Path

    from mailing.core.reasons import Reason
    from mailing.domains.ways import Ours

STOP_S = 330.0  # longer than the longest SMTP timeout; the supervisor decides whether to wait so long
WATCH_S = 0.5
ORPHAN_GRACE_S = 4.0
EXIT_ENGINE_DIED, EXIT_ORPHANED = 70, 71

log = structlog.get_logger()


@functools.cache
def database() -> Database:
    """Return this process's connection pool."""
    return Database(settings.load().database_url)


@functools.cache
def redis_client() -> events.Client:
    """Return this process's Redis client for news."""
    chosen = settings.load()
    return events.connect(chosen.redis_url, chosen.database_url)


@functools.cache
def secret_key() -> str:
    """Return the key under which secrets are sealed."""
    return settings.load().secret_key


@functools.cache
def ours() -> Ours:
    """Return what the settings say of how mail leaves."""
    return ways.ours(settings.load())


@functools.cache
def dialogue_days() -> int:
    """Return for how many days the dialogues of attempts that did not send are kept."""
    return settings.load().dialogue_days


_lock = threading.Lock()
_engine: Engine | None = None


def engine() -> Engine:
    """Return this process's engine, started on first use."""
    global _engine  # noqa: PLW0603 - one per process; Celery has no better place for it
    with _lock:
        if _engine is None:
            chosen = settings.load()
            outlets = Outlets(
                mail=chosen.sender,
                rehearsals=chosen.demo_inbox,
                secret_key=chosen.secret_key,
                database=database(),
                bounce_domain=chosen.bounce_domain,
                site=chosen.site.url,
            )
            if chosen.rulebook:
                _follow(chosen.rulebook, outlets)
            _engine = Engine(database(), redis_client(), outlets)
            _engine.start()
        return _engine


def _follow(path: Path, outlets: Outlets) -> None:
    """Judge by the operator's rulebook, and tell with the beats where it cannot be used as it is now."""

    def told(fault: Reason | None) -> None:
        outlets.remark = WorkerNotice(NoticeKind.REMARK, fault) if fault else WorkerNotice()

    rulebook_file.Watch(path, told).start()


@worker_init.connect
def _begin(**_kwargs: Any) -> None:
    threading.Thread(target=_watch, args=(engine(), os.getppid()), name="volley-watch", daemon=True).start()


@worker_shutting_down.connect
def _halt(**_kwargs: Any) -> None:
    engine().halt()


@worker_shutdown.connect
def _end(**_kwargs: Any) -> None:
    engine().stop(STOP_S)


def _watch(watched: Engine, parent: int) -> None:
    """End a process that cannot send any more, or that nobody can stop any more."""
    while True:
        time.sleep(WATCH_S)
        if not watched.running:
            log.critical("the engine is gone; this worker ends")
            os._exit(EXIT_ENGINE_DIED)
        if os.getppid() != parent:
            if watched.halted:
                os._exit(EXIT_ORPHANED)
            log.warning("the supervisor is gone; this worker ends")
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(ORPHAN_GRACE_S)
