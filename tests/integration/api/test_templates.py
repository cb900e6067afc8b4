"""A campaign starts from a template through the API, and programs know which there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailing.campaigns import queries as campaigns
from mailing.core.actors import Actor, ActorKind
from mailing.writing.written import Writing, Written
from tasks.commands.messages import templates as commands
from tests.support.api import CAMPAIGNS, faults_of, order, post, stored
from tests.support.programs import backend_of

if TYPE_CHECKING:
    from quart.typing import TestClientProtocol

    from mailing.campaigns.queries import Campaign
    from mailing.core.database import Database

ANN = Actor(ActorKind.PERSON, "ann@example.org")
LETTER = Written(
    sender_from="", subject="News for {{ name }}", preheader="In short", writing=Writing.MARKDOWN, html="# Hi"
)


def save(client: TestClientProtocol, written: Written = LETTER, name: str = "News") -> int:
    return commands.save(backend_of(client.app), ANN, name, written)


def order_from(template: object, **more: Any) -> dict[str, Any]:
    return order(**{"subject": ..., "text": ..., "template": template} | more)


async def campaign_from(client: TestClientProtocol, db: Database, body: dict[str, Any]) -> Campaign:
    made = await post(client, body)
    with db.read() as connection:
        campaign = campaigns.get(connection, made["id"])
    assert campaign
    return campaign


async def test_a_campaign_takes_the_newest_version_of_a_template(client, db):
    save(client, Written(sender_from="", subject="Old", text="Old"))
    made = await campaign_from(client, db, order_from(save(client)))
    assert made.sender_from == "Default <default@example.org>"
    assert (made.written.subject, made.written.preheader) == ("News for {{ name }}", "In short")
    assert (made.written.writing, made.written.html) == (Writing.MARKDOWN, "# Hi")
    assert "<h1" in made.html


async def test_a_subject_and_a_preheader_of_its_own_replace_the_templates(client, db):
    body = order_from(save(client), subject="Mine", preheader="", **{"from": "Cy <cy@example.org>"})
    made = await campaign_from(client, db, body)
    assert (made.sender_from, made.subject) == ("Cy <cy@example.org>", "Mine")
    assert (made.written.preheader, made.written.html) == ("", "# Hi")


async def test_a_campaign_keeps_what_it_began_with(client, db):
    template = save(client)
    made = await campaign_from(client, db, order_from(template))
    commands.remove(backend_of(client.app), ANN, template)
    with db.read() as connection:
        assert campaigns.get(connection, made.id).html == made.html


@pytest.mark.parametrize("key", ["letter", "announcement", "newsletter", "invitation", "receipt"])
async def test_a_template_that_comes_with_volley_is_taken_by_its_key(client, db, key):
    made = await campaign_from(client, db, order_from(key))
    assert made.subject
    assert "<html" in made.html


async def test_programs_learn_which_templates_there_are(client):
    template = save(client)
    save(client)
    it = await (await client.get("/api/v1/templates")).get_json()
    (saved,) = it["templates"]
    assert saved.pop("saved_at").endswith("Z")
    assert saved == {
        "id": template,
        "name": "News",
        "version": 2,
        "subject": "News for {{ name }}",
        "preheader": "In short",
        "writing": "markdown",
    }
    assert [each["key"] for each in it["built_in"]][:2] == ["letter", "announcement"]


async def test_a_call_that_comes_twice_has_one_answer_whatever_became_of_its_template(client, db):
    template = save(client)
    body = order_from(template)
    first = await post(client, body, Idempotency_Key="one")
    commands.remove(backend_of(client.app), ANN, template)
    assert await post(client, body, Idempotency_Key="one") == first
    assert stored(db) == 1


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (9, "Template 9 does not exist. GET /api/v1/templates lists them."),
        (0, "Must be the id of a template, or one of: letter,"),
        (None, "Must be the id of a template, or one of: letter,"),
        (True, "Must be the id of a template, or one of: letter,"),
        ("9", "Must be the id of a template, or one of: letter,"),
        ("poster", "Must be the id of a template, or one of: letter,"),
        ({"id": 1}, "Must be the id of a template, or one of: letter,"),
        (["letter"], "Must be the id of a template, or one of: letter,"),
    ],
)
async def test_a_template_that_is_not_there_is_the_only_fault(client, db, template, said):
    found = await faults_of(await client.post(CAMPAIGNS, json=order_from(template)))
    assert found.keys() == {"template"}
    assert found["template"].startswith(said)
    assert stored(db) == 0


async def test_a_message_beside_a_template_is_no_message_of_either(client, db):
    body = order_from(save(client)) | {"text": "Mine", "html": "<p>Mine</p>", "writing": "source"}
    found = await faults_of(await client.post(CAMPAIGNS, json=body))
    assert found == {part: f"Give either template or {part}." for part in ("text", "html", "writing")}
    assert stored(db) == 0


async def test_what_is_wrong_in_a_template_is_told_as_a_fault_of_the_template(client, db):
    template = save(client, Written(sender_from="", subject="s", text="{{ name", html="<p>{% if %}</p>"))
    found = await faults_of(await client.post(CAMPAIGNS, json=order_from(template)))
    assert found.keys() == {"template"}
    assert found["template"].startswith("In its html: ")
    empty = save(client, Written(sender_from="", subject="", text=""), "Empty")
    found = await faults_of(await client.post(CAMPAIGNS, json=order_from(empty)))
    assert found.keys() == {"template"}
    assert stored(db) == 0


async def test_what_is_to_be_taken_from_lists_goes_with_lists_only(client, db):
    """Or somebody who was to be left out would get it."""
    body = order(minus_lists=[1], minus_campaigns=[2], sample=1)
    found = await faults_of(await client.post(CAMPAIGNS, json=body))
    assert found.keys() == {"minus_lists", "minus_campaigns", "sample"}
    assert all('"lists"' in said for said in found.values())
    assert stored(db) == 0
