"""How often something may be asked for: so many at once, then one each so often."""

from hypothesis import given
from hypothesis import strategies as st

from mailing.accounts.throttle import Limit
from mailing.redis import limits

LIMIT = Limit(burst=3, every_ms=1000)


def test_a_burst_passes_then_one_each_so_often():
    free_at, told = 0, []
    for now in (10_000, 10_000, 10_000, 10_000, 10_600, 11_000, 11_001):
        free_at, taken = limits.take(free_at, now, LIMIT)
        told.append((taken.wait_ms, taken.left, taken.full_ms))
    assert told == [
        (0, 2, 1000),
        (0, 1, 2000),
        (0, 0, 3000),
        (1000, 0, 3000),
        (400, 0, 2400),
        (0, 0, 3000),
        (999, 0, 2999),
    ]


@given(st.lists(st.integers(0, 2000), max_size=60))
def test_in_no_stretch_of_time_more_pass_than_the_limit_says(steps):
    free_at, now, passed = 0, 0, list[int]()
    for step in steps:
        now += step
        free_at, taken = limits.take(free_at, now, LIMIT)
        assert 0 <= taken.left <= LIMIT.burst
        if not taken.wait_ms:
            passed.append(now)
        else:
            assert not limits.take(free_at, now + taken.wait_ms, LIMIT)[1].wait_ms
    for first, begin in enumerate(passed):
        for last in range(first, len(passed)):
            stretch = passed[last] - begin
            assert last - first + 1 <= LIMIT.burst + stretch // LIMIT.every_ms
