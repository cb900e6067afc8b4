"""The page of what came back: searched, with its reports to save, and the rules of what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailing.accounts import audit
from mailing.accounts.audit import Asked
from mailing.bounces import following, store
from mailing.bounces.following import Rule
from mailing.bounces.store import Sort
from tests.integration.bounces.test_recording import ANN, BLOCKED, FULL, address_of, sent_campaign, take
from tests.support import bounces
from tests.support.web import running

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mailing.core.database import Database
    from mailing.settings import Settings
    from tests.support.web import Visitor

BOB, EVE, KIM = "bob@x.example", "eve@y.example", "kim@y.example"


@pytest.fixture
async def visitor(db: Database, chosen: Settings) -> AsyncIterator[Visitor]:
    async with running(chosen) as visitor:
        yield visitor


def some(db: Database) -> int:
    """Have one of each sort come back; return the campaign."""
    campaign_id = sent_campaign(db, ANN, BOB, EVE, KIM)

    def to(email: str) -> str:
        return address_of(db, campaign_id, email)

    take(
        db,
        bounces.dsn(ANN, to=to(ANN), number="1"),
        bounces.dsn(BOB, to=to(BOB), number="2", **FULL),
        bounces.dsn(EVE, to=to(EVE), number="3", **BLOCKED),
        bounces.complaint(original_from=to(KIM)),
        bounces.VACATION,
        bounces.dsn("nobody@z.example", number="6"),
    )
    return campaign_id


def found(db: Database, sort: Sort | None = None, q: str = "") -> list[str]:
    with db.read() as connection:
        rows = store.find(connection, sort=sort, q=q)
        assert store.count(connection, sort, q) == len(rows)
    return [it.email or it.named for it in rows]


def test_reports_are_found_by_sort_address_code_and_words(db: Database) -> None:
    some(db)
    by_sort = {sort: found(db, sort) for sort in Sort}
    assert by_sort[Sort.DEAD] == ["nobody@z.example", ANN]
    assert by_sort[Sort.SOFT] == [BOB]
    assert by_sort[Sort.POLICY] == [EVE]
    assert by_sort[Sort.COMPLAINED] == [KIM]
    assert by_sort[Sort.UNMATCHED] == ["nobody@z.example", ""]
    assert by_sort[Sort.REPLIED] == [""]
    assert found(db, q="Bob@") == [BOB]
    assert found(db, q="5.2.2") == [BOB]
    assert found(db, q="MAILBOX full") == [BOB]
    assert found(db, q="100%") == []
    assert len(found(db)) == 6


async def test_the_page_tells_who_why_and_how_long_after(visitor: Visitor, db: Database) -> None:
    campaign_id = some(db)
    page = (await visitor.read("/bounces")).replace("<wbr>", "")
    for text in (ANN, BOB, EVE, KIM, "Dead mailbox", "Soft bounce", "Blocked by policy", "Reported as spam"):
        assert text in page
    assert "after sending: mailbox full" in page
    assert f"/campaigns/{campaign_id}/recipients/" in page
    page = (await visitor.read("/bounces?state=soft&q=x.example")).replace("<wbr>", "")
    assert BOB in page
    assert ANN not in page
    assert "Nothing matches." in await visitor.read("/bounces?q=nothing")
    await visitor.read("/bounces?state=nonsense", 400)


async def test_an_empty_page_says_how_bounces_reach_volley(visitor: Visitor) -> None:
    page = await visitor.read("/bounces")
    assert "set up a webhook" in page
    assert "VOLLEY_BOUNCE_DOMAIN" in page


async def test_a_report_is_shown_and_saved_but_never_opened_as_a_page(visitor: Visitor, db: Database) -> None:
    some(db)
    page = await visitor.read("/suppression")
    assert "Report 1" in page  # why Ann is not mailed
    page = await visitor.read("/bounces/1")
    assert "User unknown" in page
    answer = await visitor.get("/bounces/1/raw")
    assert (await answer.get_data()).startswith(b"Return-Path: <>")
    assert answer.headers["Content-Type"] == "message/rfc822"
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await visitor.get("/bounces/999")).status_code == 404
    assert (await visitor.get("/bounces/999/raw")).status_code == 404


async def test_the_rules_are_changed_and_the_audit_log_says_so(visitor: Visitor, db: Database) -> None:
    await visitor.read("/bounces")
    usual = {"hard": (1, 30), "soft": (5, 60), "policy": (0, 30), "complained": (1, 30)}
    form = {f"times-{of}": str(times) for of, (times, _) in usual.items()}
    form |= {f"days-{of}": str(days) for of, (_, days) in usual.items()}
    assert (await visitor.post("/bounces/rules", form)).status_code == 303
    with db.read() as connection:
        assert following.rules(connection)["soft"] == Rule(5, 60)
        told = audit.page(connection, Asked(action="change bounce rule"))
    assert len(told) == 1
    assert (await visitor.post("/bounces/rules", form | {"days-soft": "x"})).status_code == 422
