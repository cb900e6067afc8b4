"""The events of a campaign: a snapshot first, each email once, the end only when it is certain."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from webapp.api import events
from webapp.live.hub import FEED_LIMIT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from webapp.live.hub import Feed


class Channel:
    """Stands for the hub: one listener, and what the test publishes to it."""

    def __init__(self) -> None:
        self.feed: Feed | None = None

    @asynccontextmanager
    async def listening(self, feed: Feed, channel: str) -> AsyncIterator[None]:
        assert channel == "campaign:7"
        self.feed = feed
        feed.miss()  # what was published before the subscription is not known
        yield
        self.feed = None

    def publish(self, **event: Any) -> None:
        assert self.feed is not None
        self.feed.hear([(orjson.dumps(event), event)])


class Campaign:
    """Stands for the database."""

    def __init__(self, state: str = "sending", sending: int = 0) -> None:
        self.now = {"state": state, "counts": {"sending": sending}}

    async def read(self) -> dict[str, Any]:
        return self.now


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BEAT_S", 0.01)


def parsed(part: bytes) -> list[tuple[str, Any]]:
    """The names and the data of the events in ``part``."""
    found = []
    for block in part.decode().removesuffix("\n\n").split("\n\n"):
        *names, data = block.split("\n")
        name = names[0].removeprefix("event: ") if names else ""
        found.append((name, orjson.loads(data.removeprefix("data: "))))
    return found


async def test_emails_are_told_after_the_snapshot_and_nothing_else_is():
    channel, campaign = Channel(), Campaign()
    stream = events.campaign_events(channel, 7, campaign.read)
    assert parsed(await anext(stream)) == [("snapshot", campaign.now)]
    channel.publish(type="claimed", recipients=[1])
    channel.publish(type="recipient", recipient=1)
    channel.publish(type="campaign", state="sending")
    channel.publish(type="recipient", recipient=2)
    assert [data["recipient"] for _, data in parsed(await anext(stream))] == [1, 2]
    assert parsed(await anext(stream)) == [("beat", {})]
    await stream.aclose()


async def test_the_end_waits_for_what_is_in_flight():
    channel, campaign = Channel(), Campaign("canceled", sending=1)
    stream = events.campaign_events(channel, 7, campaign.read)
    assert [parsed(await anext(stream))[0][0] for _ in range(2)] == ["snapshot", "beat"]
    campaign.now["counts"]["sending"] = 0
    channel.publish(type="recipient", recipient=1)
    assert [parsed(await anext(stream))[0][0] for _ in range(2)] == ["", "end"]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_program_that_reads_too_slowly_is_told_to_come_again():
    channel, campaign = Channel(), Campaign()
    stream = events.campaign_events(channel, 7, campaign.read)
    await anext(stream)
    for number in range(FEED_LIMIT + 1):
        channel.publish(type="recipient", recipient=number)
    assert [name async for part in stream for name, _ in parsed(part)] == ["overflow"]
    assert channel.feed is None


async def test_a_gap_in_the_news_is_told():
    channel, campaign = Channel(), Campaign()
    stream = events.campaign_events(channel, 7, campaign.read)
    await anext(stream)
    channel.feed.miss()
    assert [name async for part in stream for name, _ in parsed(part)] == ["overflow"]


async def test_a_stream_ends_with_the_server_and_does_not_call_that_the_end():
    channel, campaign = Channel(), Campaign()
    stream = events.campaign_events(channel, 7, campaign.read)
    await anext(stream)
    channel.feed.end()
    assert "end" not in [name async for part in stream for name, _ in parsed(part)]
