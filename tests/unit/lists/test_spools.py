"""A spool gives recipients as they came, as often as they are asked for, in the memory of one block."""

from __future__ import annotations

import tracemalloc
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.addresses.findings import Entry
from mailing.lists import spools
from mailing.lists.spools import Spool

VALUES = st.text(st.characters(exclude_categories=["Cs"])) | st.booleans() | st.integers(-(2**63), 2**63 - 1)
FIELDS = st.none() | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUES | st.just(0.5))
PEOPLE = st.lists(
    st.builds(Entry, st.integers(1, 9), st.sampled_from(["a@x.example"]), st.text("Äé ☃"), FIELDS)
)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(spools, "BLOCK", 2)


@given(PEOPLE, PEOPLE)
def test_recipients_come_as_they_went_in_and_again(some, others):
    with closing(Spool()) as spool:
        spool.fill(some)
        spool.fill(others)
        assert [*spool] == [*spool] == [*some, *others]
        assert len(spool) == len(some) + len(others)


@pytest.mark.usefixtures("small")
def test_two_readers_do_not_disturb_each_other():
    people = [Entry(n, f"p{n}@x.example") for n in range(5)]
    with closing(Spool()) as spool:
        spool.fill(iter(people))
        one, other = iter(spool), iter(spool)
        assert [next(one), next(one), next(one), next(other), next(one), next(other)] == [
            *(people[0], people[1], people[2], people[0], people[3], people[1])
        ]
        assert people[4] in spool
        assert Entry(1, "nobody@x.example") not in spool


def test_ten_times_as_many_take_no_more_memory():
    def most(n):
        tracemalloc.start()
        with closing(Spool()) as spool:
            spool.fill(
                Entry(at, f"p{at}@x.example", f"Person {at}", {"city": f"City {at}"}) for at in range(n)
            )
            assert sum(1 for _ in spool) == n
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert most(20_000) < 1.5 * most(2_000)
