"""What programs send and get, apart from the web."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.addresses.parsing import Refusal
from mailing.campaigns.drafts import Draft
from mailing.core.reasons import Reason
from webapp.api import answers, posted
from webapp.http.problems import Fault, Problem, invalid
from webapp.openapi import headers

if TYPE_CHECKING:
    from collections.abc import Callable

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
FIELDS = ("template", "from", "subject", "text", "html", "recipients", "send", "priority", "give_up_hours")


NO_TEMPLATES = {}.get


def outcome(read: Callable[..., Any], *args: object) -> Any:
    """What ``read`` returns, or the problem that it raises."""
    try:
        return read(*args)
    except Problem as problem:
        return problem


@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), anything))
def test_whatever_is_posted_becomes_an_order_or_a_problem(body: dict[str, object]):
    found = outcome(posted.read_campaign, orjson.dumps(body), "me@example.org", NO_TEMPLATES)
    if isinstance(found, Problem):
        assert found.status == 422
        assert found.faults
        assert all(fault.detail.endswith(".") for fault in found.faults)


@given(st.binary(max_size=50))
def test_whatever_bytes_are_posted_they_are_a_problem(body: bytes):
    with pytest.raises(Problem):
        posted.read_campaign(body, "me@example.org", NO_TEMPLATES)


def test_the_default_from_is_used_where_none_is_given():
    body = {"subject": "s", "text": "t", "send": True, "recipients": [{"email": "a@example.org"}]}
    order = posted.read_campaign(orjson.dumps(body), "Me <me@example.org>", NO_TEMPLATES)
    assert order.draft == Draft("Me <me@example.org>", "s", "t")
    assert order.send


def test_an_answer_names_a_bounded_number_of_refused_lines():
    refused = [Refusal(line, "x", Reason("row.empty")) for line in range(answers.REFUSED_NAMED + 5)]
    answer = answers.refused(refused)
    assert len(answer["refused"]) == answers.REFUSED_NAMED
    assert answer["refused_more"] == 5
    assert "refused_more" not in answers.refused(refused[:1])


@given(st.text(max_size=300))
def test_a_key_is_kept_as_it_is_or_refused(value: str):
    found = outcome(headers.read_key, [value])
    if isinstance(found, Problem):
        assert found.status == 400
    else:
        assert found == value
        assert 0 < len(found) <= 255
        assert found.isascii()
        assert found.isprintable()


def test_two_keys_are_refused():
    with pytest.raises(Problem, match="one value"):
        headers.read_key(["a", "b"])


def test_a_problem_survives_the_way_from_one_process_to_another():
    problem = invalid([Fault("text", "It is empty.", "request.empty-field")], refused=[])
    copy = pickle.loads(pickle.dumps(problem))
    assert (copy.status, str(copy), copy.faults, copy.more) == (
        422,
        str(problem),
        problem.faults,
        {"refused": []},
    )
