"""Recipients through the API: found page by page, retried, resent or marked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailing.campaigns import lifecycle
from mailing.core import tables
from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult
from mailing.ledger import rests
from mailing.senders import store as senders
from mailing.smtp.account import Sender
from tests.support.api import CAMPAIGNS, faults_of, order, post, problem_of
from tests.support.web import deliver

if TYPE_CHECKING:
    from quart.typing import TestClientProtocol

    from mailing.core.database import Database


async def failed_campaign(client: TestClientProtocol, db: Database) -> str:
    """Post a campaign whose recipients fail, and which is over; return its path."""
    campaign = await post(client, order(send=True, give_up_hours=2))
    assert campaign["id"] == 1
    refused = (AttemptResult.FAILED, 554, "5.4.7", "554 5.4.7 expired")
    deliver(db, refused, refused)
    with db.write() as connection:
        assert lifecycle.finish(connection, 1)
    return f"{CAMPAIGNS}/1"


async def test_failed_recipients_are_retried_one_some_and_all(client: TestClientProtocol, db: Database):
    path = await failed_campaign(client, db)
    campaign = await (await client.get(path)).get_json()
    assert (campaign["state"], campaign["counts"]["failed"], campaign["give_up_hours"]) == ("finished", 2, 2)
    for body, affected, state in (
        ({"state": "deferred"}, 0, "finished"),
        ({"q": "nobody"}, 0, "finished"),
        ({"state": "failed", "q": "B@"}, 1, "sending"),
        ({"recipient": 1}, 1, "sending"),
        (None, 0, "sending"),
    ):
        response = (
            await client.post(f"{path}/retry", json=body) if body else await client.post(f"{path}/retry")
        )
        answer = await response.get_json()
        assert (response.status_code, answer["affected"], answer["state"]) == (200, affected, state)
        assert sum(answer["counts"].values()) == 2
    assert answer["counts"]["queued"] == 2
    assert answer["finished_at"] is None


@pytest.mark.parametrize(("verb", "state"), [("resend-unknown", "queued"), ("mark-unknown-sent", "sent")])
async def test_the_unknown_are_resent_or_marked_as_sent(
    client: TestClientProtocol, db: Database, verb: str, state: str
):
    await post(client, order(send=True))
    deliver(db, (AttemptResult.UNKNOWN, None, "", Reason("attempt.lease-ended")))
    page = await (await client.get(f"{CAMPAIGNS}/1/recipients?q=a@")).get_json()
    assert page["recipients"][0]["last_attempt"]["reason_code"] == "attempt.lease-ended"
    assert page["recipients"][0]["last_attempt"]["reply"].startswith("The worker stopped before")
    answer = await (await client.post(f"{CAMPAIGNS}/1/{verb}")).get_json()
    assert (answer["affected"], answer["counts"]["unknown"]) == (1, 0)
    page = await (await client.get(f"{CAMPAIGNS}/1/recipients?q=a@")).get_json()
    assert page["recipients"][0]["state"] == state


@pytest.mark.parametrize(("verb", "state"), [("skip", "canceled"), ("fail", "failed")])
async def test_a_person_can_go_past_those_who_wait(
    client: TestClientProtocol, db: Database, verb: str, state: str
):
    await post(client, order(send=True, recipients="a@x.example b@x.example c@x.example"))
    denied = (AttemptResult.RETURNED, 554, "5.7.1", "554 5.7.1 no")
    deliver(db, denied, (AttemptResult.RETURNED, 535, "5.7.8", "535 5.7.8 no"))
    for body, affected in (
        ({"reply": "554-5.7.9"}, 0),
        ({"reply": "554-5.7.1"}, 1),
        ({"state": "deferred"}, 0),
        ({"q": "c@"}, 1),
    ):
        answer = await (await client.post(f"{CAMPAIGNS}/1/{verb}", json=body)).get_json()
        assert answer["affected"] == affected, body
    assert (answer["counts"][state], answer["counts"]["queued"]) == (2, 1)
    problem = await problem_of(await client.post(f"{CAMPAIGNS}/1/{verb}", json={"reply": "no"}), 422)
    assert problem["code"] == "request.wrong-value"


async def test_a_campaign_whose_sender_waits_says_why_and_until_when(
    client: TestClientProtocol, db: Database
):
    await post(client, order(send=True))
    with db.write() as connection:
        senders.keep_default(connection, Sender("mx", 25))
        rests.begin(connection, "mx:25", 600, "550 5.4.5 Daily user sending limit exceeded", tried_at=0)
    answer = await (await client.get(f"{CAMPAIGNS}/1")).get_json()
    assert answer["state"] == "sending"
    assert answer["waits"]["reason"] == "550 5.4.5 Daily user sending limit exceeded"
    assert answer["waits"]["until"] > answer["waits"]["since"] > answer["started_at"][:10]
    await client.post(f"{CAMPAIGNS}/1/pause")
    assert (await (await client.get(f"{CAMPAIGNS}/1")).get_json())["waits"] is None


async def test_recipients_of_a_canceled_campaign_are_not_queued_again(
    client: TestClientProtocol, db: Database
):
    path = await failed_campaign(client, db)
    with db.write() as connection:
        connection.execute(tables.campaigns.update().values(state="canceled"))
    problem = await problem_of(await client.post(f"{path}/retry"), 409)
    assert "is canceled" in problem["detail"]
    assert (await (await client.get(path)).get_json())["counts"]["failed"] == 2


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({"state": "sent"}, "state", "deferred or failed"),
        ({"state": ["failed"]}, "state", "deferred or failed"),
        ({"q": 1}, "q", "string"),
        ({"q": "\0"}, "q", "NUL"),
        ({"recipient": "1"}, "recipient", "id"),
        ({"recipient": True}, "recipient", "id"),
        ({"recipient": 2**63}, "recipient", "id"),
        ({"everybody": True}, "everybody", "Unknown field"),
    ],
)
async def test_a_choice_that_nobody_can_mean_is_refused(
    client: TestClientProtocol, db: Database, body: dict[str, Any], field: str, words: str
):
    path = await failed_campaign(client, db)
    faults = await faults_of(await client.post(f"{path}/retry", json=body))
    assert words in faults[field]
    assert (await (await client.get(path)).get_json())["counts"]["failed"] == 2


async def test_recipients_come_in_pages(client: TestClientProtocol):
    pasted = "\n".join(f"u{number}@example.org" for number in range(7))
    path = f"{CAMPAIGNS}/{(await post(client, order(recipients=pasted)))['id']}/recipients"
    seen, after = [], 0
    for size in (3, 3, 1):
        page = await (await client.get(f"{path}?limit=3&after={after}")).get_json()
        assert len(page["recipients"]) == size
        seen += [row["email"] for row in page["recipients"]]
        after = page["next"]
    assert after is None
    assert seen == pasted.splitlines()


async def test_recipients_are_found_by_state_and_by_how_they_begin(client: TestClientProtocol):
    rows = [{"email": "a_b@example.org"}, {"email": "axb@example.org", "name": "Bob"}]
    path = f"{CAMPAIGNS}/{(await post(client, order(recipients=rows)))['id']}/recipients"

    async def found(query: str) -> list[str]:
        page = await (await client.get(f"{path}?{query}")).get_json()
        return [row["email"] for row in page["recipients"]]

    assert await found("q=A_B") == ["a_b@example.org"]
    assert await found("q=xb") == []
    assert await found("q=%25") == []
    assert await found("state=sent") == []
    assert len(await found("state=queued&q=@Example.org")) == 2
    assert await found("q=@example") == []


async def test_a_recipient_without_an_attempt_has_none(client: TestClientProtocol):
    path = f"{CAMPAIGNS}/{(await post(client, order(recipients='Ann <a@example.org>')))['id']}/recipients"
    (row,) = (await (await client.get(path)).get_json())["recipients"]
    assert row.pop("changed_at").endswith("Z")
    assert row.pop("id") > 0
    assert row == {
        "email": "a@example.org",
        "name": "Ann",
        "state": "queued",
        "attempts": 0,
        "worker": None,
        "due_at": None,
        "bounced": None,
        "complained_at": None,
        "last_attempt": None,
    }


async def test_a_faulty_query_is_refused_with_all_faults(client: TestClientProtocol):
    path = f"{CAMPAIGNS}/{(await post(client, order()))['id']}/recipients"
    faults = await faults_of(await client.get(f"{path}?state=lost&q=%00&after=-1&limit=501"))
    assert list(faults) == ["state", "q", "after", "limit"]
    for query in ("limit=0", "limit=x", "after=1.5", f"after={'9' * 40}", "after=%D9%A3"):
        assert len(await faults_of(await client.get(f"{path}?{query}"))) == 1
