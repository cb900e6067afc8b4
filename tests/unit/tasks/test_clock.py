"""A bar of time is longer on a busy machine, and never without end."""

from __future__ import annotations

import time

import pytest

from tests.support.clock import MOST, within


def test_what_is_quick_meets_its_bar():
    with within(5):
        time.sleep(0.01)


def test_what_takes_longer_than_a_busy_machine_explains_fails():
    with pytest.raises(AssertionError, match=r"the bar of 0\.02 s is"), within(0.02):
        time.sleep(0.02 * MOST * 1.1)


def test_a_failure_inside_is_told_as_itself():
    with pytest.raises(ZeroDivisionError), within(5):
        raise ZeroDivisionError
