"""A forecast says in words how many leave today, when the rest is sent, and what holds it back."""

from __future__ import annotations

from datetime import UTC, datetime

from mailing.senders import forecasts
from mailing.senders.forecasts import Asked, Source
from mailing.senders.limits import Limits
from webapp.ui import foretold

NOW = int(datetime(2026, 11, 26, 9, tzinfo=UTC).timestamp() * 1000)
CLUB = Source("Gmail club", 3, Limits(per_day=500))


def said(left: int, *senders: Source, per_minute: float | None = 100) -> foretold.Foretold:
    return foretold.words(forecasts.band(Asked(NOW, left, senders, per_minute=per_minute)), UTC, NOW)


def test_the_rest_is_told_with_its_day_and_the_quota_by_its_sender() -> None:
    told = said(1_200, CLUB)
    assert told.when == "500 today, the rest until Saturday 00:02"
    assert told.why == "Held back by the daily quota of “Gmail club”; more workers would not help."
    assert (told.band, told.sender) == ("", 3)


def test_what_ends_today_needs_no_day() -> None:
    told = said(3_000, Source("Relay", 1, Limits(per_hour=1_000)))
    assert told.when == "all until 11:30"


def test_a_wide_band_is_told() -> None:
    told = said(1_200, Source("Relay", 1, Limits(per_hour=400)), per_minute=20)
    assert told.band.startswith("between ")


def test_what_is_too_far_away_is_not_told() -> None:
    assert said(10_000_000, CLUB).when == "500 today, the rest later than can be told"
