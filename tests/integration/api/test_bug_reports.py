"""What users of similar programs reported of their APIs must not happen here."""

from __future__ import annotations

import base64
from codecs import BOM_UTF8
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from mailing.campaigns import drafts
from mailing.campaigns.drafts import Draft
from mailing.core.states import AttemptResult
from mailing.library import files
from tests.support.api import CAMPAIGNS, JSON, faults_of, order, post, problem_of, stored
from tests.support.web import DRAFT, deliver, store

if TYPE_CHECKING:
    from quart.typing import TestClientProtocol

PDF = b"%PDF-1.4\n" + bytes(range(256))


async def got(client: TestClientProtocol, path: str) -> Any:
    response = await client.get(path)
    assert response.status_code == 200, await response.get_data()
    return await response.get_json()


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ({"text": ..., "html": "<p>Hi</p>", "writing": "plain"}, "html"),
        ({"html": "<p>Hi</p>", "writing": "plain"}, "html"),
        ({"text": "# Hi", "writing": "markdown"}, "html"),
        ({"text": "Hi", "html": " ", "writing": "mjml"}, "html"),
        ({"preheader": "In short"}, "preheader"),
        ({"minus_lists": [1]}, "minus_lists"),
    ],
)
async def test_what_would_not_be_heeded_is_an_error_and_never_left_out_in_silence(client, db, message, fault):
    """Fields that did nothing, and an answer that said all is well: the most frequent report of all."""
    for send in (False, True):
        found = await faults_of(await client.post(CAMPAIGNS, json=order(**message, send=send)))
        assert list(found) == [fault]
    assert stored(db) == 0


def test_a_message_that_says_nothing_is_not_sent_to_anybody(db):
    """A draft is kept as it is, and may be empty."""
    for draft in (Draft("a@b.example", "s"), Draft("a@b.example", "s", " ", "\n")):
        campaign = store(db, "ann@x.example", draft)
        with db.read() as connection:
            (reason,) = drafts.faults(connection, campaign)
        assert reason.code == "message.empty"


async def test_a_plus_in_an_address_is_found_though_nobody_encoded_it(client, db):
    await post(client, order(recipients="anna+bounce@example.org\nben@example.org", send=True))
    deliver(db, (AttemptResult.SENT, 250, "", "OK"), (AttemptResult.SENT, 250, "", "OK"))
    for path, rows in ((f"{CAMPAIGNS}/1/recipients?q=", "recipients"), ("/api/v1/log?q=", "log")):
        for written in ("anna+bounce@example.org", "anna%2Bbounce@example.org", "anna+"):
            found = (await got(client, path + written))[rows]
            assert [row["email"] for row in found] == ["anna+bounce@example.org"], written


async def test_a_time_with_an_offset_is_read_though_nobody_encoded_its_plus(client):
    for offset in ("+07:00", "%2B07:00", "+0700", "-05:00", "Z"):
        await got(client, f"/api/v1/log?from=2026-11-22T14:02:11{offset}&to=2026-11-22T14:02:11.5{offset}")


@pytest.mark.parametrize("path", ["/api/v1/log?state=sent&state=failed", f"{CAMPAIGNS}?limit=1&limit=2"])
async def test_a_parameter_that_is_given_twice_is_an_error_and_not_half_of_what_was_asked(client, path):
    problem = await problem_of(await client.get(path), 422)
    assert problem["code"] == "request.repeated"


@pytest.mark.parametrize("encode", [base64.b64encode, base64.encodebytes])
async def test_a_file_may_come_in_base64_of_one_line_or_many(client, db, encode):
    await post(client, order(attachments=[{"name": "plan.pdf", "content": encode(PDF).decode()}]))
    with db.read() as connection:
        (kept,) = files.of_campaign(connection, 1)
    assert kept.data == PDF


@pytest.mark.parametrize("content", ["data:application/pdf;base64,JVBERi0=", "%%%", "JVBERi0", [1], None])
async def test_a_file_that_is_not_base64_is_named(client, db, content):
    found = await faults_of(
        await client.post(CAMPAIGNS, json=order(attachments=[{"name": "plan.pdf", "content": content}]))
    )
    assert found["attachments"].startswith("The content of 'plan.pdf' is not Base64.")
    assert stored(db) == 0


async def test_json_may_begin_with_a_byte_order_mark(client):
    answer = await client.post(CAMPAIGNS, data=BOM_UTF8 + orjson.dumps(order()), headers=JSON)
    assert answer.status_code == 201


async def test_lists_are_ids_and_the_fault_is_in_no_other_field(client):
    body = order(recipients=..., lists=[{"id": 1, "name": "Members"}])
    found = await faults_of(await client.post(CAMPAIGNS, json=body))
    assert list(found) == ["lists"]
    assert found["lists"].endswith("is not an id. Give ids, such as [1, 2].")
    found = await faults_of(await client.post(CAMPAIGNS, json=order(recipients=..., lists=[1], sample="5")))
    assert list(found) == ["sample"]
    found = await faults_of(await client.post(CAMPAIGNS, json=order(recipients=..., lists=[9])))
    assert found["lists"].startswith("List 9 doesn't exist")


async def test_a_campaign_that_was_sent_is_not_sent_again(client, db):
    store(db, "ann@x.example", DRAFT)
    assert (await client.post(f"{CAMPAIGNS}/1/send", headers=JSON)).status_code == 200
    await problem_of(await client.post(f"{CAMPAIGNS}/1/send", headers=JSON), 409)


async def test_what_was_created_is_there_under_its_id_and_its_location(client):
    response = await client.post(CAMPAIGNS, json=order())
    made = await response.get_json()
    for path in (response.headers["Location"], f"{CAMPAIGNS}/{made['id']}"):
        assert (await got(client, path))["id"] == made["id"]
