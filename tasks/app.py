"""The Celery app: batches over Redis, JSON only, lost messages allowed (the database is the truth)."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.app.control import Control
from celery.app.events import Events
from celery.events.dispatcher import EventDispatcher
from celery.exceptions import SecurityWarning
from celery.signals import setup_logging
from kombu import Queue, pidbox
from kombu.exceptions import OperationalError
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from mailing import settings
from mailing.core import database_errors, logs
from mailing.redis import prefix as redis_prefix
from mailing.redis import url as redis_url
from tasks import messages

if TYPE_CHECKING:
    from mailing.settings import Settings

QUEUE = "volley"
SWEEP_EVERY_S = 2.0
PUBLISH_TIMEOUT_S = 2.0
VISIBILITY_S = 60  # after this long Redis delivers a task again; a batch's task takes far less

# Celery warns root because of pickle, which is not accepted here.
warnings.filterwarnings("ignore", category=SecurityWarning)


class _App(Celery):
    """Keeps everything it puts into Redis under the name of this installation."""

    @property
    def prefix(self) -> str:
        """What begins every name of this installation in Redis."""
        try:
            return redis_prefix.prefix(self.conf.volley_database_url)
        except SQLAlchemyError as error:
            url = make_url(self.conf.volley_database_url)
            raise OperationalError(database_errors.sentence(error, url)) from error

    def _connection(self, *args: Any, transport_options: Any = None, **options: Any) -> Any:
        named = {**(transport_options or {}), "global_keyprefix": self.prefix}
        return super()._connection(*args, transport_options=named, **options)  # type: ignore[misc]

    def _get_backend(self) -> Any:
        self.conf.result_backend_transport_options = {"global_keyprefix": self.prefix}
        return super()._get_backend()  # type: ignore[misc]


app = _App("volley", include=["tasks.sending", "tasks.upkeep", "tasks.control", "tasks.imports"])
app.conf.update(
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    task_default_queue=QUEUE,
    task_queues=[Queue(QUEUE)],
    task_create_missing_queues=False,
    task_default_priority=5,
    result_expires=3600,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_S,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "queue_order_strategy": "priority",
        "socket_timeout": 5.0,  # above the second that a worker waits for its next message
        "socket_connect_timeout": PUBLISH_TIMEOUT_S,
        "health_check_interval": 10,
        "max_retries": 0,  # a publish without Redis fails at once; workers have a loop of their own
    },
    redis_socket_timeout=5.0,
    redis_socket_connect_timeout=PUBLISH_TIMEOUT_S,
    beat_scheduler="celery.beat:Scheduler",  # keeps nothing on disk: the only entry is due every time
    beat_schedule={
        "sweep": {
            "task": "volley.sweep",
            "schedule": SWEEP_EVERY_S,
            "options": {"priority": 0, "expires": SWEEP_EVERY_S * 5},
        }
    },
    enable_utc=True,
)


# Without Redis, Celery's heartbeats and answers to remote control are tried again for ever, in the thread
# that has to see that the worker is asked to stop. Volley's are tried once.


class _Dispatcher(EventDispatcher):
    def send(self, type: str, *args: Any, **fields: Any) -> Any:  # noqa: A002
        return super().send(type, *args, **{**fields, "retry": False})  # kept until Redis is back


class _Mailbox(pidbox.Mailbox):
    def _publish_reply(self, *args: Any, **options: Any) -> None:
        super()._publish_reply(*args, **options, retry_policy={"max_retries": 0})


class _Events(Events):
    dispatcher_cls = f"{__name__}:_Dispatcher"


class _Control(Control):
    Mailbox = _Mailbox


app.events_cls, app.control_cls = f"{__name__}:_Events", f"{__name__}:_Control"


messages.guard(app, QUEUE)


def use(chosen: Settings) -> None:
    """Connect the app to the Redis of these settings, in the name of their database's installation."""
    app.conf.update(_connection(chosen))


def _connection(chosen: Settings) -> dict[str, Any]:
    return {
        **redis_url.parse(chosen.redis_url).celery,
        "volley_database_url": chosen.database_url,
    }


# Read when needed: a faulty setting is told by a command, not by an import.
app.add_defaults(lambda: _connection(settings.load()))


@setup_logging.connect
def _configure_logging(**_kwargs: Any) -> None:
    logs.configure(settings.load().log)
