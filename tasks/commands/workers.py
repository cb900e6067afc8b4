"""Commands about workers: they take batches, or no more, by so many connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts import audit
from tasks import control
from tasks.commands.backend import note

if TYPE_CHECKING:
    from mailing.core.actors import Actor
    from tasks.commands.backend import Backend


def take_batches(backend: Backend, actor: Actor, worker: str, *, consuming: bool, workers: int) -> None:
    """Have a worker take batches, or take no more. Raises ``Unanswered``: see ``control``."""
    action = "start worker" if consuming else "stop worker"
    with backend.db.write() as connection:  # a worker that does not answer may have done it
        audit.record(connection, actor, action, worker=worker)
    control.take_batches(worker, consuming=consuming, workers=workers)
    note(actor, action, worker=worker)


def resize(backend: Backend, actor: Actor, worker: str, *, connections: int, workers: int) -> None:
    """Have a worker open at most so many SMTP connections. Raises ``Unanswered``: see ``control``."""
    with backend.db.write() as connection:
        audit.record(connection, actor, "resize worker", worker=worker, connections=connections)
    control.resize(worker, connections, workers=workers)
    note(actor, "resize worker", worker=worker, connections=connections)
