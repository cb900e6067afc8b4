"""A campaign from saved lists: it keeps what it was made with, and from where that came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailing.addresses.parsing import parse_pasted
from mailing.campaigns import queries
from mailing.campaigns.drafts import Draft
from mailing.campaigns.lifecycle import NotAllowed
from mailing.contacts import origins
from mailing.contacts.audiences import Audience
from mailing.core.reasons import UnfitError
from mailing.core.states import CampaignState
from mailing.core.tables import recipients
from mailing.recipients.copies import Part
from tasks.commands import campaigns as commands
from tests.support import saved_lists
from tests.support.programs import CLI
from webapp.http import list_process
from webapp.http.list_process import Edit, Lists

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailing.campaigns.queries import Campaign
    from mailing.contacts.origins import Origin
    from mailing.core.database import Database

DRAFT = Draft("Ann <ann@example.org>", "Summer fete", "Dear all")


@pytest.fixture
def lists(db: Database) -> Iterator[Lists]:
    lists = Lists(db)
    saved_lists.save(db, "Customers", "ann@x.example", "bob@x.example")
    saved_lists.save(db, "Members", "bob@x.example", "cat@x.example")
    yield lists
    lists.close()


def campaign(db: Database, campaign_id: int = 1) -> Campaign:
    with db.read() as connection:
        found = queries.get(connection, campaign_id)
    assert found
    return found


def people(db: Database, campaign_id: int = 1) -> Sequence[str]:
    own = recipients.select().where(recipients.c.campaign_id == campaign_id).order_by(recipients.c.id)
    with db.read() as connection:
        return [row.email for row in connection.execute(own)]


def came_from(db: Database, campaign_id: int = 1) -> Sequence[Origin]:
    return origins.load(campaign(db, campaign_id).audience)


async def test_a_draft_from_saved_lists_has_their_recipients_and_names_them(db, lists):
    await lists.create(CLI, DRAFT, Audience((1, 2)))
    assert people(db) == ["ann@x.example", "bob@x.example", "cat@x.example"]
    [origin] = came_from(db)
    assert [it.name for it in origin.lists] == ["Customers", "Members"]
    assert origin.recipients == campaign(db).total == 3


async def test_long_lists_are_taken_in_a_process_of_their_own(db, lists, monkeypatch):
    monkeypatch.setattr(list_process, "LONG", 1)
    await lists.create(CLI, DRAFT, Audience((1,)))
    assert people(db) == ["ann@x.example", "bob@x.example"]
    with pytest.raises(UnfitError) as told:
        await lists.create(CLI, DRAFT, Audience((1,), minus_lists=(1,)))
    assert told.value.reason.code == "audience.nobody"


async def test_a_list_that_is_taken_again_takes_the_place_of_what_was_there(db, lists):
    await lists.create(CLI, DRAFT, Audience((1,)))
    await lists.revise(CLI, Edit(1, 0, DRAFT, Audience((2,))))
    assert people(db) == ["bob@x.example", "cat@x.example"]
    assert [it.name for origin in came_from(db) for it in origin.lists] == ["Members"]
    with pytest.raises(NotAllowed):
        await lists.revise(CLI, Edit(1, 0, DRAFT, Audience((1,))))
    assert people(db) == ["bob@x.example", "cat@x.example"]


async def test_what_is_added_from_a_list_is_named_behind_what_was_there(db, lists):
    await lists.create(CLI, DRAFT, Audience((1,)))
    _change, added = await lists.add(CLI, Edit(1, 0, DRAFT, Audience((2,))))
    assert (added.recipients, added.duplicates) == (1, 1)
    assert people(db) == ["ann@x.example", "bob@x.example", "cat@x.example"]
    assert [it.name for origin in came_from(db) for it in origin.lists] == ["Customers", "Members"]


async def test_a_pasted_list_in_its_place_comes_from_nowhere_and_a_pasted_addition_changes_nothing(db, lists):
    await lists.create(CLI, DRAFT, Audience((1,)))
    await lists.add(CLI, Edit(1, 0, DRAFT, "dan@x.example"))
    assert len(came_from(db)) == 1
    commands.revise(db, CLI, 1, DRAFT)
    assert len(came_from(db)) == 1
    await lists.revise(CLI, Edit(1, campaign(db).revision, DRAFT, "dan@x.example"))
    assert campaign(db).audience is None


@pytest.mark.parametrize(("part", "n"), [(Part.ALL, 1), (Part.UNDELIVERED, 1), (Part.NONE, 0)])
async def test_a_copy_says_where_its_recipients_came_from_too(db, lists, part, n):
    await lists.create(CLI, DRAFT, Audience((1,)))
    await lists.copy(CLI, campaign(db), part)
    assert came_from(db, 2) == came_from(db)[:n]


def test_a_campaign_from_lists_is_stored_and_sent_at_once(db):
    saved_lists.save(db, "Customers", "ann@x.example")
    with origins.taking(db, Audience((1,))) as taken:
        change = commands.store(db, CLI, DRAFT, taken.parsed, taken_from=[taken.origin], send=True)
    assert change.state is CampaignState.SENDING
    assert came_from(db) == [taken.origin]


def test_one_that_was_pasted_comes_from_nowhere(db):
    commands.store(db, CLI, DRAFT, parse_pasted("ann@x.example"))
    assert campaign(db).audience is None
