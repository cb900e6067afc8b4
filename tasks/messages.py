"""What may come out of the queue. Whoever can write to Redis can put anything there, also by mistake.

Celery trusts its messages: one with a time limit that is no number ends the worker that takes it, comes
back, and ends the next. So each is looked at before Celery sees it, and what no task of ours can be is
dropped with a line in the log. That loses nothing: the database is the truth (P1), and the sweep gives out
again what it misses in the queue.
"""

from __future__ import annotations

import base64
import inspect
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog
from kombu.transport import TRANSPORT_ALIASES, redis

from mailing.core.bounds import LARGEST_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from celery import Celery

LARGEST_BODY = 64 * 1024  # characters: a task carries ids and little else
YEARS = range(2000, 9000)
_JUNK = (
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)  # of a message, none of a connection

log = structlog.get_logger(__name__)


class NotRunnableError(ValueError):
    """A message that no task can be run with; the text is why."""


def check(message: Any, tasks: Mapping[str, Callable[..., Any]]) -> None:
    """Raise ``NotRunnableError`` unless ``message``, as it lay in Redis, calls one of ``tasks`` rightly."""
    try:
        _check_coding(message)
        _check_frame(message["headers"], message["properties"])
        _check_call(tasks[message["headers"]["task"]], message["body"])
    except NotRunnableError:
        raise
    except _JUNK as error:
        raise NotRunnableError(f"it is not a task of Volley: {type(error).__name__}") from None


def _check_coding(message: Any) -> None:
    if message["content-type"] != "application/json" or message["content-encoding"] != "utf-8":
        raise NotRunnableError("it is not JSON in UTF-8")
    if message["properties"]["body_encoding"] != "base64" or len(message["body"]) > LARGEST_BODY:
        raise NotRunnableError("its body has another encoding or is too long")


def _check_frame(headers: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
    if headers["eta"] is not None or any(headers["timelimit"] or ()) or headers.get("compression"):
        raise NotRunnableError("it has a start time, time limit or compression, and no task has one")
    if headers["expires"] is not None and datetime.fromisoformat(headers["expires"]).year not in YEARS:
        raise NotRunnableError("its expiry is not a valid year")
    if headers["retries"] != 0 or headers.get("group") or headers.get("stamped_headers"):
        raise NotRunnableError("it belongs to a group or chain, and no task does")
    names = (headers["id"], properties["correlation_id"], properties["delivery_tag"])
    texts = (properties["reply_to"], headers.get("origin") or "", headers.get("shadow") or "")
    if not all(isinstance(text, str) for text in (*names, *texts)) or not all(names):
        raise NotRunnableError("it has no name")
    if not isinstance(properties["priority"], int) or not isinstance(properties["delivery_info"], dict):
        raise NotRunnableError("it has no queue")


def _check_call(task: Callable[..., Any], body: str) -> None:
    args, kwargs, embedded = json.loads(base64.b64decode(body, validate=True))
    if kwargs or any((embedded or {}).values()):
        raise NotRunnableError("it has more than arguments")
    if not isinstance(args, list):
        raise NotRunnableError("its arguments are not a list")
    bound = inspect.signature(task).bind(*args)
    for name, value in bound.arguments.items():
        wanted = bound.signature.parameters[name].annotation
        if wanted == "int" and (type(value) is not int or not 0 < value <= LARGEST_ID):
            raise NotRunnableError(f"its {name} is not an id")
        if wanted == "str" and not isinstance(value, str):
            raise NotRunnableError(f"its {name} is not text")


class Channel(redis.Channel):
    """kombu's, but what is no JSON is dropped instead of ending the loop that reads."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except (ValueError, RecursionError) as error:
            _drop(f"it is not JSON: {type(error).__name__}")
            return True


class Transport(redis.Transport):
    """kombu's, but only what can be run comes out of the queue of tasks."""

    Channel = Channel
    app: Celery
    queue = ""

    def _deliver(self, message: Any, queue: str | None) -> None:
        try:
            if queue == self.queue:
                check(message, self.app.tasks)
        except NotRunnableError as error:
            _drop(str(error))
            return
        super()._deliver(message, queue)


def guard(app: Celery, queue: str) -> None:
    """Let every connection of this process take from ``queue`` only what calls a task of ``app``."""
    Transport.app, Transport.queue = app, queue  # its tasks are asked for when there is a message
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"


def _drop(reason: str) -> None:
    log.warning("a message that cannot be run was dropped", reason=reason)
