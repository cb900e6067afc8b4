"""How long is waited after a fault, and what is told of one that is our own."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from mailing.mailboxes import opening, watching
from mailing.mailboxes.watching import Watcher
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from mailing.core.reasons import Reason


class Diary(watching.Diary):
    def __init__(self) -> None:
        self.told: list[Reason] = []

    def failed(self, seen: Any, reason: Reason) -> None:
        self.told.append(reason)

    def again(self, mailbox_id: int) -> None:
        return None


@pytest.mark.parametrize(
    ("lasts", "first", "most"),
    [
        (False, watching.AWAY_S, watching.AWAY_MOST_S),
        (True, watching.WRONG_S, watching.WRONG_MOST_S),
    ],
)
def test_each_fault_is_waited_after_twice_as_long_up_to_a_bound(
    lasts: bool, first: float, most: float
) -> None:
    watcher = object.__new__(Watcher)
    watcher._faults = 0
    waits = [watcher._pause(lasts=lasts) for _ in range(2_000)]
    assert 0.8 * first <= waits[0] <= 1.2 * first
    for before, after in pairwise(waits[:4]):
        assert after > 1.3 * before
    assert all(0.8 * most <= wait <= 1.2 * most for wait in waits[12:])
    assert len({*waits[12:]}) > 1_000, "all mailboxes ask at the same moment"


def test_a_fault_of_our_own_is_told_at_the_mailbox_with_one_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(opening, "open_mailbox", fails)
    monkeypatch.setattr(watching, "AWAY_S", 0.001)
    monkeypatch.setattr(watching, "AWAY_MOST_S", 0.001)
    diary, mailbox = Diary(), SimpleNamespace(id=1, name="Bounces")
    with structlog.testing.capture_logs() as logged:
        watcher = Watcher(mailbox, "", diary, None)  # type: ignore[arg-type]
        wait_until(lambda: len(diary.told) > 5, "it is looked again and again")
        watcher.stop()
        assert watcher.join(5)
    assert {(it.code, it.values["said"]) for it in diary.told} == {("mailbox.failed", "ZeroDivisionError")}
    mine = [it for it in logged if it["event"] == "a mailbox cannot be watched"]
    assert sum(bool(it.get("exc_info")) for it in mine) == 1
