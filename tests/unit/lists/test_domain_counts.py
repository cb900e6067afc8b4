"""The domains of a list are counted exactly, also when recipients are added, and however many there are."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mailing.lists import domain_counts
from mailing.lists.domain_counts import DomainCounts

BATCHES = st.lists(st.dictionaries(st.sampled_from("abcdefghij"), st.integers(1, 9)), max_size=6)


@given(BATCHES)
def test_what_is_added_piece_by_piece_counts_as_all_at_once(batches):
    domain_counts.TOP, before = 3, domain_counts.TOP
    try:
        counts, whole = DomainCounts(), Counter()
        for more in batches:
            counts = counts.plus(more, {name: whole[name] for name in more if name not in counts.top})
            whole.update(more)
        assert counts == DomainCounts().plus(whole, {})
        assert sum(counts.top.values()) == sum(n for _, n in whole.most_common(3))
        assert len(counts.top) + counts.others == len(whole)
    finally:
        domain_counts.TOP = before


def test_the_most_frequent_come_first_and_as_json_too():
    counts = DomainCounts().plus(domain_counts.count(["a@x.example", "b@y.example", "c@y.example"]), {})
    assert list(counts.top.items()) == [("y.example", 2), ("x.example", 1)]
    assert domain_counts.load(domain_counts.dump(counts)) == counts
    assert list(domain_counts.load(domain_counts.dump(counts)).top) == ["y.example", "x.example"]
