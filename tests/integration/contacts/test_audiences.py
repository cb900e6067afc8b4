"""Audiences: the recipients of a campaign are those that plain sets of the same contacts give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, update

from mailing.addresses.mailbox import domain_of
from mailing.addresses.parsing import parse_pasted
from mailing.campaigns import drafts
from mailing.campaigns.drafts import Draft
from mailing.contacts import audiences, origins
from mailing.contacts.audiences import Audience
from mailing.contacts.conditions import Condition, Op
from mailing.contacts.origins import Change, Origin, Source
from mailing.contacts.tables import Standing, contacts, lists
from mailing.core.reasons import UnfitError
from mailing.core.states import RecipientState
from mailing.core.tables import campaigns, recipients
from tests.support import saved_lists
from tests.support.saved_lists import Contact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.addresses.findings import Entry
    from mailing.core.database import Database

DRAFT = Draft("Ann <ann@example.org>", "Summer fete", "Dear all")


def taken(db: Database, audience: Audience) -> Sequence[Entry]:
    with db.snapshot() as connection:
        return [*audiences.taken(connection, audience)]


def read(db: Database, audience: Audience) -> Sequence[str]:
    return [entry.email for entry in taken(db, audience)]


def count(db: Database, audience: Audience) -> int:
    with db.read() as connection:
        return audiences.count(connection, audience)


def refused(db: Database, audience: Audience) -> str:
    with pytest.raises(UnfitError) as told:
        taken(db, audience)
    return told.value.reason.code


def campaign(db: Database, **states: RecipientState) -> int:
    campaign_id = drafts.create(db, DRAFT, parse_pasted("\n".join(f"{who}@x.example" for who in states)))
    with db.write() as connection:
        for who, state in states.items():
            own = recipients.c.campaign_id == campaign_id, recipients.c.email == f"{who}@x.example"
            due = {"due_at": 1} if state is RecipientState.DEFERRED else {}
            connection.execute(update(recipients).where(*own).values(state=state, **due))
    return campaign_id


# What the property is: contacts as rows of (list, address, name, fields, standing), and sets of addresses.

STANDINGS = st.sampled_from([Standing.ACTIVE, Standing.ACTIVE, Standing.ACTIVE, *Standing])
CITIES = st.sampled_from([{}, {"city": "Hanoi"}, {"city": ""}, {"city": "Hue", "age": "40"}, {"age": 12}])
PERSON = st.builds(
    Contact,
    st.sampled_from([f"{who}@x.example" for who in ("ann", "Ann", "bob", "cat", "dan", "eve", "Fay", "fay")]),
    st.sampled_from(["", "Somebody"]),
    CITIES,
    STANDINGS,
)
LIST = st.lists(PERSON, max_size=6, unique_by=lambda it: it.email.lower())
IDS = st.lists(st.integers(1, 3), max_size=2, unique=True).map(tuple)
CONDITION = st.none() | st.sampled_from(
    [
        Condition("city", Op.EQUALS, "hanoi"),
        Condition("city", Op.IS_NOT, "Hue"),
        Condition("city", Op.IS_EMPTY),
        Condition("age", Op.GREATER, "20"),
        Condition("name", Op.CONTAINS, "some"),
        Condition("email", Op.CONTAINS, "A"),
    ]
)
AUDIENCE = st.builds(
    Audience,
    st.lists(st.integers(1, 3), min_size=1, max_size=3, unique=True).map(tuple),
    minus_lists=IDS,
    minus_campaigns=st.sampled_from([(), (), (1,)]),
    where=CONDITION,
)
GOT = st.dictionaries(st.sampled_from(["ANN", "bob", "cat"]), st.sampled_from(RecipientState))


def said(contact: Contact) -> int:
    return bool(contact.name) + sum(value != "" for value in (contact.fields or {}).values())


def merged(rows: Sequence[Contact]) -> Contact:
    """The row that says most, its gaps filled from the others in their order; addressed as the first."""
    fullest = max(rows, key=said)
    name, fields = fullest.name, dict(fullest.fields or {})
    for row in rows:
        name = name or row.name
        for key, value in (row.fields or {}).items():
            if fields.get(key, "") == "":
                fields[key] = value
    return Contact(rows[0].email, name, fields)


def fulfills(contact: Contact, condition: Condition) -> bool:
    values = {"name": contact.name, "email": contact.email, **(contact.fields or {})}
    found = str(values.get(condition.field, "")).lower()
    return {
        Op.EQUALS: found == condition.value.lower(),
        Op.IS_NOT: found != condition.value.lower(),
        Op.IS_EMPTY: found == "",
        Op.GREATER: found.isdigit() and int(found) > 20,
        Op.CONTAINS: condition.value.lower() in found,
    }[condition.op]


def expected(
    world: Sequence[Sequence[Contact]], got: dict[str, RecipientState], audience: Audience
) -> Sequence[Contact]:
    rows: dict[str, list[Contact]] = {}
    for list_id in audience.lists:
        for contact in world[list_id - 1]:
            rows.setdefault(contact.email.lower(), []).append(contact)
    left = {key for key, some in rows.items() if any(it.standing is not Standing.ACTIVE for it in some)}
    minus = {contact.email.lower() for list_id in audience.minus_lists for contact in world[list_id - 1]}
    if audience.minus_campaigns:
        minus |= {f"{who.lower()}@x.example" for who, state in got.items() if state in audiences.GOT_IT}
    found = [merged(some) for key, some in rows.items() if key not in left | minus]
    return [it for it in found if not audience.where or fulfills(it, audience.where)]


def fill(db: Database, world: Sequence[Sequence[Contact]], got: dict[str, RecipientState]) -> None:
    """Make three lists and campaign 1 of what there is to be."""
    with db.write() as connection:
        for table in (contacts, recipients):
            connection.execute(delete(table))
        for list_id, people in enumerate(world, 1):
            rows = [{**it._asdict(), "list_id": list_id, "domain": domain_of(it.email)} for it in people]
            if rows:
                connection.execute(insert(contacts), rows)
            active = sum(it.standing is Standing.ACTIVE for it in people)
            own = update(lists).where(lists.c.id == list_id)
            connection.execute(own.values(total=len(people), active=active, fields=["city", "age"]))
        for who, state in got.items():
            one = {"campaign_id": 1, "email": f"{who}@x.example", "domain": "x.example", "state": state}
            if state is RecipientState.DEFERRED:
                one["due_at"] = 1
            if state is RecipientState.SENDING:
                one["state"] = RecipientState.UNKNOWN  # which only a worker's claim can be
            connection.execute(insert(recipients).values(one))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=st.tuples(LIST, LIST, LIST), got=GOT, audience=AUDIENCE)
def test_an_audience_is_what_sets_of_the_same_contacts_give(db, world, got, audience):
    with db.read() as connection:
        made = connection.execute(lists.select()).first()
    if made is None:
        for name in "ABC":
            saved_lists.save(db, name)
        campaign(db)
    fill(db, world, got)
    wanted = [(it.email, it.name, it.fields or None) for it in expected(world, got, audience)]
    assert count(db, audience) == len(wanted)
    if not wanted:
        assert refused(db, audience) == "audience.nobody"
        return
    found = taken(db, audience)
    assert [(it.email, it.name, it.fields or None) for it in found] == wanted
    assert [it.line for it in found] == [*range(1, len(wanted) + 1)]


@pytest.mark.parametrize("piece", [1, 2, 3])
def test_an_audience_is_the_same_however_few_contacts_are_fetched_at_a_time(db, monkeypatch, piece):
    monkeypatch.setattr(audiences, "PIECE", piece)
    saved_lists.save(db, "A", *(Contact(f"p{n}@x.example", "", {"city": "Hue"}) for n in range(5)))
    saved_lists.save(db, "B", *(Contact(f"P{n}@x.example", f"Person {n}") for n in (7, 4, 2, 6)))
    saved_lists.save(db, "C", *(Contact(f"p{n}@x.example", "Nobody", {"age": n}) for n in (6, 8, 2, 0)))
    assert [(it.email, it.name, it.fields) for it in taken(db, Audience((1, 2, 3)))] == [
        ("p0@x.example", "Nobody", {"city": "Hue", "age": 0}),
        ("p1@x.example", "", {"city": "Hue"}),
        ("p2@x.example", "Nobody", {"city": "Hue", "age": 2}),
        ("p3@x.example", "", {"city": "Hue"}),
        ("p4@x.example", "Person 4", {"city": "Hue"}),
        ("P7@x.example", "Person 7", None),
        ("P6@x.example", "Nobody", {"age": 6}),
        ("p8@x.example", "Nobody", {"age": 8}),
    ]


def test_who_left_one_of_the_lists_is_not_taken_by_way_of_another(db):
    saved_lists.save(db, "A", Contact("ann@x.example", standing=Standing.UNSUBSCRIBED), "bob@x.example")
    saved_lists.save(db, "B", "Ann@x.example", "cat@x.example")
    assert read(db, Audience((1, 2))) == ["bob@x.example", "cat@x.example"]
    assert read(db, Audience((2,))) == ["Ann@x.example", "cat@x.example"]


def test_who_got_a_campaign_or_may_have_got_it_is_left_out(db):
    people = ("ann", "bob", "cat", "dan", "eve")
    saved_lists.save(db, "A", *(f"{who}@x.example" for who in people))
    states = (
        *(RecipientState.SENT, RecipientState.UNKNOWN),
        *(RecipientState.FAILED, RecipientState.DEFERRED, RecipientState.QUEUED),
    )
    before = campaign(db, **dict(zip(people, states, strict=True)))
    assert read(db, Audience((1,), minus_campaigns=(before,))) == [f"{who}@x.example" for who in people[2:]]


def test_a_sample_has_its_size_its_order_and_everybody_sometimes(db):
    people = [f"p{n}@x.example" for n in range(8)]
    saved_lists.save(db, "A", *people)
    audience = Audience((1,), sample=3)
    assert count(db, audience) == 3
    seen = set()
    for _ in range(60):
        found = read(db, audience)
        assert found == sorted(found)
        assert len(found) == 3
        seen |= {*found}
    assert seen == {*people}
    assert read(db, Audience((1,), sample=20)) == people


def test_what_is_not_there_is_named(db):
    saved_lists.save(db, "A", Contact("ann@x.example", "", {"city": "Hue"}))
    saved_lists.save(db, "Empty")
    assert refused(db, Audience((7,))) == "audience.list-gone"
    assert refused(db, Audience((1,), minus_lists=(7,))) == "audience.list-gone"
    assert refused(db, Audience((1,), minus_campaigns=(7,))) == "audience.campaign-gone"
    assert refused(db, Audience((2,), where=Condition("city", Op.EQUALS, "Hue"))) == "audience.no-field"
    assert refused(db, Audience((2,))) == "audience.nobody"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"lists": []}, "audience.no-lists"),
        ({"lists": [*range(1, 102)]}, "audience.too-many-lists"),
        ({"lists": [1], "sample": 0}, "audience.wrong-sample"),
        ({"lists": [1], "sample": 1_000_001}, "audience.wrong-sample"),
    ],
)
def test_an_audience_that_cannot_be_says_why(given, code):
    with pytest.raises(UnfitError) as told:
        Audience.load(given)
    assert told.value.reason.code == code


def test_more_than_a_campaign_takes_is_refused_and_a_sample_of_them_is_not(db, monkeypatch):
    monkeypatch.setattr(audiences, "ENTRIES_MAX", 3)
    saved_lists.save(db, "A", *(f"a{n}@x.example" for n in range(3)))
    saved_lists.save(db, "B", *(f"b{n}@x.example" for n in range(4)))
    assert len(read(db, Audience((1,)))) == 3
    assert refused(db, Audience((2,))) == "audience.too-many"
    assert refused(db, Audience((1, 2))) == "audience.too-many"
    assert len(read(db, Audience((2,), sample=2))) == 2


@given(AUDIENCE)
def test_an_audience_is_the_same_after_it_was_kept_as_json(audience):
    assert Audience.load(audience.dump()) == audience


def test_its_origin_names_what_was_taken_as_it_was_called_then(db):
    saved_lists.save(db, "Customers", "ann@x.example", "bob@x.example", "cat@x.example")
    saved_lists.save(db, "Staff", "bob@x.example")
    saved_lists.change(db, 2)
    before = campaign(db, cat=RecipientState.SENT)
    audience = Audience((1,), (2,), (before,), Condition("email", Op.CONTAINS, "ann"), 5)
    with origins.taking(db, audience) as found:
        assert [it.email for it in found.parsed.entries] == ["ann@x.example"]
    assert found.origin == Origin(
        lists=(Source(1, "Customers"),),
        minus_lists=(Source(2, "Staff", 1),),
        minus_campaigns=(Source(before, "Summer fete"),),
        where=audience.where,
        sample=5,
        recipients=1,
        taken_at=found.origin.taken_at,
    )
    assert found.origin.audience == audience


def test_a_campaign_keeps_its_origins_and_a_list_that_was_changed_since_is_told(db):
    saved_lists.save(db, "Customers", "ann@x.example")
    saved_lists.save(db, "Staff", "bob@x.example")
    saved_lists.save(db, "Members", "cat@x.example")
    with origins.taking(db, Audience((1,), (2,))) as one, origins.taking(db, Audience((3,))) as other:
        first, second = one.origin, other.origin
    campaign_id = campaign(db)
    with db.write() as connection:
        origins.keep(connection, campaign_id, [first])
        origins.add(connection, campaign_id, [second])
        kept = connection.execute(campaigns.select().where(campaigns.c.id == campaign_id)).one().audience
        assert origins.load(kept) == [first, second]
        assert origins.changes(connection, origins.load(kept)) == []
    saved_lists.change(db, 1)
    saved_lists.remove(db, 2)
    with db.write() as connection:
        told = origins.changes(connection, origins.load(kept))
        assert told == [Change(1, "Customers", gone=False), Change(2, "Staff", gone=True)]
        origins.keep(connection, campaign_id, [])
        assert connection.execute(campaigns.select()).one().audience is None
