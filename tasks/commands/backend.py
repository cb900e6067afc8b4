"""What commands change, and where they tell of it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from mailing.core.database import Database
from mailing.redis import events
from tasks.app import use

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.core.actors import Actor
    from mailing.settings import Settings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Backend:
    """What commands change, and where they tell of it: the database, and Redis for news and work."""

    db: Database
    news: events.Client


@contextmanager
def opened(settings: Settings, *, connections: int) -> Iterator[Backend]:
    """Open the database and Redis of these settings, and close them afterwards."""
    use(settings)
    db = Database(settings.database_url, pool_size=connections)
    news = events.connect(settings.redis_url, settings.database_url)
    try:
        yield Backend(db, news)
    finally:
        news.close()
        db.close()


def note(actor: Actor, action: str, **about: object) -> None:
    """Log who changed what."""
    log.info("changed", action=str(action), actor=str(actor), **about)
