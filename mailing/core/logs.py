"""Log records: readable lines in a terminal, JSON for machines (``VOLLEY_LOG=json``).

Every record says what happened as ``action``-like words and carries its ids as keys (``campaign_id``,
``batch``, ``task_id``); the standard library's loggers (Celery, Hypercorn) go the same way.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from structlog.typing import Processor

QUIET = ("aiosmtplib", "hypercorn.access", "mail.log", "asyncio", "celery", "kombu", "alembic")


def configure(kind: str, *, quiet: bool = False) -> None:
    """Send log records to standard error, as ``text`` or as ``json``; ``quiet``: only what went wrong."""
    least = logging.WARNING if quiet else logging.INFO
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso" if kind == "json" else "%H:%M:%S", utc=kind == "json"),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(least),
    )
    last: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if kind == "json"
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=32)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(least)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
