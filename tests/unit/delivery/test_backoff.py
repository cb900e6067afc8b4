import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.delivery.outcome import next_delay_s


@pytest.mark.parametrize(
    ("attempts", "delay"), [(1, 60), (2, 120), (3, 240), (6, 1920), (7, 2880), (1000, 2880)]
)
def test_the_wait_starts_at_a_minute_and_doubles_up_to_the_hour(attempts, delay):
    assert next_delay_s(attempts, 0.5) == delay


def test_chance_spreads_the_wait_by_a_quarter_either_way():
    assert next_delay_s(1, 0.0) == 45
    assert next_delay_s(1, 1.0) == 75


def test_a_wait_the_server_asked_for_is_the_least_and_is_spread_upwards():
    assert next_delay_s(1, 0.0, 300) == 300
    assert next_delay_s(1, 1.0, 300) == 375


def test_a_wait_shorter_than_ours_changes_nothing():
    assert next_delay_s(3, 0.5, 10) == 240


def test_a_wait_above_the_hour_is_honoured():
    assert next_delay_s(1, 0.5, 7200) >= 7200


@given(st.integers(1, 10_000), st.floats(0, 1), st.none() | st.integers(0, 86_400))
def test_no_wait_is_below_45_seconds_or_above_the_hour_unless_asked_for(attempts, chance, asked):
    delay = next_delay_s(attempts, chance, asked)
    assert 45 <= delay <= max(3600, (asked or 0) * 1.25)
    assert delay >= (asked or 0)
