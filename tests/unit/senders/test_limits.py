"""Limits are read strictly, kept as JSON, and told apart from none."""

from __future__ import annotations

import pytest

from mailing.senders import limits
from mailing.senders.limits import MOST, NONE, Limits, LimitsError


def test_what_was_given_is_what_is_kept_and_read_again() -> None:
    given = {"per_minute": 30, "per_day": 500, "time_zone": "Europe/Berlin"}
    read = limits.parse(given)
    assert read == Limits(per_minute=30, per_day=500, time_zone="Europe/Berlin")
    assert limits.load(limits.dump(read)) == read
    assert list(read.bounds()) == [("per_minute", 30), ("per_day", 500)]


@pytest.mark.parametrize("given", [None, {}, {"per_day": None}, {"time_zone": "Asia/Ho_Chi_Minh"}])
def test_nothing_given_is_no_limit(given: object) -> None:
    read = limits.parse(given)
    assert not read
    assert limits.dump(read) is None
    assert limits.load(None) is NONE


@pytest.mark.parametrize("most", [0, -1, MOST + 1, 10**30, 1.5, "500", True, [1], float("nan")])
@pytest.mark.parametrize("period", limits.PERIODS)
def test_a_limit_that_cannot_be_meant_is_refused_with_a_sentence(period: str, most: object) -> None:
    with pytest.raises(LimitsError, match=r"must be a whole number from 1 to 10,000,000") as refused:
        limits.parse({period: most})
    assert refused.value.fields == (period,)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(LimitsError) as refused:
        limits.parse({"per_day": 0, "per_week": 5, "time_zone": "Mars/Olympus"})
    assert [reason.code for reason in refused.value.reasons] == [
        "limits.whole",
        "limits.unknown",
        "limits.no-zone",
    ]


@pytest.mark.parametrize("given", [5, "500", [1], True])
def test_limits_are_an_object(given: object) -> None:
    with pytest.raises(LimitsError, match="must be an object"):
        limits.parse(given)


@pytest.mark.parametrize("zone", ["../etc/passwd", "/etc/passwd", "no\0zone", "x" * 5000, 5, ["UTC"]])
def test_a_time_zone_is_one_that_the_machine_knows(zone: object) -> None:
    with pytest.raises(LimitsError, match="Unknown time zone"):
        limits.parse({"per_day": 5, "time_zone": zone})


def test_receivers_have_a_table_of_their_own_with_a_line_for_all_others() -> None:
    table = limits.parse_receivers({" Gmail ": {"per_hour": 100}, "*": {"per_second": 5}, "yahoo": None})
    assert table == {"gmail": Limits(per_hour=100), limits.OTHERS: Limits(per_second=5)}
    assert limits.load_receivers(limits.dump_receivers(table)) == table


def test_a_domain_of_a_known_receiver_is_that_receiver() -> None:
    assert limits.parse_receivers({"Gmail.com": {"per_hour": 100}}) == {"gmail": Limits(per_hour=100)}


def test_a_receiver_has_its_own_limits_or_those_of_all_others() -> None:
    table = {"gmail": Limits(per_hour=100), limits.OTHERS: Limits(per_second=5)}
    assert limits.of_receiver(table, "gmail") == Limits(per_hour=100)
    assert limits.of_receiver(table, "a.example") == Limits(per_second=5)
    assert not limits.of_receiver({"gmail": Limits(per_hour=100)}, "a.example")


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 254, 7])
def test_a_receiver_has_a_name(name: object) -> None:
    with pytest.raises(LimitsError):
        limits.parse_receivers({name: {"per_hour": 1}})


def test_a_fault_in_the_table_names_its_receiver() -> None:
    with pytest.raises(LimitsError, match="gmail: The limit per hour must be"):
        limits.parse_receivers({"gmail": {"per_hour": 0}})


def test_the_table_has_an_end() -> None:
    with pytest.raises(LimitsError, match="at most 200"):
        limits.parse_receivers({f"r{n}": {"per_hour": 1} for n in range(201)})
