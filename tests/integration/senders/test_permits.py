"""Permits: at no moment has more left within a window than its limit, whoever looks and whatever dies."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import pytest

from mailing.redis import events
from mailing.senders import permits, windows
from mailing.senders.limits import Limits
from mailing.senders.permits import Permits, Scope
from mailing.senders.windows import Window
from tests.support import redis_servers
from tests.support.clock import within
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import redis

    from mailing.core.database import Database


@pytest.fixture
def server(tmp_path: Path) -> Iterator[redis.Redis]:
    """A Redis server of the test's own."""
    path = tmp_path / "redis.sock"
    with redis_servers.server(tmp_path, f"unix://{path}", "port 0", f"unixsocket {path}") as client:
        yield client


@pytest.fixture
def given(tmp_path: Path, server: redis.Redis, db: Database) -> Permits:
    """The permits of an installation."""
    return Permits(
        events.connect(f"unix://{tmp_path / 'redis.sock'}", db.url.render_as_string(hide_password=False))
    )


def opened(given: Permits, *scopes: Scope) -> None:
    """Fill windows that nobody has filled yet: nothing left so far."""
    for scope in scopes:
        given.refill(scope, [])


def sender(*limits: Window) -> Scope:
    return Scope("sender:1", limits)


def most_within(span_s: float, times: Sequence[float]) -> int:
    """Return the most of these moments that any window of this length holds."""
    ordered, first, most = sorted(times), 0, 0
    for last, moment in enumerate(ordered):
        while moment - ordered[first] >= span_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def test_no_window_ever_holds_more_than_its_limit_and_it_is_used(given: Permits) -> None:
    scope = sender(Window("second", 250, 12), Window("minute", 1000, 40))
    opened(given, scope)
    arrived: list[float] = []
    end = time.monotonic() + 4

    def work(number: int) -> None:
        chance, spent = random.Random(number), 0
        while time.monotonic() < end:
            answer = given.ask(f"{number}", [scope], want=chance.randint(1, 4), held=0, done=spent)
            spent = answer.granted
            for _ in range(answer.granted):
                time.sleep(chance.random() * 0.004)
                arrived.append(time.monotonic())
                time.sleep(chance.random() * 0.004)
            if not answer.granted:
                time.sleep(min(answer.wait_ms, 20) / 1000)

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert most_within(0.25, arrived) <= 12
    assert most_within(1.0, arrived) <= 40
    assert len(arrived) >= 40 * 3


def test_a_permit_counts_from_its_outcome_on_and_not_from_when_it_was_taken(given: Permits) -> None:
    scope = sender(Window("second", 300, 3))
    opened(given, scope)
    assert given.ask("a", [scope], want=3, held=0, done=0).granted == 3
    time.sleep(0.35)
    assert given.ask("b", [scope], want=1, held=0, done=0).granted == 0
    assert given.ask("a", [scope], want=0, held=0, done=3).granted == 0
    refused = given.ask("b", [scope], want=1, held=0, done=0)
    assert (refused.granted, refused.scope, refused.window.name) == (0, "sender:1", "second")
    assert 200 < refused.wait_ms <= 301
    time.sleep(refused.wait_ms / 1000)
    assert given.ask("b", [scope], want=9, held=0, done=0).granted == 3


def test_what_was_not_used_is_free_at_once(given: Permits) -> None:
    scope = sender(Window("hour", windows.HOUR_MS, 5))
    opened(given, scope)
    assert given.ask("a", [scope], want=5, held=0, done=0).granted == 5
    assert given.ask("a", [scope], want=0, held=1, done=1).granted == 0
    assert given.ask("b", [scope], want=5, held=0, done=0).granted == 3


def test_the_tightest_of_all_windows_counts_and_is_named(given: Permits) -> None:
    mine, campaign = (
        sender(Window("hour", windows.HOUR_MS, 8)),
        Scope("campaign:7", [Window("minute", windows.MINUTE_MS, 3)]),
    )
    opened(given, mine, campaign)
    answer = given.ask("a", [mine, campaign], want=5, held=0, done=0)
    assert (answer.granted, answer.scope, answer.window.name) == (3, "campaign:7", "minute")
    assert given.ask("b", [mine], want=9, held=0, done=0).granted == 5


def test_what_a_dead_worker_held_counts_as_spent_once_its_lease_is_over(
    given: Permits, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = sender(Window("second", 400, 4))
    opened(given, scope)
    monkeypatch.setattr(permits, "LEASE_MS", 100)
    assert given.ask("dead", [scope], want=4, held=0, done=0).granted == 4
    began = time.monotonic()
    wait_until(lambda: given.ask("b", [scope], want=4, held=0, done=0).granted == 4, "the window opens again")
    assert time.monotonic() - began >= 0.4


def test_a_redis_that_has_forgotten_lets_nothing_pass_until_it_is_told(
    given: Permits, server: redis.Redis
) -> None:
    scope = sender(Window("minute", windows.MINUTE_MS, 10), Window("hour", windows.HOUR_MS, 100))
    opened(given, scope)
    assert given.ask("a", [scope], want=4, held=0, done=0).granted == 4
    server.flushall()
    began = time.monotonic()
    answers = []

    def told() -> bool:
        answers.append(given.ask("a", [scope], want=4, held=4, done=0))
        return answers[-1].forgotten is not None

    wait_until(told, "it asks to be told")
    assert not any(answer.granted for answer in answers)
    assert time.monotonic() - began >= permits.CLOSED_MS / 1000 - 0.05
    given.refill(scope, [("minute", 30_000, 3), ("minute", 5_000, 2), ("hour", 5_000, 60)])
    given.refill(scope, [("minute", 1, 10)])  # another process, too late
    answer = given.ask("a", [scope], want=9, held=4, done=0)
    assert (answer.granted, answer.window.name) == (1, "minute")
    assert 29_000 < answer.wait_ms <= 31_000 or answer.wait_ms == 1


def test_a_sender_that_is_new_to_a_redis_that_knows_need_not_wait(given: Permits) -> None:
    given.begin()
    time.sleep(1.05 * permits.CLOSED_MS / 1000)
    scope = Scope("sender:9", (Window("minute", windows.MINUTE_MS, 10),))
    answer = given.ask("a", [scope], want=4, held=0, done=0)
    assert (answer.granted, answer.wait_ms, answer.forgotten) == (0, 0, scope)
    given.refill(scope, [])
    assert given.ask("a", [scope], want=4, held=0, done=0).granted == 4


def test_a_calendar_day_begins_at_its_midnight(given: Permits, server: redis.Redis) -> None:
    now = int(time.time() * 1000)
    ending = sender(Window("day", windows.DAY_MS, 5, now - windows.DAY_MS + 300))
    opened(given, ending)
    assert given.ask("a", [ending], want=9, held=0, done=0).granted == 5
    refused = given.ask("a", [ending], want=9, held=0, done=5)
    assert (refused.granted, refused.window.name) == (0, "day")
    assert refused.wait_ms <= 300
    begun = sender(Window("day", windows.DAY_MS, 5, now + 300))
    assert given.ask("a", [begun], want=9, held=0, done=0).granted == 5


def test_what_is_kept_of_a_busy_sender_stays_small(given: Permits, server: redis.Redis) -> None:
    scope = sender(*windows.of(Limits(per_second=1000, per_minute=20_000, per_24h=10_000_000), 0))
    opened(given, scope)
    granted = 0
    with within(0.5):
        for _ in range(300):
            granted = given.ask("a", [scope], want=3, held=0, done=granted).granted
    assert server.hlen(next(server.scan_iter("*:spent"))) < 900
    given.ask("a", [scope], want=0, held=0, done=granted)
    assert not list(server.scan_iter("*:held"))
