"""Long lists are read in processes of their own: nobody waits behind a huge one, and only so many wait."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.web import running, settings_for
from webapp.http import list_process
from webapp.http.list_process import HUGE, LONG, WAITING, CrowdedError, Lists, weight

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mailing.core.database import Database

LONG_LIST, HUGE_LIST = "a" * LONG, "a" * HUGE


@pytest.fixture
def lists(db: Database) -> Iterator[Lists]:
    lists = Lists(db)
    yield lists
    lists.close()


def wait_for_file(_db: Database, path: str) -> int:
    """Work until ``path`` can be opened: a pipe, which the test opens when it likes."""
    with open(path) as pipe:  # noqa: PTH123
        pipe.read()
    return os.getpid()


def process(_db: Database) -> int:
    return os.getpid()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[str]:
    """A pipe; whoever reads it waits until ``open_gate``."""
    path = str(tmp_path / "gate")
    os.mkfifo(path)
    yield path
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


def open_gate(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY))


async def test_a_short_list_is_read_here_and_a_long_and_a_huge_one_in_processes_of_their_own(lists: Lists):
    pids = [await lists.run(given, process) for given in ("a", LONG_LIST, HUGE_LIST, LONG_LIST)]
    assert pids[0] == os.getpid()
    assert len(set(pids)) == 3
    assert pids[1] == pids[3]


async def test_while_a_huge_list_is_read_others_pass(lists: Lists, gate: str):
    huge = asyncio.ensure_future(lists.run(HUGE_LIST, wait_for_file, gate))
    async with asyncio.timeout(30):
        await lists.run(LONG_LIST, process)
        await lists.run("a", process)
        assert not huge.done()
        await asyncio.to_thread(open_gate, gate)
        assert await huge != os.getpid()


async def test_more_lists_than_may_wait_are_told_to_come_again(lists: Lists, gate: str):
    first = asyncio.ensure_future(lists.run(LONG_LIST, wait_for_file, gate))
    others = [asyncio.ensure_future(lists.run(LONG_LIST, process)) for _ in range(WAITING - 1)]
    await asyncio.sleep(0)  # so that each has begun to wait
    with pytest.raises(CrowdedError) as crowded:
        await lists.run(LONG_LIST, process)
    assert (crowded.value.code, crowded.value.retry_after) == (503, list_process.RETRY_S)
    assert str(WAITING) in str(crowded.value.description)
    async with asyncio.timeout(30):
        await lists.run("a", process)
        await asyncio.to_thread(open_gate, gate)
        await asyncio.gather(first, *others)
        await lists.run(LONG_LIST, process)


def counted(lists: Lists) -> threading.Semaphore:
    """Counts up with each list that is handed in to the process for long ones from now on."""
    handed_in, submit = threading.Semaphore(0), lists._long.submit

    def submitted(work: Any, args: Any) -> Any:
        task = submit(work, args)
        handed_in.release()
        return task

    lists._long.submit = submitted  # type: ignore[method-assign]
    return handed_in


async def test_of_two_lists_that_lose_their_process_neither_takes_the_next_one_s(lists: Lists, gate: str):
    async with asyncio.timeout(60):
        old = await lists.run(LONG_LIST, process)
        handed_in = counted(lists)
        losing = [asyncio.ensure_future(lists.run(LONG_LIST, wait_for_file, gate)) for _ in range(2)]
        for _ in losing:  # what is handed in behind the kill waits in the next process
            await asyncio.to_thread(handed_in.acquire)
        await asyncio.to_thread(os.kill, old, signal.SIGKILL)
        assert all(
            isinstance(it, BrokenProcessPool) for it in await asyncio.gather(*losing, return_exceptions=True)
        )
        fresh = await lists.run(LONG_LIST, process)
        assert fresh != old
        assert await lists.run(LONG_LIST, process) == fresh


async def test_a_crowd_is_told_on_the_page_and_to_programs_and_nothing_typed_is_lost(
    tmp_path: Path, db: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(list_process, "WAITING", 0)
    monkeypatch.setattr(list_process, "LONG", 10)
    form = {
        "from": "a@example.org",
        "subject": "Hi",
        "text": "Typed",
        "recipients": "ann@example.org, b@example.org",
    }
    async with running(settings_for(tmp_path, database_url)) as visitor:
        await visitor.read("/campaigns/new")
        page = await visitor.post("/campaigns", form)
        assert page.status_code == 503
        text = (await page.get_data()).decode()
        assert "long lists are already being read" in text
        assert "ann@example.org, b@example.org" in text
        order = {"subject": "Hi", "text": "x", "recipients": ["a@example.org"], "send": False}
        answer = await visitor.client.post("/api/v1/campaigns", json=order, headers={"Host": "127.0.0.1"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, str(list_process.RETRY_S))
        assert "Try again" in (await answer.get_json())["detail"]


def test_domains_that_take_longer_weigh_more():
    assert weight("a" * 100) == weight(b"a" * 100) == 100
    assert weight("ế" * 100) == 1_000
    assert weight("a@xn--x.example") == 150
    assert weight(b'"\\u4f8b"') == 80
