"""The replay: at each moment of a campaign's course the states add up, and are those of the log then."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from mailing.campaigns import lifecycle
from mailing.campaigns import queries as campaigns
from mailing.core.states import AttemptResult, CampaignAction, CampaignState, RecipientState
from mailing.ledger import claims, counters, leases, results
from mailing.reports import replay
from tests.support.web import deliver, running, settings_for, store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mailing.core.database import Database
    from tests.support.web import Visitor

RESULTS = [AttemptResult.SENT, AttemptResult.FAILED, AttemptResult.DEFERRED, AttemptResult.UNKNOWN]


@pytest.fixture
async def visitor(tmp_path: Path, db: Database, database_url: str) -> AsyncIterator[Visitor]:
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spread_ms", [50, 5_000, 90_000_000])
def test_every_frame_holds_what_the_log_says_of_that_moment(db: Database, seed: int, spread_ms: int) -> None:
    """Told once more by walking through the log, for people who were tried up to five times."""
    dice = random.Random(seed)
    people = 40
    store(db, "\n".join(f"p{n}@b.example" for n in range(people)), send=True)
    tries: list[tuple[int, int, AttemptResult]] = []
    with db.write() as connection:
        worker = leases.register(connection, "here:1")
        begun = campaigns.get(connection, 1).started_at
        for _ in range(5):
            for claim in claims.claim(
                connection, worker, 1, after=0, last=10**9, limit=dice.randint(1, people)
            ):
                result = dice.choice(RESULTS)
                earlier = [at for at, who, _ in tries if who == claim.recipient_id]
                ended = max([begun, *earlier]) + dice.randint(1, spread_ms)
                tries.append((ended, claim.recipient_id, result))
                due = ended if result is AttemptResult.DEFERRED else None
                results.settle(
                    connection, [results.Result(claim, result, "mx", ended, ended, 250, "", "ok", due)]
                )
            again = (
                "SET state = 'queued', due_at = NULL WHERE state IN ('deferred', 'unknown') AND id % 3 = 0"
            )
            moved = Counter(
                row.state
                for row in connection.exec_driver_sql("SELECT state, id FROM recipients").all()
                if row.state in {"deferred", "unknown"} and row.id % 3 == 0
            )
            connection.exec_driver_sql(
                f"UPDATE recipients {again.replace('%', '%%') if not db.sqlite else again}"
            )
            changes = {(RecipientState(state), RecipientState.QUEUED): n for state, n in moved.items()}
            counters.move(connection, 1, 0, changes)
    with db.read() as connection:
        course = replay.read(connection, campaigns.get(connection, 1))
    assert course.last <= replay.MOST_STEPS
    for frame in range(course.last + 1):
        counts = course.at(frame)
        assert sum(counts.values()) == people
        assert min(counts.values()) >= 0
        if frame < course.last:
            last = {who: result for ended, who, result in sorted(tries) if ended < course.moment(frame)}
            found = Counter(result.value for result in last.values())
            assert {state: n for state, n in counts.items() if n and state != "queued"} == found
    assert course.tries[-1] == len(tries)
    with db.read() as connection:
        assert course.at(course.last) == campaigns.get(connection, 1).counts


async def test_a_finished_campaign_is_looked_through_without_scripts(visitor: Visitor, db: Database) -> None:
    store(db, "ann@b.example bob@b.example", send=True)
    assert "can be replayed once" in await visitor.read("/campaigns/1/replay", 409)
    assert "/campaigns/1/replay" not in await visitor.read("/campaigns/1")
    deliver(
        db,
        (AttemptResult.SENT, 250, "", "250 <ok>"),
        (AttemptResult.FAILED, 550, "5.1.1", "550 no"),
    )
    with db.write() as connection:
        lifecycle.finish(connection, 1)
    assert 'href="/campaigns/1/replay"' in await visitor.read("/campaigns/1")
    end = await visitor.read("/campaigns/1/replay?at=9999")
    assert '<b data-count="sent">1</b>' in end
    assert '<b data-count="failed">1</b>' in end
    assert "250 &lt;ok&gt;" in end
    start = await visitor.read("/campaigns/1/replay")
    assert '<b data-count="queued">2</b>' in start
    assert re.search(r'<svg class="strip".*<path class="tone-sent" d="M0 100.0V50.0H', start)
    assert "No emails sent yet." in start
    assert "bob@b.example" in await visitor.read("/campaigns/1/replay/tail?at=9999")
    course = json.loads(await visitor.read("/campaigns/1/replay.json"))
    assert {state: sum(changes) for state, changes in course["counts"].items()} == {
        "queued": 0,
        "sent": 1,
        "failed": 1,
    }
    assert sum(course["tries"]) == course["total"] == 2


async def test_a_canceled_campaign_ends_as_its_ledger_says(visitor: Visitor, db: Database) -> None:
    store(db, "ann@b.example bob@b.example", send=True)
    deliver(db, (AttemptResult.SENT, 250, "", "250 ok"))
    with db.write() as connection:
        lifecycle.act(connection, 1, CampaignAction.CANCEL)
        assert campaigns.get(connection, 1).state is CampaignState.CANCELED
    before = await visitor.read("/campaigns/1/replay?at=9999")
    assert '<b data-count="queued">1</b>' in before
    with db.write() as connection:
        connection.exec_driver_sql("UPDATE recipients SET state = 'canceled' WHERE state = 'queued'")
        counters.move(connection, 1, 0, {(RecipientState.QUEUED, RecipientState.CANCELED): 1})
    assert '<b data-count="canceled">1</b>' in await visitor.read("/campaigns/1/replay?at=9999")


@pytest.mark.parametrize("path", ["replay", "replay.json", "replay/tail"])
async def test_a_draft_has_no_course(visitor: Visitor, db: Database, path: str) -> None:
    await visitor.read(f"/campaigns/1/{path}", 404)
    store(db, "ann@b.example")
    await visitor.read(f"/campaigns/1/{path}", 409)
