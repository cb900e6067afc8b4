"""A campaign of which too many complain pauses, and says why; a person decides, and it counts anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailing.campaigns import lifecycle
from mailing.core.reasons import UnfitError
from mailing.core.states import CampaignAction, CampaignState
from mailing.ledger.breaker import USUAL, Breaker, warns
from tests.integration.bounces.test_recording import SENT, address_of, take
from tests.support import bounces
from tests.support.web import campaign_in, deliver
from tests.support.web import store as store_campaign

if TYPE_CHECKING:
    from mailing.core.database import Database

PEOPLE = [f"p{n}@x.example" for n in range(40)]


def sending(db: Database, sent: int = 30) -> int:
    campaign_id = store_campaign(db, "\n".join(PEOPLE), send=True)
    deliver(db, *[SENT] * sent, campaign_id=campaign_id)
    return campaign_id


def complain(db: Database, campaign_id: int, *people: str) -> None:
    take(db, *[bounces.complaint(original_from=address_of(db, campaign_id, it)) for it in people])


def test_the_third_complaint_pauses_with_the_share_as_its_reason(db: Database) -> None:
    campaign_id = sending(db)
    complain(db, campaign_id, *PEOPLE[:2])
    campaign = campaign_in(db, campaign_id)
    assert campaign
    assert campaign.state is CampaignState.SENDING
    complain(db, campaign_id, PEOPLE[2])
    campaign = campaign_in(db, campaign_id)
    assert campaign
    assert campaign.state is CampaignState.PAUSED
    said = "3 of 30 recipients reported the email as spam; the limit is 0.3%."
    assert str(campaign.paused_reason) == said


def test_after_a_person_resumes_it_counts_anew(db: Database) -> None:
    campaign_id = sending(db)
    complain(db, campaign_id, *PEOPLE[:3])
    with db.write() as connection:
        lifecycle.act(connection, campaign_id, CampaignAction.RESUME)
    complain(db, campaign_id, *PEOPLE[3:5])
    campaign = campaign_in(db, campaign_id)
    assert campaign
    assert campaign.state is CampaignState.SENDING
    complain(db, campaign_id, PEOPLE[5])
    campaign = campaign_in(db, campaign_id)
    assert campaign
    assert campaign.state is CampaignState.PAUSED


def test_a_small_share_pauses_nothing_and_is_warned_of_before() -> None:
    assert not USUAL.trips_for(3, 1_001)
    assert USUAL.trips_for(3, 1_000)
    assert not USUAL.trips_for(2, 10)
    assert USUAL.trips_for(30, 10_000)
    assert not USUAL.trips_for(29, 10_000)
    assert warns(10, 10_000)
    assert not warns(9, 10_000)
    assert not Breaker(complaints=0).trips_for(500, 500)


def test_numbers_that_mean_nothing_are_refused_and_older_ones_are_read() -> None:
    with pytest.raises(UnfitError, match="from 0 to 1,000"):
        Breaker(complaints=1_001)
    with pytest.raises(UnfitError, match="from 1 to 1,000"):
        Breaker(complaints_at_least=0)
    assert Breaker.load({"percent": 5, "of_last": 100, "at_least": 9}) == Breaker(5, 100, 9)
