"""Scheduled campaigns: who starts them, who may change them until then, and who wins at the last moment."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from mailing.accounts import audit
from mailing.addresses import parsing as addresses
from mailing.campaigns import drafts, lifecycle, rehearsals, steering
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.clock import now_ms
from mailing.core.reasons import UnfitError
from mailing.core.states import CampaignAction, CampaignState
from mailing.core.tables import batches, campaigns
from mailing.delivery import sweeper
from mailing.lists import surveys
from mailing.recipients.copies import Part
from mailing.schedules.hours import Hours
from mailing.schedules.schedule import ANY_TIME, Asked, Schedule
from tasks import processes, starts
from tests.support.stack import PERSON
from tests.support.web import DRAFT, campaign_in, store
from webapp.http import list_process

if TYPE_CHECKING:
    from mailing.campaigns.queries import Campaign
    from mailing.core.database import Database

HOUR_MS = 3_600_000
S = CampaignState


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was published and given to the workers."""
    found: list[object] = []
    monkeypatch.setattr(processes, "redis_client", lambda: None)
    monkeypatch.setattr(starts.events, "publish", lambda _client, news: found.extend(news))
    monkeypatch.setattr(starts, "enqueue", lambda _db, errands: found.append(len(errands)))
    return found


def scheduled(db: Database, in_ms: int = HOUR_MS, text: str = "Hello") -> int:
    """A campaign that is scheduled, and due after so long."""
    draft = replace(DRAFT, text=text, schedule=Schedule(now_ms() + HOUR_MS, "Europe/Berlin"))
    campaign_id = store(db, "ann@one.example\nben@two.example", draft)
    act(db, campaign_id, CampaignAction.SCHEDULE)
    if in_ms != HOUR_MS:
        hurry(db, campaign_id, in_ms)
    return campaign_id


def hurry(db: Database, campaign_id: int, in_ms: int = -1) -> None:
    """Have its time come, or nearly."""
    with db.write() as connection:
        mine = update(campaigns).where(campaigns.c.id == campaign_id)
        connection.execute(mine.values(send_at=now_ms() + in_ms))


def act(db: Database, campaign_id: int, action: CampaignAction) -> None:
    with db.read() as connection:
        checked = drafts.ready(connection, campaign_id)
    with db.write() as connection:
        lifecycle.act(connection, campaign_id, action, checked=checked)


def steer(db: Database, campaign_id: int, asked: Asked, priority: int | None = None) -> None:
    with db.write() as connection:
        steering.steer(connection, campaign_id, asked, priority)


def now(db: Database, campaign_id: int) -> Campaign:
    found = campaign_in(db, campaign_id)
    assert found
    return found


def test_a_campaign_starts_once_its_time_has_come_and_not_before(db: Database, told: list[object]) -> None:
    campaign_id = scheduled(db)
    starts.start_due(db)
    assert (now(db, campaign_id).state, told) == (S.SCHEDULED, [])
    hurry(db, campaign_id)
    starts.start_due(db)
    campaign = now(db, campaign_id)
    assert campaign.state is S.SENDING
    assert campaign.late_ms < 60_000
    assert told[-1] == 1, "a batch was given out"


def test_what_was_missed_starts_when_volley_is_back_and_is_late(db: Database) -> None:
    campaign_id = scheduled(db, -2 * HOUR_MS)
    starts.start_due(db)
    assert now(db, campaign_id).state is S.SENDING
    assert now(db, campaign_id).late_ms // HOUR_MS == 2


def test_to_start_what_is_due_twice_starts_it_once(db: Database, told: list[object]) -> None:
    campaign_id = scheduled(db, -1)
    gate = threading.Barrier(4)

    def sweep() -> None:
        gate.wait()
        starts.start_due(db)

    threads = [threading.Thread(target=sweep) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    starts.start_due(db)
    assert now(db, campaign_id).state is S.SENDING
    assert [it for it in told if isinstance(it, int)] == [1]
    with db.read() as connection:
        actions = [it.action for it in audit.page(connection, audit.Asked(subject=f"campaign:{campaign_id}"))]
    assert actions == ["send"]


@pytest.mark.parametrize("action", [CampaignAction.SEND, CampaignAction.CANCEL, CampaignAction.UNSCHEDULE])
def test_whoever_acts_at_the_moment_at_which_it_is_due_is_first_or_is_told(
    db: Database, action: CampaignAction
) -> None:
    """Whatever the order, it happened once: the campaign was started, canceled or put back, and never two."""
    for _ in range(4):
        campaign_id = scheduled(db, -1)
        refused: list[NotAllowed] = []
        gate = threading.Barrier(2)

        def person(campaign_id: int = campaign_id, gate: threading.Barrier = gate) -> None:
            gate.wait()
            try:
                act(db, campaign_id, action)
            except NotAllowed as refusal:
                refused.append(refusal)  # noqa: B023 - it is joined below

        other = threading.Thread(target=person)
        other.start()
        gate.wait()
        starts.start_due(db)
        other.join()
        campaign = now(db, campaign_id)
        if refused or action is CampaignAction.SEND:
            assert campaign.state is S.SENDING
        elif action is CampaignAction.CANCEL:
            assert campaign.state is S.CANCELED
        else:
            assert campaign.state is S.DRAFT
            assert campaign.started_at is None


def test_what_was_edited_between_the_check_and_the_start_is_checked_again(db: Database) -> None:
    campaign_id = scheduled(db, -1)
    with db.read() as connection:
        checked = drafts.ready(connection, campaign_id)
    with db.write() as connection:
        draft = drafts.Draft.of(now(db, campaign_id))
        drafts.rewrite(connection, campaign_id, replace(draft, subject="Another"))
    with db.write() as connection:
        assert not lifecycle.begin(connection, campaign_id, checked)
    starts.start_due(db)
    assert (now(db, campaign_id).state, now(db, campaign_id).subject) == (S.SENDING, "Another")


def test_a_scheduled_campaign_can_be_edited_as_a_whole_and_stays_scheduled(db: Database) -> None:
    campaign_id = scheduled(db)
    draft = replace(drafts.Draft.of(now(db, campaign_id)), subject="New", text="All new")
    drafts.revise(db, campaign_id, draft, addresses.parse_pasted("carl@three.example"))
    campaign = now(db, campaign_id)
    assert (campaign.state, campaign.subject, campaign.total) == (S.SCHEDULED, "New", 1)


def test_its_time_and_its_zone_can_be_changed_until_it_starts(db: Database) -> None:
    campaign_id = scheduled(db)
    steer(db, campaign_id, Asked("2030-12-01T08:00", "Asia/Ho_Chi_Minh"))
    assert now(db, campaign_id).schedule.local == "2030-12-01T08:00"
    steer(db, campaign_id, Asked(time_zone="Europe/Berlin"))
    assert now(db, campaign_id).schedule.local == "2030-12-01T08:00"
    with pytest.raises(NotAllowed, match="Choose the date and time"):
        steer(db, campaign_id, Asked(send_at=""))
    with pytest.raises(UnfitError, match="has passed"):
        steer(db, campaign_id, Asked(send_at="2020-12-01T08:00"))
    hurry(db, campaign_id)
    starts.start_due(db)
    with pytest.raises(NotAllowed, match="can't be changed any more"):
        steer(db, campaign_id, Asked(send_at="2030-12-01T08:00"))


def test_a_time_that_is_moved_as_it_comes_is_waited_for(db: Database) -> None:
    campaign_id = scheduled(db, -1)
    with db.read() as connection:
        checked = drafts.ready(connection, campaign_id)
    steer(db, campaign_id, Asked("2030-12-01T08:00", "UTC"))
    with db.write() as connection:
        assert not lifecycle.begin(connection, campaign_id, checked)
    starts.start_due(db)
    assert now(db, campaign_id).state is S.SCHEDULED


def test_what_cannot_be_sent_to_everybody_becomes_a_draft_with_the_reason(
    db: Database, told: list[object]
) -> None:
    campaign_id = scheduled(db, -1)
    with db.write() as connection:
        broken = replace(drafts.Draft.of(now(db, campaign_id)), text="in {{ city }}")
        drafts.rewrite(connection, campaign_id, broken)
    starts.start_due(db)
    campaign = now(db, campaign_id)
    assert (campaign.state, campaign.started_at) == (S.DRAFT, None)
    assert "city" in str(campaign.paused_reason)
    assert not [it for it in told if isinstance(it, int)], "nothing was given out"


def test_a_list_that_is_being_replaced_is_waited_for(db: Database) -> None:
    campaign_id = scheduled(db, -1)
    with db.write() as connection:
        hold = drafts.Hold(connection, campaign_id, fresh=False)
    starts.start_due(db)
    assert now(db, campaign_id).state is S.SCHEDULED
    with db.write() as connection:
        hold.end(connection)
    starts.start_due(db)
    assert now(db, campaign_id).state is S.SENDING


@pytest.mark.parametrize(("send_at", "said"), [(None, "Choose the date"), (1_000_000, "has passed")])
def test_a_draft_without_a_time_or_with_one_that_has_passed_is_not_scheduled(
    db: Database, send_at: int | None, said: str
) -> None:
    campaign_id = store(db, "ann@one.example", replace(DRAFT, schedule=Schedule(send_at, "UTC")))
    with pytest.raises(NotAllowed, match=said):
        act(db, campaign_id, CampaignAction.SCHEDULE)
    assert now(db, campaign_id).state is S.DRAFT


def test_nobody_can_be_scheduled_for(db: Database) -> None:
    with db.write() as connection:
        draft = replace(DRAFT, schedule=Schedule(now_ms() + HOUR_MS, "UTC"))
        nobody = addresses.parse_pasted("")
        campaign_id = drafts.store(connection, draft, nobody, surveys.survey(nobody))
    with pytest.raises(NotAllowed, match="no valid addresses"):
        act(db, campaign_id, CampaignAction.SCHEDULE)


def test_a_copy_of_what_was_scheduled_does_not_start_by_itself(db: Database) -> None:
    hours = Hours.read("08:00-20:00")
    draft = replace(DRAFT, schedule=Schedule(now_ms() + HOUR_MS, "UTC", hours))
    campaign_id = store(db, "ann@one.example", draft)
    act(db, campaign_id, CampaignAction.SCHEDULE)
    change = list_process._copy(db, PERSON, now(db, campaign_id), Part.ALL)
    copy = now(db, change.campaign_id)
    assert (copy.state, copy.schedule) == (S.DRAFT, Schedule(None, "UTC", hours))


def test_a_rehearsal_waits_neither_for_a_time_nor_for_hours(db: Database) -> None:
    draft = replace(DRAFT, schedule=Schedule(now_ms() + HOUR_MS, "UTC", Hours.read("08:00-20:00")))
    campaign_id = store(db, "ann@one.example", draft)
    act(db, campaign_id, CampaignAction.SCHEDULE)
    with rehearsals.making(db, campaign_id, {}) as (_connection, _draft, rehearsal_id):
        pass
    assert now(db, rehearsal_id).schedule == ANY_TIME


def test_a_form_that_saves_itself_does_not_save_into_what_was_scheduled_meanwhile(db: Database) -> None:
    campaign_id = store(db, "ann@one.example", replace(DRAFT, schedule=Schedule(now_ms() + HOUR_MS, "UTC")))
    seen = now(db, campaign_id).revision
    act(db, campaign_id, CampaignAction.SCHEDULE)
    with pytest.raises(NotAllowed, match="changed in the meantime"), db.write() as connection:
        drafts.rewrite(connection, campaign_id, replace(DRAFT, text="Hel"), seen=seen)


def test_whoever_sends_it_now_has_not_sent_it_late(db: Database) -> None:
    campaign_id = scheduled(db, -HOUR_MS)
    act(db, campaign_id, CampaignAction.SEND)
    assert (now(db, campaign_id).late_ms, now(db, campaign_id).send_at) == (0, None)


def test_priority_and_hours_can_be_changed_until_it_is_over(db: Database) -> None:
    campaign_id = scheduled(db, -1)
    starts.start_due(db)
    steer(db, campaign_id, Asked(hours="22:00-06:00"), priority=0)
    campaign = now(db, campaign_id)
    assert (campaign.priority, str(campaign.schedule.hours), campaign.time_zone) == (
        0,
        "22:00-06:00",
        "Europe/Berlin",
    )
    act(db, campaign_id, CampaignAction.CANCEL)
    with pytest.raises(NotAllowed, match="canceled"):
        steer(db, campaign_id, Asked(), priority=9)


def test_outside_of_its_hours_no_batch_is_given_out_and_all_are_when_they_begin(db: Database) -> None:
    hour = now_ms() // HOUR_MS % 24
    outside = f"{(hour + 4) % 24:02}:00-{(hour + 8) % 24:02}:00"
    campaign_id = store(db, "\n".join(f"u{n}@x.example" for n in range(100)), send=True)
    with db.write() as connection:
        connection.execute(update(batches).values(woken_at=now_ms()))
    steer(db, campaign_id, Asked(hours=outside, time_zone="UTC"))
    campaign = now(db, campaign_id)
    assert campaign.condition == "waiting_for_hours"
    assert campaign.opens_at
    assert campaign.opens_at > now_ms()
    with db.write() as connection:
        sweeper.forget_closed(connection)
        assert sweeper.vanished_batches(connection, queue_empty=True) == []
    steer(db, campaign_id, Asked(hours=""))
    with db.write() as connection:
        given = sweeper.vanished_batches(connection, queue_empty=False)
        every = connection.execute(select(batches.c.id)).scalars().all()
    assert {it.batch_id for it in given} == set(every)
