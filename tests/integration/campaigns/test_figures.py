"""Numbers of one campaign never contradict each other, whichever door they are read at."""

from __future__ import annotations

import asyncio
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from sqlalchemy import event, insert, update

from mailing.campaigns import lifecycle
from mailing.campaigns import queries as campaigns
from mailing.core import logs, tables
from mailing.core.states import AttemptResult, CampaignAction, RecipientState
from mailing.ledger import claims, counters, leases, results
from mailing.reports import overview
from mailing.reports import replay as replays
from mailing.reports.overview import Days
from tests.support.web import deliver, running, settings_for, store
from webapp.cli import commands

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from mailing.core.database import Database
    from tests.support.web import Visitor

SENT = (AttemptResult.SENT, 250, "", "250 ok")
NOW = 1_900_000_000_000  # ms: any time
RATE = r"<dd>([\d.,]+)/min</dd>"


@pytest.fixture
async def visitor(tmp_path: Path, db: Database, database_url: str) -> AsyncIterator[Visitor]:
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The clock of all doors: its only value may be set."""
    moment = [NOW]
    for module in (
        "webapp.campaigns.progress",
        "webapp.api.campaigns",
        "webapp.cli.campaigns.work",
        "mailing.reports.overview",
    ):
        monkeypatch.setattr(f"{module}.now_ms", lambda: moment[0])
    return moment


@pytest.fixture
def status(tmp_path: Path, db: Database, monkeypatch: pytest.MonkeyPatch):
    """What ``volley status`` says of campaign 1."""
    monkeypatch.setattr(logs, "configure", lambda _kind, **_more: None)
    env = {
        "VOLLEY_INSTANCE": str(tmp_path),
        "VOLLEY_DATABASE_URL": db.url.render_as_string(hide_password=False),
        "VOLLEY_REDIS_URL": "redis://127.0.0.1:1/0",
    }

    async def read() -> str:
        return (await asyncio.to_thread(CliRunner().invoke, commands.main, ["status", "1"], env=env)).output

    return read


def going(db: Database, started_at: int, slots: dict[int, int], *, finished_at: int | None = None) -> None:
    """Let campaign 1 have been sent, with so many emails in slots at so many s before NOW."""
    with db.write() as connection:
        values = {"started_at": started_at, "finished_at": finished_at}
        if finished_at:
            values["state"] = "finished"
        connection.execute(update(tables.campaigns).values(values))
        for before_s, n in slots.items():
            at = (NOW // 1000 - before_s) // 5 * 5
            row = {"campaign_id": 1, "slot": at, "result": "sent", "shard": 0, "n": n}
            connection.execute(insert(tables.paces).values(row))


@pytest.mark.parametrize(
    ("age_s", "slots", "figure", "window"),
    [
        (20, {20: 300, 10: 100}, "1,200", "since the start"),
        (3600, {3000: 9_000, 50: 100, 10: 20}, "120", "in the last minute"),
        (3600, {3000: 9_000}, "0", "in the last minute"),
        (3600, {3: 50, 30: 4}, "4.0", "in the last minute"),
    ],
)
async def test_every_door_tells_the_same_speed_and_over_which_time(  # noqa: PLR0917 - fixtures
    visitor, db, now, status, age_s, slots, figure, window
):
    store(db, "ann@b.example bob@b.example", send=True)
    going(db, NOW - age_s * 1000, slots)
    page = await visitor.read("/campaigns/1")
    facts = re.search(r'id="facts">(.*?)</dl>', page, re.DOTALL)[1]
    shown = dict(re.findall(rf"<dt>([^<]+)</dt>{RATE}", facts))
    if window == "in the last minute":
        assert shown["Rate, last minute"] == figure
    else:
        assert shown == {"Average rate": figure}
    assert f"{figure}/min" in await visitor.read("/")
    answer = await (await visitor.get("/api/v1/campaigns/1")).get_json()
    assert answer["rate_per_minute"] == float(figure.replace(",", ""))
    assert answer["rate_seconds"] == min(age_s, 60)
    (listed,) = (await (await visitor.get("/api/v1/campaigns")).get_json())["campaigns"]
    assert listed["rate_per_minute"] == answer["rate_per_minute"]
    assert f"{figure} per minute {window}." in await status()


async def test_a_campaign_of_less_than_a_second_has_no_peak_below_its_average(visitor, db, now):
    """It was: average 145,954/min, peak 37,860/min."""
    store(db, "\n".join(f"p{n}@b.example" for n in range(10)), send=True)
    begun = NOW // 5000 * 5000 - 200
    going(db, begun, {}, finished_at=begun + 400)
    with db.write() as connection:
        for at, n in ((begun // 5000 * 5, 600), (begun // 5000 * 5 + 5, 616)):
            row = {"campaign_id": 1, "slot": at, "result": "sent", "shard": 0, "n": n}
            connection.execute(insert(tables.paces).values(row))
    page = await visitor.read("/campaigns/1")
    average = re.search(rf"Average rate</dt>{RATE}", page)[1]
    peak = re.search(r"peak ([\d,]+)/min", page)[1]
    assert average == peak == f"{1216 * 60:,}"
    assert re.search(r"Rate, last minute</dt><dd>\W<", page)


async def test_the_replay_of_a_short_campaign_tells_its_average_at_the_end(visitor, db):
    store(db, "ann@b.example bob@b.example", send=True)
    deliver(db, SENT, SENT)
    with db.write() as connection:
        lifecycle.finish(connection, 1)
    page = await visitor.read("/campaigns/1")
    replay = await visitor.read("/campaigns/1/replay")
    shown = re.search(r'id="window">([^<]+)</span> <b id="rate">([\d,.]+)/min', replay)
    assert (shown[1], shown[2]) == ("Average rate", "0"), "it begins at the start"
    data = await (await visitor.get("/campaigns/1/replay.json")).get_json()
    average = re.search(rf"Average rate</dt>{RATE}", page)[1]
    assert data["rates"][-1] == float(average.replace(",", ""))
    assert len(data["rates"]) == data["minute"]  # none of them was measured for a minute


# Waiting to retry


def defer(db: Database, n: int, *, due_at: int) -> None:
    """Let the server refuse the next ``n`` people for now."""
    later = (451, "4.7.1", "451 later", due_at)
    with db.write() as connection:
        worker = leases.register(connection, "here:1")
        held = claims.claim(connection, worker, 1, after=0, last=10**9, limit=n)
        assert len(held) == n
        at = held[0].claimed_at
        ended = [results.Result(each, AttemptResult.DEFERRED, "mx:25", at, at, *later) for each in held]
        results.settle(connection, ended)


async def test_where_all_only_wait_for_a_retry_every_door_says_so_and_until_when(visitor, db, status):
    """It said "Sending" for up to 24 hours."""
    store(db, "\n".join(f"p{n}@b.example" for n in range(9)), send=True)
    deliver(db, *[SENT] * 6)
    defer(db, 3, due_at=NOW)
    for path in ("/campaigns/1", "/", "/campaigns"):
        page = await visitor.read(path)
        assert "Waiting to retry" in page, path
        assert 'datetime="2030-03-17T17:46:40.000Z"' in page, path
        assert "Workers are sending." not in page, path
    answer = await (await visitor.get("/api/v1/campaigns/1")).get_json()
    assert (answer["state"], answer["condition"]) == ("sending", "waiting_to_retry")
    assert answer["next_try_at"] == "2030-03-17T17:46:40.000Z"
    with db.read() as connection:
        campaign = campaigns.get(connection, 1)
        tried = connection.exec_driver_sql("SELECT max(first_tried_at) FROM recipients").scalar()
    assert campaign.retry.given_up_at == tried + 24 * 3_600_000
    assert answer["given_up_at"] in await visitor.read("/campaigns/1")
    said = await status()
    assert "Waiting to retry: next attempt at 2030-03-17 23:16:40 +0530, retries stop at " in said


@pytest.mark.parametrize("still", ["queued", "paused", "canceled", "none"])
def test_while_anybody_can_be_mailed_or_nobody_shall_it_does_not_wait_for_a_retry(db, still):
    store(db, "a@b.example b@b.example", send=True)
    defer(db, 2 if still in {"paused", "canceled"} else 1, due_at=NOW)
    if still == "none":
        deliver(db, SENT)
    elif still in {"paused", "canceled"}:
        with db.write() as connection:
            actions = {"paused": CampaignAction.PAUSE, "canceled": CampaignAction.CANCEL}
            lifecycle.act(connection, 1, actions[still])
    with db.read() as connection:
        campaign = campaigns.get(connection, 1)
    assert (campaign.condition == "waiting_to_retry") is (still == "none")


# What is done


async def test_a_canceled_campaign_says_what_was_sent_and_not_that_all_is_done(visitor, db, status):
    """It said "1,200 of 1,200 done, 100 %" with 184 sent."""
    store(db, "\n".join(f"p{n}@b.example" for n in range(120)), send=True)
    deliver(db, *[SENT] * 18)
    with db.write() as connection:
        lifecycle.act(connection, 1, CampaignAction.CANCEL)
    with db.write() as connection:
        counters.move(connection, 1, 0, {(RecipientState.QUEUED, RecipientState.CANCELED): 102})
    for path in ("/campaigns/1", "/", "/campaigns"):
        page = (await visitor.read(path)).partition('id="received"')[0]  # where all 18 were delivered
        assert "<b>18</b> of 120 sent, 102 canceled" in page, path
        assert "120 processed" not in page, path
        assert "100%" not in page, path
    assert "15% · " in await visitor.read("/campaigns/1")  # the tab's title
    assert "18 sent, 102 canceled of 120." in await status()


async def test_a_finished_campaign_says_what_was_sent_and_what_was_not(visitor, db):
    store(db, "a@b.example b@b.example c@b.example", send=True)
    deliver(db, SENT, SENT, (AttemptResult.FAILED, 550, "5.1.1", "550 no"))
    with db.write() as connection:
        lifecycle.finish(connection, 1)
    page = await visitor.read("/campaigns/1")
    lead = re.search(r'class="lead">(.*?)</p>', page, re.DOTALL)[1]
    said = " ".join(re.sub(r"<[^>]+>", "", lead).split())
    assert said.startswith("Finished: 2 delivered to their servers, 1 not")
    assert "66.7%" in lead


async def test_a_try_took_at_least_as_long_as_all_its_parts(visitor, db):
    """It said "took 1 ms" beside "Connecting 4 ms"."""
    store(db, "ann@b.example", send=True)
    deliver(db, SENT)
    with db.write() as connection:
        trace = {"connect_ms": 40, "envelope_ms": 2, "dot_ms": 2, "connection": 1}
        trace["ended_at"] = tables.attempts.c.started_at + 3
        connection.execute(update(tables.attempts).values(trace))
    page = await visitor.read("/campaigns/1/recipients/1")
    assert "took 44 ms" in page
    parts = re.findall(r"<b>(\d+)\u00a0?\s?ms</b>", page)
    assert sum(map(int, parts)) == 44
    (row,) = (await (await visitor.get("/api/v1/log")).get_json())["log"]
    assert row["took_ms"] == 44
    assert re.search(r">44\W+ms<", await visitor.read("/history"))


# How many queries


@contextmanager
def counted(db: Database) -> Iterator[list[str]]:
    """Every statement that the database is given meanwhile."""
    told: list[str] = []

    def note(_connection, _cursor, statement, *_rest):
        told.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    yield told
    event.remove(db.engine, "before_cursor_execute", note)


def many(db: Database, n: int) -> None:
    """So many campaigns, each with somebody who waits for a retry."""
    for _ in range(n):
        store(db, "a@b.example", send=True)
    with db.write() as connection:
        values = {"state": "deferred", "due_at": NOW, "first_tried_at": NOW}
        connection.execute(update(tables.recipients).values(values))
        connection.execute(update(tables.tallies).values(state="deferred"))


@pytest.mark.parametrize("n", [1, 40])
def test_the_overview_asks_as_often_for_many_campaigns_as_for_one(db: Database, n: int):
    many(db, n)
    with counted(db) as told, db.read() as connection:
        found = overview.load(connection, NOW // 1000, Days())
    assert len(found.under_way) == min(n, overview.UNDER_WAY)
    assert all(each.retry for each in found.under_way)
    assert len(told) <= 20, told


@pytest.mark.parametrize("n", [1, 60])
async def test_the_api_lists_campaigns_in_a_handful_of_queries(visitor, n):
    db = visitor.app.extensions["volley"].db
    many(db, n)
    await visitor.get("/api/v1/campaigns?limit=1")  # whether anybody has an account is known for a second
    with counted(db) as told:
        answer = await (await visitor.get("/api/v1/campaigns?limit=500")).get_json()
    assert len(answer["campaigns"]) == n
    assert len(told) <= 8, told


def test_the_day_so_far_is_counted_anew_only_where_it_still_changes(db: Database):
    store(db, "a@b.example", send=True)
    going(db, NOW, {7200: 70, 3600: 30, 10: 5})
    days, now_s = Days(), NOW // 1000
    with db.read() as connection:
        assert days.count(connection, now_s - 86_400, now_s)[AttemptResult.SENT] == 105
        assert days.count(connection, now_s - 5000, now_s)[AttemptResult.SENT] == 35
        assert days.count(connection, now_s, now_s)[AttemptResult.SENT] == 0
    going(db, NOW, {5: 2})
    with counted(db) as told, db.read() as connection:
        assert days.count(connection, now_s - 86_400, now_s)[AttemptResult.SENT] == 107
    assert sum("paces" in statement for statement in told) == 1


# The kept courses


def test_a_course_is_read_once_by_however_many_ask_for_it_and_only_some_are_kept(db, monkeypatch):
    store(db, "ann@b.example", send=True)
    with db.read() as connection:
        campaign = campaigns.get(connection, 1)
        whole = replays.read(connection, campaign)
    courses, reads, together = replays.Replays(), [], threading.Barrier(8)

    def course(_connection, of):
        reads.append(of.finished_at)
        return whole

    monkeypatch.setattr(replays, "read", course)

    def ask(_n: int):
        together.wait()
        return courses.get(None, campaign)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(8))) == [whole] * 8
    assert len(reads) == 1
    for n in range(40):
        courses.get(None, replace(campaign, finished_at=n))
    assert len(courses._kept) == replays.MOST_KEPT
    assert len(reads) == 41


def test_a_course_that_could_not_be_read_is_read_again(db, monkeypatch):
    store(db, "ann@b.example", send=True)
    courses = replays.Replays()
    with db.read() as connection:
        campaign = campaigns.get(connection, 1)
        with monkeypatch.context() as patched:
            patched.setattr(replays, "read", lambda *_: 1 // 0)
            with pytest.raises(ZeroDivisionError):
                courses.get(connection, campaign)
        assert courses.get(connection, campaign).last >= 1
