"""How much one transaction takes follows from how long the last one took."""

from __future__ import annotations

import contextlib
import gc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.core.states import RecipientAction
from mailing.core.strides import HELD_S, LEAST, MOST, Stride
from webapp.campaigns import notices

if TYPE_CHECKING:
    from mailing.core.database import Database

TOOK = st.floats(0, 100, allow_nan=False)


@given(took=st.lists(TOOK, max_size=50))
def test_a_stride_stays_within_its_bounds_and_grows_by_half_at_most(took: list[float]) -> None:
    stride = Stride()
    for seconds in took:
        before = stride.rows
        stride.learn(seconds)
        assert LEAST <= stride.rows <= min(MOST, before * 3 // 2)
        assert stride.took_s == seconds


@given(per_row=st.floats(1e-6, 1e-2))
def test_it_comes_to_take_as_long_as_it_should_on_any_machine(per_row: float) -> None:
    stride = Stride()
    for _ in range(20):
        stride.learn(stride.rows * per_row)
    assert stride.rows in {LEAST, MOST} or 0.6 * HELD_S <= stride.rows * per_row <= 1.05 * HELD_S


def test_what_took_too_long_is_shortened_at_once() -> None:
    stride = Stride(MOST)
    stride.learn(4 * HELD_S)
    assert stride.rows == MOST // 4


@pytest.mark.parametrize("fails", [False, True])
def test_while_the_lock_is_held_no_garbage_is_collected(db: Database, fails: bool) -> None:
    assert gc.isenabled()
    with pytest.raises(RuntimeError) if fails else contextlib.nullcontext(), Stride().write(db):
        assert not gc.isenabled()
        if fails:
            raise RuntimeError
    assert gc.isenabled()


def test_each_decision_that_may_go_on_for_long_has_its_words() -> None:
    assert set(notices._DOING) == set(RecipientAction)
