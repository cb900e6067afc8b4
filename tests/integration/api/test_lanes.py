"""Lanes for programs: how far each receiver is, why it is slow, and its lane by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from mailing.accounts.tables import audit
from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult
from mailing.core.tables import batches, rests
from mailing.ledger import lanes
from mailing.ledger import rests as resting
from tests.support.api import CAMPAIGNS, faults_of, problem_of
from tests.support.web import deliver, store

if TYPE_CHECKING:
    from quart.typing import TestClientProtocol

    from mailing.core.database import Database

ME = "127.0.0.1:25"
RATE = "421 4.7.28 <b>Gmail</b> has detected an unusual rate of mail"
PEOPLE = ["a@gmail.com", "b@gmail.com", "c@googlemail.com", "d@att.net", "e@x.example"]
HERE = f"{CAMPAIGNS}/1/lanes"


@pytest.fixture
def campaign(db: Database) -> int:
    return store(db, " ".join(PEOPLE), send=True)


def account(client: TestClientProtocol) -> str:
    return client.app.extensions["volley"].settings.sender.account  # type: ignore[attr-defined]


def rest(db: Database, sender: str, receiver: str = "gmail", wait_s: int = 600) -> None:
    with db.write() as connection:
        resting.begin(connection, sender, wait_s, RATE, tried_at=0, lane=receiver)


async def read(client: TestClientProtocol) -> dict[str, Any]:
    answer = await (await client.get(HERE)).get_json()
    return {lane["receiver"]: lane for lane in answer["lanes"]}


async def test_each_receiver_is_told_with_all_its_domains_and_the_last_reply(
    client: TestClientProtocol, db: Database, campaign: int
) -> None:
    accepted = (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 Ok")
    full = (AttemptResult.FAILED, 552, "5.2.2", "552 5.2.2 full")
    deliver(db, accepted, full, accepted, accepted)
    found = await read(client)
    assert [*found] == ["gmail", "x.example", "yahoo"]
    gmail = found["gmail"]
    assert (gmail["name"], gmail["domains"], gmail["total"], gmail["left"]) == ("Gmail", 2, 3, 0)
    assert (gmail["sent"], gmail["failed"], gmail["deferred"]) == (2, 1, 0)
    assert (gmail["rate_per_minute"], gmail["pace"], gmail["width"]) == (3.0, "free", None)
    assert gmail["last_reply_at"]
    assert found["x.example"]["left"] == 1
    assert found["x.example"]["last_reply"] == ""


async def test_a_slow_lane_says_why_and_when_it_goes_on(
    client: TestClientProtocol, db: Database, campaign: int
) -> None:
    rest(db, account(client))
    gmail = (await read(client))["gmail"]
    assert (gmail["pace"], gmail["reason"], gmail["width"]) == ("resting", RATE, 0)
    assert gmail["resumes_at"].startswith("20")
    with db.write() as connection:
        connection.execute(update(rests).values(until=now_ms() - 1))
    assert (await read(client))["gmail"]["pace"] == "trying"
    with db.write() as connection:
        lanes.widen(connection, account(client), "gmail", 1)
        connection.execute(update(rests).values(ended_at=None))
    gmail = (await read(client))["gmail"]
    assert (gmail["pace"], gmail["width"]) == ("narrow", 1)


async def test_a_lane_is_paused_rested_and_let_go_on_by_hand(
    client: TestClientProtocol, db: Database, campaign: int
) -> None:
    with db.write() as connection:
        connection.execute(update(batches).values(rests_until=2**60))
    paused = await (await client.post(f"{HERE}/pause", json={"receiver": "gmail"})).get_json()
    assert paused["lanes"][0]["pace"] == "paused"
    assert paused["lanes"][0]["resumes_at"] is None
    assert paused["lanes"][0]["reason_code"] == "lane.paused-by-hand"
    rested = await client.post(f"{HERE}/rest", json={"receiver": "gmail", "minutes": 3})
    assert (await rested.get_json())["lanes"][0]["pace"] == "resting"
    on = await client.post(f"{HERE}/resume", json={"receiver": "gmail"})
    assert (await on.get_json())["lanes"][0]["pace"] == "free"
    with db.read() as connection:
        assert connection.execute(select(batches.c.rests_until)).scalars().first() <= now_ms()
        said = connection.execute(select(audit.c.action, audit.c.details).order_by(audit.c.id)).all()
    assert [tuple(row) for row in said[-3:]] == [
        ("lane-pause", {"receiver": "gmail"}),
        ("lane-rest", {"receiver": "gmail", "minutes": 3}),
        ("lane-resume", {"receiver": "gmail"}),
    ]


async def test_a_lane_that_a_receiver_had_rest_goes_on_with_one_email_first(
    client: TestClientProtocol, db: Database, campaign: int
) -> None:
    rest(db, account(client))
    await client.post(f"{HERE}/resume", json={"receiver": "gmail"})
    assert (await read(client))["gmail"]["pace"] == "trying"


async def test_what_makes_no_sense_changes_nothing(
    client: TestClientProtocol, db: Database, campaign: int
) -> None:
    for body, status in (({"receiver": "qq"}, 409), ({"receiver": "gmail"}, 409)):
        await problem_of(await client.post(f"{HERE}/resume", json=body), status)
    for body in ({}, {"receiver": 1}, {"receiver": "gmail", "minutes": 0}, {"receiver": "gmail", "more": 1}):
        assert await faults_of(await client.post(f"{HERE}/rest", json=body))
    await problem_of(await client.get(f"{CAMPAIGNS}/9/lanes"), 404)
    with db.read() as connection:
        assert not lanes.any_slow(connection)


async def test_a_slow_lane_of_a_rare_domain_is_told_too(
    client: TestClientProtocol, db: Database, campaign: int
) -> None:
    with db.write() as connection:
        connection.exec_driver_sql("DELETE FROM surveys")
    rest(db, account(client), "x.example")
    rest(db, account(client), "elsewhere.example")
    found = await read(client)
    assert [*found] == ["x.example", ""]
    assert (found["x.example"]["total"], found["x.example"]["pace"]) == (None, "resting")
    assert found[""]["total"] == len(PEOPLE)
