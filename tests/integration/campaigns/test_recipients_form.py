"""The campaign form takes recipients from saved lists, and the pages say where they came from."""

from __future__ import annotations

import re

import pytest

from mailing.campaigns import queries
from mailing.contacts import contacts, origins
from mailing.core.tables import recipients
from tests.support import saved_lists
from tests.support.saved_lists import Contact
from tests.support.web import running, settings_for, store

FORM = {"from": "Ann <ann@example.org>", "subject": "Hi", "text": "Dear {{ name }}", "give_up_hours": "24"}
NBSP = "\N{NO-BREAK SPACE}"


@pytest.fixture
async def visitor(tmp_path, db, database_url):
    saved_lists.save(
        db,
        "Customers",
        Contact("ann@x.example", "Ann", {"city": "Hanoi"}),
        Contact("bob@x.example", "Bob", {"city": "Hue"}),
        Contact("cat@x.example", "Cat"),
    )
    saved_lists.save(db, "Staff", "bob@x.example")
    async with running(settings_for(tmp_path, database_url)) as visitor:
        await visitor.read("/campaigns/new")
        yield visitor


def people(db, campaign_id=1):
    own = recipients.select().where(recipients.c.campaign_id == campaign_id).order_by(recipients.c.id)
    with db.read() as connection:
        return [row.email for row in connection.execute(own)]


def came_from(db, campaign_id=1):
    with db.read() as connection:
        return origins.load(queries.get(connection, campaign_id).audience)


def revision(db):
    with db.read() as connection:
        return str(queries.get(connection, 1).revision)


async def post(visitor, path="/campaigns", **more):
    answer = await visitor.post(path, {**FORM, "source": "lists", **more})
    return answer.status_code, (await answer.get_data()).decode()


async def test_without_saved_lists_the_form_takes_pasted_ones_alone(tmp_path, db, database_url):
    async with running(settings_for(tmp_path, database_url)) as visitor:
        page = await visitor.read("/campaigns/new")
    assert 'name="source"' not in page
    assert "recipients.js" not in page


async def test_recipients_are_added_subtracted_and_narrowed_down(visitor, db):
    page = await visitor.read("/campaigns/new")
    assert re.search(r'name="lists" value="1"> <span>Customers</span> <span class="count">3</span>', page)
    status, _page = await post(visitor, lists="1", minus_lists="2", field="city", op="is_not", value="Hanoi")
    assert (status, people(db)) == (303, ["cat@x.example"])
    page = await visitor.read("/campaigns/1")
    told = re.search(r'<section class="panel origin".*?</section>', page, re.DOTALL)[0]
    assert re.search('Saved lists</dt><dd><a href="/lists/1">Customers<', told)
    assert re.search('Without</dt><dd><a href="/lists/2">Staff<', told)
    assert re.search(r"<code>city</code> is not “Hanoi”", told)
    assert f"1{NBSP}recipient," in told


async def test_the_address_of_the_form_may_choose_a_list(visitor):
    page = await visitor.read("/campaigns/new?lists=2")
    assert 'name="source" value="lists" checked' in page
    assert 'name="lists" value="2" checked' in page
    assert 'name="lists" value="1" checked' not in page


@pytest.mark.parametrize(
    ("chosen", "at", "said"),
    [
        ({}, "lists", "Choose at least one list."),
        ({"lists": "9"}, "lists", "List 9 doesn"),
        ({"lists": "1", "minus_lists": "1"}, "lists", "No active contact"),
        (
            {"lists": "1", "field": "town", "value": "x"},
            "where",
            "None of the chosen lists has the field town.",
        ),
        ({"lists": "1", "field": "city", "op": "less", "value": "x"}, "where", "Enter a number"),
        ({"lists": "1", "sample": "0"}, "sample", "a whole number from 1 to 1,000,000"),
        ({"lists": "1", "sample": "some"}, "sample", "a whole number from 1 to 1,000,000"),
    ],
)
async def test_what_cannot_be_taken_is_told_at_its_field_and_nothing_that_was_chosen_is_lost(
    visitor, db, chosen, at, said
):
    status, page = await post(visitor, **chosen)
    assert status == 422
    assert re.search(rf'<a href="#{at}">[^<]*{said}', page)
    assert f'id="{at}"' in page
    assert 'name="source" value="lists" checked' in page
    for name, value in chosen.items():
        held = rf'name="{name}"[^>]*value="{value}"' if name != "op" else rf'value="{value}" selected'
        assert re.search(held, page) or value == "9", name


async def test_a_draft_keeps_its_recipients_unless_lists_are_chosen(visitor, db):
    await post(visitor, lists="2")
    status, _page = await post(visitor, "/campaigns/1", revision="0", list="replace")
    assert (status, people(db)) == (303, ["bob@x.example"])
    ann = {"lists": "1", "field": "name", "value": "Ann"}
    status, _page = await post(visitor, "/campaigns/1", revision="1", list="add", **ann)
    assert (status, people(db)) == (303, ["bob@x.example", "ann@x.example"])
    assert [origin.lists[0].name for origin in came_from(db)] == ["Staff", "Customers"]
    status, _page = await post(visitor, "/campaigns/1", revision=revision(db), list="replace", lists="1")
    assert (status, len(people(db)), len(came_from(db))) == (303, 3, 1)


async def test_a_list_that_changed_since_is_told_and_taken_again_by_a_button(visitor, db):
    await post(visitor, lists="2")
    assert "has changed since" not in await visitor.read("/campaigns/1")
    with db.write() as connection:
        contacts.save(connection, 2, contacts.Written("dan@x.example"))
    page = await visitor.read("/campaigns/1")
    assert "The list “Staff” has changed since then." in page
    assert "This draft keeps the recipients that it was made with." in page
    assert people(db) == ["bob@x.example"]
    answer = await visitor.post("/campaigns/1/again", {"revision": "0"})
    assert answer.status_code == 303
    assert people(db) == ["bob@x.example", "dan@x.example"]
    page = await visitor.read("/campaigns/1")
    assert "has changed since" not in page
    assert "The recipients were taken from the saved lists again." in page
    answer = await visitor.post("/campaigns/1/again", {"revision": "0"})
    assert answer.status_code == 409, "somebody else was faster"


async def test_a_draft_with_recipients_from_elsewhere_is_not_taken_again(visitor, db):
    await post(visitor, lists="2")
    await visitor.read("/campaigns/1")
    await visitor.post("/campaigns/1", {**FORM, "list": "add", "recipients": "eve@x.example"})
    assert people(db) == ["bob@x.example", "eve@x.example"]
    assert "/campaigns/1/again" not in await visitor.read("/campaigns/1")
    answer = await visitor.post("/campaigns/1/again", {"revision": revision(db)})
    assert answer.status_code == 409
    assert people(db) == ["bob@x.example", "eve@x.example"]


async def test_a_list_that_was_deleted_since_is_told_and_the_draft_stays(visitor, db):
    await post(visitor, lists="2")
    saved_lists.remove(db, 2)
    page = await visitor.read("/campaigns/1")
    assert "The list “Staff” has been deleted since then." in page
    assert "/campaigns/1/again" not in page
    assert 'href="/lists/2"' not in page
    assert people(db) == ["bob@x.example"]


async def test_a_campaign_that_started_says_that_it_keeps_its_recipients(visitor, db):
    await post(visitor, lists="2")
    await visitor.read("/campaigns/1")
    await visitor.post("/campaigns/1/send")
    saved_lists.change(db, 2)
    page = await visitor.read("/campaigns/1")
    assert "This campaign keeps the recipients that it started with." in page
    assert "/campaigns/1/again" not in page


async def test_a_campaign_whose_recipients_were_pasted_says_nothing_of_lists(visitor, db):
    store(db, "ann@x.example")
    assert 'class="panel origin"' not in await visitor.read("/campaigns/1")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", ""),
        ("lists=1", f"3{NBSP}recipients"),
        ("lists=1&lists=2", f"3{NBSP}recipients"),
        ("lists=1&minus_lists=2", f"2{NBSP}recipients"),
        ("lists=1&field=city&op=is_empty", f"1{NBSP}recipient"),
        ("lists=1&sample=2", f"2{NBSP}recipients"),
        ("lists=1&field=city&op=greater&value=x", "Enter a number to compare city with, such as 12.5."),
    ],
)
async def test_how_many_recipients_a_choice_gives_is_told_while_it_is_made(visitor, query, said):
    assert await visitor.read(f"/campaigns/audience?{query}") == said
