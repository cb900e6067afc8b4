"""Where tasks go."""

from __future__ import annotations

from celery import Celery

from tasks.app import QUEUE, app
from tasks.imports import carry
from tasks.sending import send_batch
from tasks.upkeep import sweep


def test_tasks_belong_to_volleys_app_whatever_other_app_the_process_made_last() -> None:
    other = Celery("other")
    other.set_current()
    try:
        for task in (carry, send_batch, sweep):
            assert task.app is app
    finally:
        app.set_current()


def test_all_tasks_go_to_the_one_queue_that_the_workers_read() -> None:
    assert app.conf.task_default_queue == QUEUE
    assert [queue.name for queue in app.conf.task_queues] == [QUEUE]
