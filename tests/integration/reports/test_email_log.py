"""The email log: found by any question in its one order, page by page both ways, and taken away whole."""

from __future__ import annotations

import csv
import html
import io
import itertools
import json
import random
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import pytest
from sqlalchemy import insert

from mailing.core import tables
from mailing.core.states import AttemptResult
from mailing.reports.log import email_log
from mailing.reports.log.walks import Key, Search
from tests.support.web import deliver, running, settings_for, store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from mailing.core.database import Database
    from mailing.reports.log.email_log import LogRow
    from tests.support.web import Visitor

ANSWERS = [
    (AttemptResult.SENT, 250, "2.0.0", "250 ok"),
    (AttemptResult.SENT, 250, "", "250 ok"),
    (AttemptResult.FAILED, 550, "5.1.1", "=550 nobody"),
    (AttemptResult.FAILED, 550, "5.7.1", "550 policy"),
    (AttemptResult.DEFERRED, 451, "4.7.1", "451 later"),
    (AttemptResult.UNKNOWN, None, "", "lost"),
]
PEOPLE = ["Ann", "ann.b", "bob", "b_b", "ä", "Zoe"]
DOMAINS = ["one.example", "two.example", "three.example"]
BEGUN = 1_705_305_600_000  # 2024-01-15 08:00:00 UTC


@pytest.fixture
def rows(db: Database) -> list[LogRow]:
    """Two campaigns' attempts at random, many at the same moment; returned in the order of the log."""
    dice = random.Random(4)
    for _ in range(2):
        store(db, "\n".join(f"{name}@{domain}" for name in PEOPLE for domain in DOMAINS), send=True)
    with db.write() as connection:
        worker = connection.execute(
            insert(tables.workers)
            .values(name="here:1", started_at=0, seen_at=0)
            .returning(tables.workers.c.id)
        ).scalar_one()
        for row in connection.execute(tables.recipients.select()).all():
            for number in range(1, dice.randint(2, 7)):
                result, code, enhanced, reply = dice.choice(ANSWERS)
                values = {"campaign_id": row.campaign_id, "result": result, "enhanced": enhanced}
                attempt = {
                    "recipient_id": row.id,
                    "number": number,
                    "domain": row.domain,
                    "worker_id": worker,
                    "server": "mx:25",
                    "started_at": BEGUN,
                    "ended_at": BEGUN + dice.randrange(40) * 1000,
                    "code": code,
                    "reply": reply,
                }
                connection.execute(insert(tables.attempts), values | attempt)
                if result is not AttemptResult.SENT:
                    group = {"code": code or 0, "shard": row.id * 8 + number, "n": 1, "sample": reply}
                    connection.execute(insert(tables.reply_groups), values | group)
    with db.read() as connection:
        everything = email_log.page(connection, Search(), limit=10_000).rows
    return sorted(everything, key=lambda row: row.key, reverse=True)


def fits(row: LogRow, search: Search) -> bool:
    """What the words of a search mean, said another way."""
    return (
        search.campaign_id in {None, row.campaign_id}
        and search.result in {None, row.result}
        and search.code in {None, row.code}
        and search.family in {None, (row.code or 0) // 100}
        and all(word.lower() in row.reply.lower() or word in row.server for word in search.words)
        and search.enhanced in {"", row.enhanced}
        and row.email.lower().startswith(search.address.lower())
        and search.domain in {"", row.email.partition("@")[2]}
        and (search.since or 0) <= row.ended_at < (search.until or BEGUN * 2)
    )


def searches() -> list[Search]:
    dice = random.Random(7)
    choices: dict[str, list[Any]] = {
        "campaign_id": [None, None, 1, 2, 3],
        "result": [None, None, *AttemptResult],
        "address": ["", "", "a", "ANN", "ann@", "b_", "zoe@two.example", "%", "\U0010ffff"],
        "domain": ["", "", "two.example", "four.example"],
        "code": [None, None, 250, 550, 451],
        "family": [None, None, None, 2, 5],
        "words": [(), (), (), ("LATER",), ("mx:", "5"), ("%",)],
        "enhanced": ["", "", "5.1.1", "4.7.1", "2.0.0"],
        "since": [None, BEGUN + 10_000],
        "until": [None, BEGUN + 30_000],
    }
    return [Search(**{name: dice.choice(values) for name, values in choices.items()}) for _ in range(200)]


@pytest.mark.parametrize("walk", [email_log.LONGEST_WALK, 7])
def test_whatever_is_asked_pages_and_exports_hold_what_fits_in_its_order(
    db: Database, rows: list[LogRow], monkeypatch: pytest.MonkeyPatch, walk: int
) -> None:
    """Also where a search may only walk a few steps at a time, and where people are looked for one by one."""
    monkeypatch.setattr(email_log, "LONGEST_WALK", walk)
    monkeypatch.setattr(email_log, "SHORT_WALK", 1)
    monkeypatch.setattr(email_log, "MOST_PEOPLE", 5)
    with db.read() as connection:
        for search in searches():
            wanted = [row for row in rows if fits(row, search)]
            down, up = [], []
            page = email_log.page(connection, search, limit=5)
            while True:
                assert len(page.rows) == 5 or page.searched_to or not page.older
                down += page.rows
                if page.older is None:
                    break
                page = email_log.page(connection, search, before=page.older, limit=5)
            assert down == wanted, search
            page = email_log.page(connection, search, after=Key(0, 0), limit=5)
            while True:
                up += page.rows[::-1]
                if page.newer is None:
                    break
                page = email_log.page(connection, search, after=page.newer, limit=5)
            assert up == wanted[::-1], search
            taken, place = [], None
            for _ in itertools.count():
                chunk, place = email_log.export(connection, search, place, limit=5)
                taken += chunk
                if place is None:
                    break
            assert taken == wanted[::-1], search


def test_a_count_is_kept_or_there_is_none(db: Database, rows: list[LogRow]) -> None:
    with db.read() as connection:
        for search in searches():
            found = email_log.count(connection, search)
            assert found is None or found == sum(fits(row, search) for row in rows), search
        assert email_log.count(connection, Search(code=550)) == sum(row.code == 550 for row in rows)
        assert email_log.count(connection, Search(result=AttemptResult.UNKNOWN, campaign_id=1))
        assert email_log.count(connection, Search(code=550, domain="two.example")) is None


@pytest.fixture
async def visitor(tmp_path: Path, db: Database, database_url: str) -> AsyncIterator[Visitor]:
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor


def shown(text: str) -> int:
    """How many rows of the log a page shows."""
    return text.count('<td class="reply">')


def chips(text: str) -> list[tuple[str, dict[str, str]]]:
    """The filters that a page shows, each with what is asked for without it."""
    found = re.findall(r'class="chip" href="([^"]+)"><span [^>]+>Remove filter: </span>(.*?) <svg', text)
    return [
        (html.unescape(label), dict(parse_qsl(html.unescape(href).partition("?")[2])))
        for href, label in found
    ]


async def test_the_page_leads_back_and_forth_and_keeps_what_was_asked(
    visitor: Visitor, rows: list[LogRow]
) -> None:
    first = await visitor.read("/history?code=550&size=50")
    n = sum(row.code == 550 for row in rows)
    assert f"{n}\N{NO-BREAK SPACE}entries" in first
    assert 'value="550"' in first
    assert 'rel="next"' not in first
    assert "/history.csv?q=550" in first
    key = f"{rows[20].ended_at}.{rows[20].id}"
    older = await visitor.read(f"/history?before={key}")
    assert "Newest" in older
    assert f"after={rows[21].ended_at}.{rows[21].id}" in older
    newer = await visitor.read(f"/history?after={key}")
    assert shown(newer) == 20
    assert f"before={rows[19].ended_at}.{rows[19].id}" in newer


async def test_one_box_finds_by_address_domain_code_result_and_words(
    visitor: Visitor, rows: list[LogRow]
) -> None:
    questions: dict[str, Callable[[LogRow], bool]] = {
        "ann": lambda row: row.email.lower().startswith("ann"),
        "ann@one.example": lambda row: row.email.lower() == "ann@one.example",
        "@two.example 4xx": lambda row: "@two." in row.email and row.code == 451,
        "5.7.1": lambda row: row.enhanced == "5.7.1",
        'failed "NOBODY" mx:25': lambda row: row.code == 550 and "nobody" in row.reply,
        '"250 ok" Zoe': lambda row: row.code == 250 and row.email.lower().startswith("zoe"),
    }
    for question, fitting in questions.items():
        text = await visitor.read(f"/history?size=200&{urlencode({'q': question})}")
        assert shown(text) == sum(map(fitting, rows)), question


async def test_each_filter_is_a_chip_that_can_be_removed(visitor: Visitor, rows: list[LogRow]) -> None:
    choices = {"state": "failed", "campaign": "2", "period": "week", "from": "2024-01-15T08:00"}
    text = await visitor.read("/history?" + urlencode({"q": 'FAILED ann "no body" 550', **choices}))

    def without(name: str) -> dict[str, str]:
        return {key: it for key, it in {"q": 'ann "no body" 550', **choices}.items() if key != name}

    assert chips(text) == [
        ("Address starts with ann", {"q": '"no body" 550', **choices}),
        ("Reply or server contains “no body”", {"q": "ann 550", **choices}),
        ("Reply code 550", {"q": 'ann "no body"', **choices}),
        ("Failed", without("state")),
        ("Picnic, {{ name }}", without("campaign")),
        ("Last 7 days", without("period")),
        ("From 2024-01-15 08:00", without("from")),
    ]
    assert '<option value="failed" selected>' in text
    assert '<option value="2" selected>Picnic, {{ name }}</option>' in text
    assert chips(await visitor.read("/history")) == []


async def test_a_word_that_starts_no_address_is_offered_as_words_of_a_reply(
    visitor: Visitor, rows: list[LogRow]
) -> None:
    text = await visitor.read("/history?q=later&state=deferred")
    assert "No matches" in text
    assert 'href="/history?q=%22later%22&amp;state=deferred"' in text
    found = await visitor.read("/history?q=%22later%22&state=deferred&size=200")
    assert shown(found) == sum(row.result == "deferred" for row in rows)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("q", "550 551", "Only one of a kind at a time: remove 551."),
        ("from", "yesterday", "Enter a date and time"),
        ("to", "2023-01-01", "The end must be after the start."),
        ("state", "odd", "Choose a result"),
        ("campaign", "x", "Choose a campaign"),
        ("period", "year", "Choose a period"),
    ],
)
async def test_a_fault_is_told_in_the_form_and_nothing_that_was_typed_is_lost(
    visitor: Visitor, rows: list[LogRow], name: str, text: str, said: str
) -> None:
    typed = {"q": "ann", "from": "2024-01-15T08:00", "to": "2024-01-15T09:00", "state": "failed", name: text}
    page = await visitor.read(f"/history?{urlencode(typed)}", 422)
    assert said in page
    assert f'id="{name}-fault"' in page
    for kept in typed.keys() - {name, "state"}:
        assert f'value="{typed[kept]}"' in page
    assert shown(page) == 0
    assert said in await visitor.read(f"/history.csv?{urlencode(typed)}", 400)


async def test_rows_tell_their_campaign_by_its_subject_under_their_day(
    visitor: Visitor, rows: list[LogRow]
) -> None:
    text = await visitor.read("/history")
    assert '<a href="/campaigns/1">Picnic, {{ name }}</a>' in text
    assert re.findall(r'scope="rowgroup">(.*?)</th>', text) == ["Monday, 15 January 2024"]
    visitor.client.set_cookie("127.0.0.1", "tz", "America/Los_Angeles")
    start = f"before={BEGUN + 1000}.1"
    assert "Monday, 15 January 2024" in await visitor.read(f"/history?{start}")  # at midnight there


async def test_a_period_counts_from_now(visitor: Visitor, db: Database) -> None:
    store(db, "ann@b.example bob@b.example", send=True)
    deliver(db, (AttemptResult.SENT, 250, "", "250 ok"), (AttemptResult.SENT, 250, "", "250 ok"))
    with db.write() as connection:
        connection.exec_driver_sql("UPDATE attempts SET ended_at = ended_at - 7200000 WHERE id = 1")
    assert [shown(await visitor.read(f"/history?period={it}")) for it in ("hour", "day", "week")] == [1, 2, 2]


async def test_new_rows_wait_until_they_are_asked_for(visitor: Visitor, db: Database) -> None:
    store(db, "ann@b.example bob@b.example", send=True)
    empty = await visitor.read("/history?q=ann")
    streams = re.findall(r'hx-sse:connect="([^"]+)"', empty)
    deliver(db, (AttemptResult.SENT, 250, "", "250 ok"), (AttemptResult.SENT, 250, "", "250 ok"))
    answer = await visitor.get(html.unescape(streams[0]), headers={"Volley-Once": "1"})
    told = (await answer.get_data()).decode()
    assert "Show 1\N{NO-BREAK SPACE}new" in told
    assert 'href="/history?q=ann"' in told
    assert "hx-sse:connect" not in await visitor.read("/history?before=1.1")  # an older page is a snapshot


async def test_times_are_meant_in_the_reader_s_zone_and_as_a_whole(
    visitor: Visitor, rows: list[LogRow]
) -> None:
    """The first row ended at 2024-01-15 08:00:00 UTC: in Hanoi at three in the afternoon."""
    visitor.client.set_cookie("127.0.0.1", "tz", "Asia/Ho_Chi_Minh")
    within = await visitor.read("/history?from=2024-01-15T15:00&to=2024-01-15T15:00&size=200")
    assert shown(within) == len(rows)
    assert "No matches" in await visitor.read("/history?to=2024-01-15T14:59")
    assert "No matches" in await visitor.read("/history?to=2024-01-14")
    day = await visitor.read("/history?from=2024-01-15&to=2024-01-15&size=200")
    assert shown(day) == len(rows)


async def test_a_search_that_went_far_enough_says_so(
    visitor: Visitor, rows: list[LogRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(email_log, "LONGEST_WALK", 10)
    monkeypatch.setattr(email_log, "SHORT_WALK", 1)
    text = await visitor.read("/history?domain=two.example&code=250")
    assert "No more matches back to" in text
    assert "Continue searching" in text


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize("chunk", [7, 2_000])
async def test_the_log_is_taken_away_whole_or_in_part(
    visitor: Visitor, rows: list[LogRow], form: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(email_log.export, "__defaults__", (None, chunk))
    read: Callable[[str], list[str]] = {
        "csv": lambda text: [row[2] for row in csv.reader(io.StringIO(text))][1:],
        "jsonl": lambda text: [json.loads(line)["email"] for line in text.splitlines()],
    }[form]
    assert read(await visitor.read(f"/history.{form}")) == [row.email for row in rows[::-1]]
    failed = [row.email for row in rows[::-1] if row.code == 550 and row.campaign_id == 2]
    text = await visitor.read(f"/history.{form}?code=550&campaign=2")
    assert read(text) == failed
    assert (",'=550 nobody," in text) is (form == "csv")
    assert read(await visitor.read(f"/history.{form}?domain=four.example")) == []


async def test_programs_get_the_same_log(visitor: Visitor, rows: list[LogRow]) -> None:
    async def get(path: str) -> Any:
        return json.loads(await visitor.read(path))

    first = await get("/api/v1/log?limit=4")
    second = await get(f"/api/v1/log?limit=4&before={first['next']}")
    assert [row["id"] for row in first["log"] + second["log"]] == [row.id for row in rows[:8]]
    assert first["log"][0]["ended_at"] == "2024-01-15T08:00:39.000Z"
    since = await get("/api/v1/log?from=2024-01-15T08:00:39Z&limit=500")
    assert len(since["log"]) == sum(row.ended_at >= BEGUN + 39_000 for row in rows)
    assert since["next"] is None
    lines = await visitor.read("/api/v1/log.jsonl?state=unknown")
    assert len(lines.splitlines()) == sum(row.result == "unknown" for row in rows)


@pytest.mark.parametrize(
    "query",
    [
        "code=x",
        "limit=0",
        "limit=501",
        "limit=%C2%B2",
        "before=1",
        "from=x",
        "state=odd",
        "color=red",
        "campaign=-1",
    ],
)
async def test_a_program_that_asks_nonsense_is_told_what_is_wrong(visitor: Visitor, query: str) -> None:
    problem = json.loads(await visitor.read(f"/api/v1/log?{query}", 422))
    assert query.partition("=")[0] in json.dumps(problem["errors"])
