"""How often something may be tried, by several connections at the same moment."""

from __future__ import annotations

from functools import partial

from mailing.accounts.throttle import Limit
from tasks.commands.accounts import people

HOUR = 3_600_000


def test_never_one_more_than_the_burst_passes_though_several_try_at_the_same_moment(backend, at_once):
    for number in range(5):  # also where the row is not there yet
        limit, name = Limit(3, HOUR), f"account:{number}"
        waits = at_once(*(partial(people.count_tries, backend, [(name, limit)]) for _ in range(8)))
        assert all(isinstance(wait, int) for wait in waits), waits
        passed = waits.count(0)
        assert 1 <= passed <= limit.burst
        later = [people.count_tries(backend, [(name, limit)]) for _ in range(4)]
        assert passed + later.count(0) == limit.burst


def test_two_limits_must_both_let_it_pass(backend):
    wide, narrow = ("from:192.0.2.1", Limit(5, HOUR)), ("account:x", Limit(1, HOUR))
    assert people.count_tries(backend, [narrow, wide]) == 0
    assert people.count_tries(backend, [narrow, wide]) > 0
    assert people.count_tries(backend, [("account:y", Limit(1, HOUR)), wide]) == 0
