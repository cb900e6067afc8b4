"""Storing and changing campaigns: what is refused before anything is sent, and who wins a race."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from mailing import addresses, campaigns, drafts, ledger
from mailing.campaigns import Draft, NotAllowed
from mailing.models import batches, recipients
from mailing.states import CampaignAction, CampaignState, RecipientState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.database import Database


def store(db: Database, text: str, rows: list[Mapping[str, object]] | str) -> int:
    parsed = addresses.parse_pasted(rows) if isinstance(rows, str) else addresses.parse_rows(rows)
    with db.write() as connection:
        return campaigns.create(connection, Draft("a@b.example", "About {{ name }}", text), parsed)


def faults(db: Database, campaign_id: int) -> tuple[str, ...]:
    with db.read() as connection:
        return campaigns.faults(connection, campaign_id)


def test_a_stored_list_is_balanced_and_cut_into_batches_that_cover_it_once(db: Database) -> None:
    campaign_id = store(db, "hi", "\n".join(f"u{i}@x.example" for i in range(1234)))
    with db.read() as connection:
        assert ledger.counts(connection, campaign_id)[RecipientState.QUEUED] == 1234
        covered = connection.execute(
            select(func.count())
            .select_from(recipients)
            .join(batches, recipients.c.id.between(batches.c.first_id, batches.c.last_id))
        ).scalar_one()
    assert covered == 1234


def test_a_list_of_name_and_email_needs_no_other_field(db: Database) -> None:
    assert faults(db, store(db, "Dear {{ name }}, {{ email }}", "a@x.example")) == ()


def test_a_field_that_some_lack_is_refused_with_the_field_and_their_addresses(db: Database) -> None:
    rows = [{"email": "a@x.example", "city": "Hue"}, {"email": "b@x.example"}]
    (fault,) = faults(db, store(db, "in {{ city }}", rows))
    assert "{{ city }}" in fault
    assert "b@x.example" in fault
    assert "a@x.example" not in fault


def test_a_field_with_a_default_may_be_missing(db: Database) -> None:
    rows = [{"email": "a@x.example", "city": "Hue"}, {"email": "b@x.example"}]
    assert faults(db, store(db, "in {{ city or 'town' }}", rows)) == ()


def test_a_line_break_in_a_field_of_the_subject_is_refused_before_sending(db: Database) -> None:
    parsed = addresses.parse_rows([{"email": "a@x.example", "city": "Hue\r\nBcc: x@y.example"}])
    with db.write() as connection:
        draft = Draft("a@b.example", "News of {{ city }}", "text")
        campaign_id = campaigns.create(connection, draft, parsed)
    found = faults(db, campaign_id)
    assert found or not parsed.entries
    assert all("city" in fault for fault in found)


def test_an_empty_list_cannot_be_sent_and_says_so(db: Database) -> None:
    campaign_id = store(db, "hi", "nobody")
    with pytest.raises(NotAllowed, match="no address"), db.write() as connection:
        campaigns.act(connection, campaign_id, CampaignAction.SEND)


def test_of_two_people_who_press_send_at_once_one_is_told_that_it_is_done(db: Database) -> None:
    campaign_id = store(db, "hi", "a@x.example")
    outcomes: list[str] = []

    def press() -> None:
        try:
            with db.write() as connection:
                campaigns.act(connection, campaign_id, CampaignAction.SEND)
            outcomes.append("sent")
        except NotAllowed as refusal:
            outcomes.append(str(refusal))

    threads = [threading.Thread(target=press) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome == "sent" for outcome in outcomes) == [False, True]
    assert any("is sending" in outcome for outcome in outcomes)


def test_a_draft_can_be_revised_with_another_list_and_a_sent_one_cannot(db: Database) -> None:
    campaign_id = store(db, "hi", "a@x.example\nb@x.example")
    revised = Draft("a@b.example", "New", "text")
    drafts.revise(db, campaign_id, revised, addresses.parse_pasted("c@x.example"))
    with db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
        assert campaign
        assert (campaign.subject, campaign.total, campaign.waiting) == ("New", 1, 1)
    with db.write() as connection:
        campaigns.act(connection, campaign_id, CampaignAction.SEND)
    with pytest.raises(NotAllowed, match="sending"), db.write() as connection:
        campaigns.revise(connection, campaign_id, revised)


@pytest.mark.parametrize("action", [CampaignAction.PAUSE, CampaignAction.RESUME])
def test_what_the_state_does_not_allow_is_refused_and_changes_nothing(
    db: Database, action: CampaignAction
) -> None:
    campaign_id = store(db, "hi", "a@x.example")
    with pytest.raises(NotAllowed, match="is draft"), db.write() as connection:
        campaigns.act(connection, campaign_id, action)
    with db.read() as connection:
        campaign = campaigns.get(connection, campaign_id)
    assert campaign
    assert campaign.state is CampaignState.DRAFT
