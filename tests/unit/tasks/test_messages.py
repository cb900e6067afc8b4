"""What may come out of the queue: what Celery would put there for a task of ours, and nothing else."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection

from mailing import migrate
from mailing.settings import load
from tasks.app import app, use
from tasks.messages import NotRunnableError, check
from tasks.sending import send_batch
from tasks.upkeep import sweep

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(autouse=True, scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Celery asks for the name of its installation wherever it sends."""
    folder = tmp_path_factory.mktemp("messages")
    chosen = load({"VOLLEY_INSTANCE": str(folder)})
    migrate.upgrade(chosen.database_url)
    use(chosen)


def put(task: Any, *args: Any, **options: Any) -> dict[str, Any]:
    """What Celery puts into a queue for this call, taken from kombu's own memory."""
    with Connection("memory://") as connection:
        channel = connection.channel()
        with connection.Producer(channel) as producer:
            task.apply_async(args, producer=producer, retry=False, **options)
        message = channel._get(app.conf.task_default_queue)
    return json.loads(json.dumps(message))


@pytest.mark.parametrize(
    ("task", "args", "options"),
    [
        (send_batch, (7,), {"priority": 0}),
        (send_batch, (2**63 - 1,), {"priority": 9}),
        (sweep, (), {"expires": 10}),
    ],
)
def test_what_celery_puts_there_is_run(task: Any, args: tuple[Any, ...], options: dict[str, Any]):
    check(put(task, *args, **options), app.tasks)


@given(JSON)
def test_what_is_anything_else_is_refused_and_breaks_nothing(junk: Any):
    with pytest.raises(NotRunnableError):
        check(junk, app.tasks)


@given(st.data())
def test_a_message_with_a_strange_value_anywhere_is_refused_or_calls_a_task_rightly(data: st.DataObject):
    message = put(send_batch, 7)
    part = data.draw(st.sampled_from([message, message["headers"], message["properties"]]))
    part[data.draw(st.sampled_from(sorted(part)))] = data.draw(JSON)
    try:
        check(message, app.tasks)
    except NotRunnableError:
        return
    assert isinstance(message["headers"], dict)
    assert message["headers"]["task"] in app.tasks
    assert message["headers"]["timelimit"] in (None, [], [None, None]) or not any(
        message["headers"]["timelimit"]
    )
    assert message["headers"]["eta"] is None


@given(JSON)
def test_only_an_id_is_taken_for_a_batch(value: Any):
    message = put(send_batch, 7)
    message["body"] = base64.b64encode(json.dumps([[value], {}, {}]).encode()).decode()
    if type(value) is int and 0 < value < 2**63:
        check(message, app.tasks)
    else:
        with pytest.raises(NotRunnableError):
            check(message, app.tasks)
