"""The events of a campaign through the API, to a program that follows it."""

from __future__ import annotations

import http.client
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import orjson

from tests.support.api import CAMPAIGNS, JSON, order, post
from tests.support.clock import within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quart.typing import TestClientProtocol

    from tests.support.stack import Stack


async def test_the_events_of_a_canceled_campaign_are_how_it_stands_and_the_end(client: TestClientProtocol):
    path = f"{CAMPAIGNS}/{(await post(client, order()))['id']}"
    await client.post(f"{path}/cancel")
    response = await client.get(f"{path}/events")
    assert response.content_type.startswith("text/event-stream")
    blocks = (await response.get_data(as_text=True)).strip().split("\n\n")
    assert [block.split("\n")[0] for block in blocks] == ["event: snapshot", "event: end"]
    assert orjson.loads(blocks[0].split("data: ")[1])["counts"]["canceled"] == 2


def call(stack: Stack, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    with closing(http.client.HTTPConnection("127.0.0.1", stack.web_port, timeout=20)) as line:
        line.request(method, path, orjson.dumps(body) if body else None, JSON)
        answer = line.getresponse()
        assert answer.status in {200, 201}
        return orjson.loads(answer.read())


@contextmanager
def following(stack: Stack, path: str) -> Iterator[http.client.HTTPResponse]:
    """The events of a campaign, from the snapshot on."""
    with closing(http.client.HTTPConnection("127.0.0.1", stack.web_port, timeout=20)) as line:
        line.request("GET", f"{path}/events")
        events = line.getresponse()
        assert events.readline() == b"event: snapshot\n"
        yield events


def test_a_campaign_is_sent_and_followed_through_the_api(make_stack: Callable[..., Stack]):
    """Each email is told while it happens, and the recipients say the same afterwards."""
    stack = make_stack()
    stack.start("redis", "inbox", "worker", "beat", "web")
    pasted = "\n".join(f"u{number}@example.org" for number in range(40)) + "\nx+bounce@example.org"
    path = f"{CAMPAIGNS}/{call(stack, 'POST', CAMPAIGNS, order(recipients=pasted))['id']}"
    with following(stack, path) as events:
        call(stack, "POST", f"{path}/send")
        blocks = events.read().decode().strip().split("\n\n")  # until its end, which is the campaign's
    emails = [
        orjson.loads(block.removeprefix("data: ")) for block in blocks if block.startswith('data: {"type')
    ]
    told = {email["email"]: email for email in emails}
    rows = {row["email"]: row for row in call(stack, "GET", f"{path}/recipients?limit=100")["recipients"]}
    assert {email: row["state"] for email, row in rows.items()} == {
        email: event["state"] for email, event in told.items()
    }
    failed = rows["x+bounce@example.org"]["last_attempt"]
    assert (failed["code"], failed["enhanced"]) == (550, "5.1.1")
    assert failed["reply"] == told["x+bounce@example.org"]["reply"]
    campaign = call(stack, "GET", path)
    assert (campaign["state"], campaign["counts"]["sent"], campaign["counts"]["failed"]) == (
        "finished",
        40,
        1,
    )
    name, data = blocks[-1].split("\n")
    assert (name, orjson.loads(data.removeprefix("data: "))["counts"]) == ("event: end", campaign["counts"])


def test_an_open_stream_does_not_keep_the_server_from_stopping(make_stack: Callable[..., Stack]):
    stack = make_stack()
    stack.start("redis", "web")
    path = f"{CAMPAIGNS}/{call(stack, 'POST', CAMPAIGNS, order())['id']}"
    with following(stack, path) as events:
        while (line := events.readline()) != b"event: beat\n":
            assert line
        with within(5):
            stack.stop("web")
        assert b"event: end" not in events.read()
