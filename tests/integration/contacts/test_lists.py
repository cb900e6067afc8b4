"""Saved lists and their contacts: made, found, changed one by one, and counted at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from mailing.addresses.parsing import parse_pasted
from mailing.campaigns import drafts
from mailing.campaigns.drafts import Draft
from mailing.contacts import contacts, history, lists
from mailing.contacts.contacts import Contact, Written
from mailing.contacts.lists import ListError, SavedList
from mailing.contacts.tables import contacts as table
from mailing.core.reasons import UnfitError
from mailing.core.states import CampaignState, RecipientState, Standing
from mailing.core.tables import campaigns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.core.database import Database


def create(db: Database, name: str = "Parents") -> int:
    with db.write() as connection:
        return lists.create(connection, name)


def save(db: Database, list_id: int, email: str, *, contact_id: int | None = None, **more) -> int:
    with db.write() as connection:
        return contacts.save(connection, list_id, Written(email, **more), contact_id)


def saved(db: Database, list_id: int) -> SavedList:
    with db.read() as connection:
        found = lists.get(connection, list_id)
        counted = connection.execute(
            select(func.count(), func.count().filter(table.c.standing == Standing.ACTIVE)).where(
                table.c.list_id == list_id
            )
        ).one()
    assert found
    assert (found.total, found.active) == tuple(counted)
    return found


def contact(db: Database, contact_id: int) -> Contact:
    with db.read() as connection:
        found = contacts.get(connection, contact_id)
    assert found
    return found


def said(error: pytest.ExceptionInfo[ListError]) -> str:
    return error.value.reason.code


def test_a_list_has_a_name_of_its_own_in_capitals_or_small_letters(db: Database) -> None:
    first = create(db, "  Parents\n2026 ")
    assert saved(db, first).name == "Parents 2026"
    with pytest.raises(ListError) as error:
        create(db, "PARENTS 2026")
    assert said(error) == "saved-list.name-taken"
    second = create(db, "Teachers")
    with db.write() as connection:
        with pytest.raises(ListError) as error:
            lists.rename(connection, second, "parents 2026")
        lists.rename(connection, second, "TEACHERS")
    assert saved(db, second).name == "TEACHERS"
    with db.read() as connection:
        assert [one.id for one in lists.latest(connection)] == [second, first]
        assert [one.id for one in lists.latest(connection, before=second)] == [first]
        found = lists.named(connection, "teachers")
    assert found
    assert found.id == second


@pytest.mark.parametrize("name", ["", "  \n", "x" * 101])
def test_a_name_has_something_to_read_and_an_end(db: Database, name: str) -> None:
    with pytest.raises(ListError) as error:
        create(db, name)
    assert said(error) == "saved-list.name"


def test_a_deleted_list_is_gone_at_once_and_its_name_is_free(db: Database) -> None:
    list_id = create(db)
    save(db, list_id, "ann@example.org")
    with db.write() as connection:
        assert lists.delete(connection, list_id).total == 1
    with db.read() as connection:
        assert lists.get(connection, list_id) is None
        assert lists.latest(connection) == []
    for change in (lists.delete, lists.change):
        with db.write() as connection, pytest.raises(ListError) as error:
            change(connection, list_id)
        assert said(error) == "saved-list.not-found"
    assert create(db) != list_id


def test_each_change_of_a_contact_is_counted_and_is_a_revision(db: Database) -> None:
    list_id = create(db)
    ann = save(db, list_id, "Ann@Example.ORG", name="Ann", fields={"city": "Huế", "year": 3})
    bob = save(db, list_id, "bob@example.org", standing=Standing.UNSUBSCRIBED)
    found = saved(db, list_id)
    assert (found.total, found.active, found.revision, found.fields) == (2, 1, 2, ("city", "year"))
    assert (contact(db, ann).email, contact(db, ann).fields) == (
        "Ann@example.org",
        {"city": "Huế", "year": 3},
    )
    save(db, list_id, "ann@example.org", contact_id=ann, fields={"town": "Huế", "year": ""})
    save(db, list_id, "bob@example.org", contact_id=bob)
    found = saved(db, list_id)
    assert (found.total, found.active, found.revision, found.fields) == (2, 2, 4, ("city", "year", "town"))
    assert contact(db, ann).fields == {"town": "Huế"}
    with db.write() as connection:
        assert contacts.remove(connection, list_id, ann).email == "ann@example.org"
    assert (saved(db, list_id).total, saved(db, list_id).revision) == (1, 5)
    with db.write() as connection, pytest.raises(ListError) as error:
        contacts.remove(connection, list_id, ann)
    assert said(error) == "contact.not-found"


def test_an_address_is_in_a_list_once_whatever_its_case_and_in_another_list_too(db: Database) -> None:
    list_id = create(db)
    save(db, list_id, "ann@example.org")
    with pytest.raises(ListError) as error:
        save(db, list_id, "ANN@example.org")
    assert said(error) == "contact.present"
    bob = save(db, list_id, "bob@example.org")
    with pytest.raises(ListError) as error:
        save(db, list_id, "Ann@example.org", contact_id=bob)
    assert said(error) == "contact.present"
    assert saved(db, list_id).revision == 2
    save(db, create(db, "Others"), "ann@example.org")


@pytest.mark.parametrize(
    ("email", "more", "code"),
    [
        ("ann", {}, "address.no-at"),
        ("ann@example.org", {"fields": {"a b": "x"}}, "field.invalid-name"),
        ("ann@example.org", {"fields": {"email": "x"}}, "field.invalid-name"),
        ("ann@example.org", {"fields": {"city": "\0"}}, "field.unstorable"),
        ("ann@example.org", {"name": "x" * 201}, "name.too-long"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_the_reason(db: Database, email, more, code) -> None:
    list_id = create(db)
    with pytest.raises(UnfitError) as error:
        save(db, list_id, email, **more)
    assert error.value.reason.code == code
    assert saved(db, list_id).revision == 0


def test_whoever_saw_an_older_contact_changes_nothing(db: Database) -> None:
    list_id = create(db)
    ann = save(db, list_id, "ann@example.org")
    with db.write() as connection, pytest.raises(ListError) as error:
        contacts.save(connection, list_id, Written("ann@example.org"), ann, seen=1)
    assert said(error) == "contact.changed"
    with db.write() as connection, pytest.raises(ListError) as error:
        contacts.save(connection, lists.create(connection, "Others"), Written("ann@example.org"), ann)
    assert said(error) == "contact.not-found"


def found(db: Database, list_id: int, *args, **options) -> tuple[Sequence[str], int | None, int | None]:
    with db.read() as connection:
        page = contacts.find(connection, list_id, *args, **options)
    return [one.email for one in page.rows], page.next, page.previous


def test_contacts_are_found_page_by_page_by_address_domain_and_standing(db: Database) -> None:
    list_id = create(db)
    emails = ["dora@b.example", "ann@a.example", "Anna@b.example", "bob@a.example", "annie@b.example"]
    ids = [save(db, list_id, email) for email in emails]
    save(db, list_id, "carl@b.example", standing=Standing.BOUNCED)
    save(db, create(db, "Others"), "anton@a.example")
    assert found(db, list_id)[0] == [*emails, "carl@b.example"]
    assert found(db, list_id, limit=2) == (emails[:2], ids[1], None)
    assert found(db, list_id, limit=2, after=ids[1]) == (emails[2:4], ids[3], ids[2])
    assert found(db, list_id, limit=2, before=ids[2]) == (emails[:2], ids[1], None)
    assert found(db, list_id, "an") == (["ann@a.example", "Anna@b.example", "annie@b.example"], None, None)
    assert found(db, list_id, "an", limit=2) == (["ann@a.example", "Anna@b.example"], ids[2], None)
    assert found(db, list_id, "an", limit=2, after=ids[2]) == (["annie@b.example"], None, ids[4])
    assert found(db, list_id, "@A.example")[0] == ["ann@a.example", "bob@a.example"]
    assert found(db, list_id, "", Standing.BOUNCED)[0] == ["carl@b.example"]
    assert found(db, list_id, "an", Standing.BOUNCED) == ([], None, None)
    assert found(db, list_id, after=99_999) == ([], None, None)


def test_the_history_of_an_address_is_all_that_was_sent_to_it_in_any_case(db: Database) -> None:
    draft = Draft("Ann <ann@example.org>", "Summer fete", "Dear all")
    pasted = ["bob@b.example", "BOB@b.example", "bob@b.example", "bob@b.example", "carl@b.example"]
    ids = [drafts.create(db, draft, parse_pasted(text)) for text in pasted]
    with db.write() as connection:
        sent = campaigns.update().where(campaigns.c.id != ids[2])
        connection.execute(sent.values(state=CampaignState.SENDING))
    with db.read() as connection:
        all_of_it = history.read(connection, "Bob@B.example")
        assert [one.campaign_id for one in all_of_it] == [ids[3], ids[1], ids[0]], "none of it is a draft"
        assert (all_of_it[0].subject, all_of_it[0].state) == ("Summer fete", RecipientState.QUEUED)
        assert all_of_it[0].reply is None
        older = history.read(connection, "bob@b.example", before=all_of_it[0].id, limit=1)
        assert [one.campaign_id for one in older] == [ids[1]]
        assert history.counts(connection, "bob@b.example") == {RecipientState.QUEUED: 3}
