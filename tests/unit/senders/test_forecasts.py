"""A forecast spreads what is left over days and senders, and names what holds it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from mailing.schedules.schedule import Schedule
from mailing.senders import forecasts
from mailing.senders.forecasts import STRETCH_MS, Asked, Held, Source, Used
from mailing.senders.limits import Limits
from mailing.senders.warmup import Plan
from mailing.senders.windows import DAY_MS, HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = int(datetime(2026, 11, 26, 9, tzinfo=UTC).timestamp() * 1000)
CLUB = Source("Gmail club", 3, Limits(per_24h=500))


def days(asked: Asked) -> Mapping[str, int]:
    return forecasts.foretell(asked).by_day(UTC)


def clock(ms: int | None) -> str:
    return "" if ms is None else f"{datetime.fromtimestamp(ms / 1000, UTC):%d %H:%M}"


def test_without_limits_only_the_speed_counts() -> None:
    told = forecasts.foretell(Asked(NOW, 6_000, [Source("Relay", 1)], per_minute=100))
    assert clock(told.ends_at) == "26 10:00"
    assert told.held == Held(forecasts.SPEED)


def test_a_list_larger_than_the_quota_of_a_day_is_spread_over_days() -> None:
    limited = Source("Gmail club", 3, Limits(per_day=500))
    told = forecasts.foretell(Asked(NOW, 1_200, [limited], per_minute=100))
    assert told.by_day(UTC) == {"2026-11-26": 500, "2026-11-27": 500, "2026-11-28": 200}
    assert clock(told.ends_at) == "28 00:02"
    assert told.held == Held("day", "Gmail club", 3, 500)


def test_what_was_used_of_a_rolling_day_frees_as_it_grows_old() -> None:
    used = [Used(NOW - 23 * HOUR_MS, 300), Used(NOW - HOUR_MS, 200)]
    told = forecasts.foretell(Asked(NOW, 400, [replace(CLUB, used=used)], per_minute=1_000))
    assert [clock(portion.begin) for portion in told.portions] == ["26 10:00", "27 08:00"]
    assert told.held == Held("24h", "Gmail club", 3, 500)


def test_the_next_sender_gives_what_the_first_cannot() -> None:
    other = Source("Relay", 4, Limits(per_24h=1_000))
    assert days(Asked(NOW, 1_500, [CLUB, other], per_minute=600)) == {"2026-11-26": 1_500}
    told = forecasts.foretell(Asked(NOW, 2_100, [CLUB, other], per_minute=600))
    assert {portion.sender for portion in told.portions} == {0, 1}
    assert clock(told.ends_at)[:2] == "27"


def test_a_warmup_grows_from_day_to_day() -> None:
    warm = Source("New", 5, Limits(per_day=500), Plan(cap=50, day="2026-11-26"))
    told = forecasts.foretell(Asked(NOW, 1_000, [warm], per_minute=100))
    assert [*told.by_day(UTC).values()] == [50, 100, 200, 400, 250]
    assert told.held
    assert told.held.by == "warmup"
    stopped = replace(warm, plan=Plan(cap=50, day="2026-11-26", stopped="bad signs"))
    assert [*days(Asked(NOW, 150, [stopped], per_minute=100)).values()] == [50, 50, 50]


def test_the_hours_of_the_day_are_waited_for() -> None:
    mornings = Schedule.of(None, "UTC", "08:00-10:00")
    told = forecasts.foretell(Asked(NOW, 600, [Source("Relay", 1)], per_minute=5, schedule=mornings))
    assert told.by_day(UTC) == {"2026-11-26": 300, "2026-11-27": 300}
    assert clock(told.ends_at) == "27 09:00"
    assert told.held == Held(forecasts.HOURS)


def test_a_limit_of_a_minute_sets_the_speed_and_is_named() -> None:
    slow = Source("Relay", 1, Limits(per_minute=30))
    told = forecasts.foretell(Asked(NOW, 3_600, [slow]))
    assert clock(told.ends_at) == "26 11:00"
    assert told.held == Held("minute", "Relay", 1, 30)


def test_a_limit_of_the_campaign_is_its_own() -> None:
    own = Source(limits=Limits(per_hour=100))
    told = forecasts.foretell(Asked(NOW, 250, [CLUB], campaign=own, per_minute=1_000))
    assert clock(told.ends_at) == "26 11:00"
    assert told.held == Held("hour", "", 0, 100)


def test_a_resting_sender_gives_nothing_until_its_rest_is_over() -> None:
    resting = replace(CLUB, opens_at=NOW + 2 * HOUR_MS)
    told = forecasts.foretell(Asked(NOW, 100, [resting], per_minute=100))
    assert clock(told.ends_at) == "26 11:01"
    assert told.held == Held(forecasts.REST, "Gmail club", 3)


def test_raising_a_limit_or_adding_a_sender_moves_the_end() -> None:
    asked = Asked(NOW, 2_000, [CLUB], per_minute=600)
    end = forecasts.foretell(asked).ends_at
    raised = forecasts.foretell(replace(asked, senders=[replace(CLUB, limits=Limits(per_24h=5_000))])).ends_at
    added = forecasts.foretell(replace(asked, senders=[CLUB, Source("Relay", 4)])).ends_at
    assert clock(end)[:2] == "29"
    assert clock(raised)[:2] == clock(added)[:2] == "26"


def test_the_band_is_wide_where_speed_decides_and_narrow_where_a_quota_does() -> None:
    by_speed = forecasts.band(Asked(NOW, 60_000, [Source("Relay", 1)], per_minute=100))
    assert by_speed.earliest
    assert by_speed.latest
    assert by_speed.latest - by_speed.earliest > 5 * HOUR_MS
    by_quota = forecasts.band(Asked(NOW, 5_000, [CLUB], per_minute=100))
    assert by_quota.earliest
    assert by_quota.latest
    assert by_quota.latest - by_quota.earliest < HOUR_MS


def test_what_is_years_away_has_no_end_and_costs_no_time() -> None:
    told = forecasts.foretell(Asked(NOW, 10_000_000, [Source("One", 1, Limits(per_day=1))], per_minute=1))
    assert told.ends_at is None
    assert len(told.portions) <= forecasts.MOST


def test_nothing_left_ends_now_and_no_sender_never() -> None:
    assert forecasts.foretell(Asked(NOW, 0, [CLUB])).ends_at == NOW
    assert forecasts.foretell(Asked(NOW, 5, [])).ends_at is None


limits_ = st.builds(
    Limits,
    per_second=st.none() | st.integers(1, 50),
    per_minute=st.none() | st.integers(1, 500),
    per_hour=st.none() | st.integers(20, 2_000),
    per_day=st.none() | st.integers(50, 5_000),
    per_24h=st.none() | st.integers(50, 5_000),
)
used_ = st.lists(st.builds(Used, st.integers(NOW - DAY_MS, NOW), st.integers(1, 500)), max_size=5)
sources_ = st.builds(Source, st.just("A"), st.just(1), limits_, used=used_)
asked_ = st.builds(
    Asked,
    st.just(NOW),
    st.integers(1, 5_000),
    st.lists(sources_, min_size=1, max_size=3),
    st.builds(Source, limits=limits_),
    st.none() | st.integers(1, 5_000),
)


@given(asked_)
def test_no_window_ever_holds_more_than_its_limit(asked: Asked) -> None:
    told = forecasts.foretell(asked)
    for place, source in enumerate(asked.senders):
        left = [(it.begin, it.end, it.n) for it in told.portions if it.sender == place]
        _holds(source.limits, left, source.used)
    _holds(asked.campaign.limits, [(it.begin, it.end, it.n) for it in told.portions], ())


def _holds(limits: Limits, left: list[tuple[int, int, float]], used: object) -> None:
    before = [(at - 1, at, n) for at, n in used]  # type: ignore[attr-defined]
    for span, most in ((HOUR_MS, limits.per_hour), (DAY_MS, limits.per_24h)):
        if most is None:
            continue
        for begin, end, _ in left[:50]:
            window = sum(n for first, last, n in (*before, *left) if last > begin - span and first < end)
            own_past = sum(n for _, last, n in before if last > begin - span)
            assert window <= max(most, own_past) + 0.1
    if limits.per_day:
        for day in {end // DAY_MS for _, end, _ in left}:
            sent = sum(n for first, _, n in left if first // DAY_MS == day)
            assert sent <= limits.per_day + 0.1
    for span, most in ((1_000, limits.per_second), (MINUTE_MS, limits.per_minute)):
        for begin, end, n in left if most else ():
            assert most
            assert n <= most * (end - begin) / span + 0.1


@given(sources_, st.integers(1, 5_000), st.none() | st.integers(1, 5_000), st.data())
def test_a_higher_limit_never_ends_later(
    source: Source, left: int, per_minute: int | None, data: st.DataObject
) -> None:
    period = data.draw(st.sampled_from(["per_second", "per_minute", "per_hour", "per_day", "per_24h"]))
    most = getattr(source.limits, period)
    raised = data.draw(st.none() | st.integers(most, 2 * most)) if most else None
    higher = replace(source, limits=replace(source.limits, **{period: raised}))
    ends = [
        forecasts.foretell(Asked(NOW, left, [each], per_minute=per_minute)).ends_at
        for each in (source, higher)
    ]
    assert (ends[1] or 2**62) <= (ends[0] or 2**62) + STRETCH_MS


@given(asked_)
def test_one_more_sender_never_ends_later(asked: Asked) -> None:
    more = replace(asked, senders=[*asked.senders, Source("More", 9, Limits(per_hour=100))])
    one, other = (forecasts.foretell(each).ends_at for each in (asked, more))
    assert (other or 2**62) <= (one or 2**62) + STRETCH_MS
