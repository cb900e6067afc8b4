"""What lies in the queue and cannot be run is dropped with a line in the log, and no worker dies of it."""

from __future__ import annotations

import base64
import json
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.stack import wait_until
from tests.support.web import DRAFT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack

PEOPLE = [f"p{n}@example.org" for n in range(20)]


def message(**changed: Any) -> dict[str, Any]:
    """A batch as Celery puts it into the queue, but for the parts that are changed."""
    body = changed.get(
        "body", [[10**6], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    )
    headers = {
        "lang": "py",
        "task": "volley.send_batch",
        "id": "f9e0c1f8-6a0a-4a3e-8a0a-1c2d3e4f5a6b",
        "eta": None,
        "expires": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": None,
        "parent_id": None,
        "argsrepr": "",
        "kwargsrepr": "",
        "origin": "",
        "ignore_result": True,
    }
    return {
        "body": base64.b64encode(json.dumps(body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers | changed.get("headers", {}),
        "properties": {
            "correlation_id": "f9e0c1f8-6a0a-4a3e-8a0a-1c2d3e4f5a6b",
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "volley"},
            "priority": 5,
            "body_encoding": "base64",
            "delivery_tag": "0b1c2d3e-6a0a-4a3e-8a0a-1c2d3e4f5a6b",
        }
        | changed.get("properties", {}),
    } | changed.get("message", {})


ENDLESS = "2099-01-01T00:00:00+00:00"
HEADERS = [
    {"timelimit": "x"},
    {"timelimit": ["soon", None]},
    {"timelimit": 7},
    {"timelimit": {}},
    {"timelimit": [0, 0]},
    {"timelimit": [-1, -5]},
    {"timelimit": [1e300, 1]},
    {"eta": "soon"},
    {"eta": 5},
    {"eta": []},
    {"eta": ENDLESS},
    {"expires": "never"},
    {"expires": -1},
    {"expires": {}},
    {"expires": "0001-01-01T00:00:00"},
    {"retries": "many"},
    {"retries": None},
    {"id": None},
    {"id": 7},
    {"id": []},
    {"task": None},
    {"task": 7},
    {"task": []},
    {"task": "volley.unknown"},
    {"task": "celery.backend_cleanup"},
    {"group": []},
    {"shadow": {}},
    {"root_id": []},
    {"ignore_result": "perhaps"},
    {"replaced_task_nesting": "x"},
    {"stamped_headers": 5},
    {"stamps": 5},
    {"origin": 5},
    {"group_index": "x"},
    {"compression": "x"},
    {"compression": "zlib"},
]
BODIES = [
    [],
    {},
    7,
    None,
    "text",
    [[], {}, {}],
    [["x"], {}, {}],
    [[None], {}, {}],
    [[1, 2, 3], {}, {}],
    [[-1], {}, {}],
    [[10**30], {}, {}],
    [[1.5], {}, {}],
    [[[1]], {}, {}],
    [[True], {}, {}],
    [{"batch_id": 1}, {}, {}],
    [[], {"other": 1}, {}],
    [[10**6], {}, {"callbacks": [7], "errbacks": 3, "chain": "x", "chord": 5}],
    [[10**6], {}, {"callbacks": [{"task": "volley.sweep"}], "errbacks": None, "chain": None, "chord": None}],
    [[10**6], {}, None],
    [[10**6], [], 7],
    ["x" * 3_000_000, {}, {}],
]
MESSAGES = [
    {},
    {"body": None},
    {"body": "no base64 !"},
    {"body": 7},
    {"content-type": "application/x-python-serialize"},
    {"content-type": "application/x-yaml"},
    {"content-type": "text/plain"},
    {"content-type": None},
    {"content-encoding": "nonsense"},
    {"content-encoding": 7},
    {"headers": None},
    {"headers": []},
    {"headers": {}},
    {"headers": 7},
    {"properties": None},
    {"properties": []},
    {"properties": {}},
    {"properties": {"delivery_tag": None, "delivery_info": None}},
    {"properties": {"delivery_tag": [], "delivery_info": {}, "body_encoding": "x"}},
]
RAW = [
    b"",
    b"no json",
    b"[]",
    b"{}",
    b"7",
    b"null",
    b'"text"',
    b"\xff\xfe",
    b"[" * 5000,
    json.dumps({"body": "", "properties": {}}).encode(),
    json.dumps({"task": "volley.sweep", "id": "1", "args": [], "kwargs": {}}).encode(),
    pickle.dumps({"task": "volley.sweep"}),
]


def odd() -> list[bytes]:
    changes: list[dict[str, Any]] = [{"headers": h} for h in HEADERS]
    changes += [{"body": b} for b in BODIES]
    changes += [{"message": m} for m in MESSAGES]
    changes += [{"properties": {"priority": p}} for p in ("x", None, 10**9, -1)]
    changes += [{"properties": {"reply_to": r}} for r in (7, [], "x")]
    changes += [{"properties": {"correlation_id": c}} for c in (7, [], None)]
    return [json.dumps(message(**change)).encode() for change in changes] + RAW


def test_no_odd_message_stops_a_worker_or_comes_back(make_stack: Callable[..., Stack]):
    """All at once, each twice, with a real campaign behind them, as a foreign program would put them."""
    stack = make_stack(workers=1)
    stack.start("redis", "sink", "worker", "beat")
    pids = stack.worker_pids()
    client = stack.redis
    queue = f"{client.prefix}volley"
    for _ in range(2):
        client.lpush(queue, *odd())
    campaign = stack.send(DRAFT, PEOPLE)
    stack.wait_for(campaign)
    wait_until(lambda: not client.llen(queue), "the queue is read to its end")
    wait_until(lambda: not client.hlen(f"{client.prefix}unacked"), "nothing is kept to come back")
    assert stack.worker_pids() == pids, stack.log("worker")
    assert stack.delivered() == dict.fromkeys(PEOPLE, 1)
    stack.wait_for(stack.send(DRAFT, ["late@example.org"]))


@pytest.mark.parametrize("headers", [{"timelimit": "x"}, {"eta": ENDLESS}, {"task": "volley.unknown"}])
def test_one_that_cannot_be_run_is_one_line_in_the_log(
    make_stack: Callable[..., Stack], headers: dict[str, Any]
):
    stack = make_stack(workers=1)
    stack.start("redis", "worker")
    client = stack.redis
    client.lpush(f"{client.prefix}volley", json.dumps(message(headers=headers)).encode())
    line = "a message that cannot be run was dropped"
    wait_until(lambda: line in stack.log("worker"), "it is told")
    assert stack.log("worker").count(line) == 1
    assert "Traceback" not in stack.log("worker")
    assert not client.hlen(f"{client.prefix}unacked")
