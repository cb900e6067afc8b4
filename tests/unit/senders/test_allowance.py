"""The allowance of a round: whom a sender limits, and who is picked as far as there are permits."""

from __future__ import annotations

from mailing.senders.allowance import Allowance
from mailing.senders.limits import Limits

HOURLY = Limits(per_hour=5)
SOME = Allowance({"gmail": HOURLY, "yahoo": HOURLY}, {"gmail": 2, "yahoo": 1})
ALL = Allowance({"*": HOURLY, "gmail": Limits(per_hour=9)}, {"a.example": 1})


def test_only_those_in_the_table_are_limited_or_all_where_it_says_so() -> None:
    assert SOME.limits("gmail")
    assert not SOME.limits("a.example")
    assert not SOME.of_all
    assert ALL.of_all
    assert ALL.limits("a.example")
    assert ALL.names == ["gmail"]


def test_there_is_room_for_as_many_as_wait_and_have_permits() -> None:
    assert SOME.room({"gmail": 9, "yahoo": 1, "a.example": 4}) == 3
    assert SOME.room({"gmail": 1}) == 1
    assert SOME.room({"gmail": 9, "yahoo": 1}, {"gmail"}) == 1
    assert SOME.room({}) == 0


def test_where_nobody_has_looked_who_waits_a_look_is_worth_it() -> None:
    assert SOME.room(None) == 1


def test_the_first_of_each_receiver_are_picked_as_far_as_there_are_permits() -> None:
    waiting = [(1, "gmail"), (2, "gmail"), (3, "gmail"), (4, "a.example"), (5, "yahoo"), (6, "yahoo")]
    assert SOME.pick(waiting, 10) == {1: "gmail", 2: "gmail", 5: "yahoo"}
    assert SOME.pick(waiting, 2) == {1: "gmail", 2: "gmail"}
    assert SOME.pick(waiting, 0) == {}


def test_what_was_used_is_gone() -> None:
    assert SOME.less(["gmail", "yahoo"]).permits == {"gmail": 1, "yahoo": 0}
    assert SOME.permits == {"gmail": 2, "yahoo": 1}
