"""How mail is received, as the pages, programs and the terminal tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from mailing.bounces.tables import received_tallies as tallies
from tests.integration.bounces.test_received import ANN, BOB, bounce, complain
from tests.integration.bounces.test_recording import sent_campaign
from tests.support.web import Visitor, running, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mailing.core.database import Database

API = "/api/v1"


@pytest.fixture
async def visitor(db: Database, tmp_path: Path, database_url: str) -> AsyncIterator[Visitor]:
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor


def much(db: Database, *, sent: int, complained: int) -> None:
    """Have one receiver with as many as that."""
    campaign_id = sent_campaign(db, ANN)
    complain(db, campaign_id)
    with db.write() as connection:
        for what, n in (("sent", sent), ("complained", complained)):
            connection.execute(update(tallies).where(tallies.c.what == what).values(n=n))


async def test_the_page_tells_rows_by_receiver_sender_and_campaign(visitor: Visitor, db: Database) -> None:
    page = await visitor.read("/received")
    assert "Nothing was sent in these days." in page
    campaign_id = sent_campaign(db, ANN, BOB)
    bounce(db, campaign_id)
    page = await visitor.read("/received")
    assert "x.example" in page
    assert "y.example" in page
    assert "50.0%" in page
    assert "All together" in page
    assert f'href="/campaigns/{campaign_id}"' in await visitor.read("/received?by=campaign&days=7")
    assert "Demo inbox, or marked by hand" in await visitor.read("/received?by=sender&days=90")
    assert "x.example" in await visitor.read("/received?by=nonsense&days=-1")
    shown = await visitor.read(f"/campaigns/{campaign_id}")
    assert 'id="received"' in shown
    assert "1 hard" in shown


async def test_a_receiver_near_a_limit_is_named_on_the_page_and_on_the_overview(
    visitor: Visitor, db: Database
) -> None:
    much(db, sent=2_000, complained=4)
    for path in ("/received", "/"):
        page = await visitor.read(path)
        assert "x.example: 0.20% reported as spam in 7 days" in page
        assert "tone-deferred" in page


async def test_programs_read_the_same(visitor: Visitor, db: Database) -> None:
    much(db, sent=1_000, complained=4)
    for path in (f"{API}/received?by=receiver&days=7", f"{API}/campaigns/1/received"):
        told = await (await visitor.get(path)).get_json()
        row = (told.get("rows") or told["receivers"])[0]
        assert row["delivered"] + row["bounced"] == row["sent"] == told["total"]["sent"] == 1_000
        assert (row["key"], row["complained"], row["complaint_light"]) == ("x.example", 4, "red")
    assert (await visitor.get(f"{API}/received?days=0")).status_code == 422
    assert (await visitor.get(f"{API}/received?by=color")).status_code == 422
    assert (await visitor.get(f"{API}/campaigns/99/received")).status_code == 404
