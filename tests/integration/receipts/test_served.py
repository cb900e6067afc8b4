"""The receipt's page and file; and what was said in an attempt, at the recipient and in the API."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING

import pytest

from mailing.campaigns import lifecycle
from mailing.core.reasons import Reason
from mailing.core.states import AttemptResult, RecipientState
from mailing.ledger import claims, leases, results
from mailing.ledger.results import Result, Trace
from mailing.receipts import document
from mailing.receipts.verifying import verify
from mailing.smtp.dialogue import Line, Side
from mailing.smtp.replies import Stage
from tests.support.smtp_sessions import until
from tests.support.web import deliver, running, settings_for, store
from webapp.app import create_app
from webapp.receipts import download

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from mailing.core.database import Database
    from mailing.settings import Settings
    from tests.support.web import Visitor

SENT = (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 Ok")
FAILED = (AttemptResult.FAILED, 550, "5.1.1", "550 5.1.1 <no> such user")
LINES = (
    Line(0, Side.NOTE, Stage.CONNECT, Reason("dialogue.connecting", server="mx:25")),
    Line(12, Side.CLIENT, Stage.RCPT, "RCPT TO:<ann@b.example>"),
    Line(31, Side.SERVER, Stage.RCPT, "550 5.1.1 <no> such user"),
)


@pytest.fixture
async def visitor(tmp_path: Path, db: Database, database_url: str) -> AsyncIterator[Visitor]:
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor


def finished(db: Database, n: int = 3) -> int:
    """A campaign of so many, whose last recipient failed."""
    campaign_id = store(db, " ".join(f"a{i}@b.example" for i in range(n)), send=True)
    deliver(db, *[SENT] * (n - 1), FAILED, campaign_id=campaign_id)
    finish(db, campaign_id)
    return campaign_id


def finish(db: Database, campaign_id: int) -> None:
    with db.write() as connection:
        assert lifecycle.finish(connection, campaign_id)


def refused(db: Database) -> None:
    """Let the one recipient of campaign 1 be refused, and its dialogue be kept."""
    store(db, "ann@b.example", send=True)
    with db.write() as connection:
        worker = leases.register(connection, "here:7")
        (claim,) = claims.claim(connection, worker, 1, after=0, last=10, limit=1)
        trace = Trace(1, "", 4, 12, None, LINES)
        at = claim.claimed_at
        ended = Result(claim, *FAILED[:1], "mx:25", at, at + 31, *FAILED[1:], trace=trace)
        results.settle(connection, [ended])


@contextlib.asynccontextmanager
async def asking(chosen: Settings) -> AsyncIterator[AsyncIterator[bytes]]:
    """The pieces of the receipt of campaign 1, as a server takes them."""
    app = create_app(chosen)
    async with app.test_app(), app.test_request_context("/"):
        response = await download.answer(1)
        async with response.response as pieces:
            yield aiter(pieces)


async def test_the_end_says_who_was_delivered_to_and_who_was_not(visitor: Visitor, db: Database) -> None:
    finished(db)
    for path in ("/campaigns/1", "/campaigns/1/receipt"):
        page = await visitor.read(path)
        assert "Finished: <b>2</b> delivered to their servers, 1 not" in " ".join(page.split()), path
        assert "complete" not in page.lower().replace("autocomplete", "")
    assert 'href="/campaigns/1/receipt"' in await visitor.read("/campaigns/1")


async def test_who_is_unknown_is_not_counted_as_not_delivered(visitor: Visitor, db: Database) -> None:
    store(db, "a@b.example c@b.example", send=True)
    deliver(db, SENT, (AttemptResult.UNKNOWN, None, "", "lost"))
    finish(db, 1)
    page = " ".join((await visitor.read("/campaigns/1")).split())
    assert "Finished: <b>1</b> delivered to its server, 1 unknown" in page


async def test_the_page_has_the_file_the_key_and_the_command(visitor: Visitor, db: Database) -> None:
    finished(db)
    page = await visitor.read("/campaigns/1/receipt")
    response = await visitor.client.get("/campaigns/1/receipt.jsonl")
    assert response.status_code == 200
    assert response.headers["Content-Disposition"] == 'attachment; filename="volley-receipt-1.jsonl"'
    found = verify(io.BytesIO(await response.get_data()))
    assert found.ledger[RecipientState.SENT] == 2
    assert f"volley verify volley-receipt-1.jsonl --key {found.public_key}" in page
    assert "550 5.1.1 &lt;no&gt; such user" in page


async def test_a_campaign_that_is_sending_has_no_receipt_and_says_so(visitor: Visitor, db: Database) -> None:
    store(db, "ann@b.example bob@b.example", send=True)
    deliver(db, SENT)
    page = await visitor.read("/campaigns/1/receipt")
    assert "No receipt yet" in page
    assert "receipt.jsonl" not in page.replace("volley-receipt-1.jsonl", "")
    assert (await visitor.client.get("/campaigns/1/receipt.jsonl")).status_code == 409
    assert (await visitor.client.get("/campaigns/4/receipt.jsonl")).status_code == 404
    assert (await visitor.client.get("/campaigns/4/receipt")).status_code == 404


async def test_programs_get_the_same_file(client, db: Database) -> None:
    finished(db, 40)
    response = await client.get("/api/v1/campaigns/1/receipt")
    assert response.content_type == "application/jsonl"
    assert verify(io.BytesIO(await response.get_data())).recipients == 40
    store(db, "ann@b.example", send=True)
    refusal = await client.get("/api/v1/campaigns/2/receipt")
    assert (refusal.status_code, (await refusal.get_json())["code"]) == (409, "receipt.not-over")
    missing = await client.get("/api/v1/campaigns/3/receipt")
    assert missing.status_code == 404


async def test_more_receipts_at_once_than_are_good_for_pages_are_refused(
    client, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(db)
    monkeypatch.setattr(download, "MOST", 0)
    refusal = await client.get("/api/v1/campaigns/1/receipt")
    assert refusal.status_code == 503
    assert refusal.headers["Retry-After"] == str(download.RETRY_S)
    monkeypatch.setattr(download, "MOST", 2)
    monkeypatch.setattr(download, "MOST_FILES", 0)
    assert (await client.get("/api/v1/campaigns/1/receipt")).status_code == 503


async def test_a_receipt_that_goes_wrong_is_cut_off_and_never_signed(
    chosen: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(db)

    def broken(*_args: object) -> Iterator[bytes]:
        yield b"the first line"
        raise OSError("No space left on device")

    monkeypatch.setattr(document, "blocks", broken)
    async with asking(chosen) as pieces:
        assert await anext(pieces) == b"the first line"
        with pytest.raises(OSError, match="No space left"):
            await anext(pieces)
    assert not download._spools


async def test_who_leaves_in_the_middle_leaves_no_file_and_no_reading_behind(
    chosen: Settings, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(db, 200)
    monkeypatch.setattr(document, "CHUNK", 5)
    async with asking(chosen) as pieces:
        assert await anext(pieces)
        assert len(download._spools) == 1
    assert not download._spools


async def test_who_reads_slowly_holds_no_transaction_and_gets_all_of_it(
    chosen: Settings, db: Database
) -> None:
    finished(db, 3_000)
    async with asking(chosen) as pieces:
        data = await anext(pieces)
        (spool,) = download._spools
        await until(lambda: not spool.filling)
        async for piece in pieces:
            data += piece
    assert verify(io.BytesIO(data)).recipients == 3_000


async def test_what_was_said_is_at_the_recipient_and_in_the_api(visitor: Visitor, db: Database) -> None:
    refused(db)
    page = await visitor.read("/campaigns/1/recipients/1")
    assert "SMTP dialogue" in page
    assert "RCPT TO:&lt;ann@b.example&gt;" in page
    assert "Connecting to mx:25" in page
    response = await visitor.client.get("/api/v1/campaigns/1/recipients/1/attempts")
    (attempt,) = (await response.get_json())["attempts"]
    assert attempt["result"] == "failed"
    assert attempt["dialogue"][0] == {
        "ms": 0,
        "side": "note",
        "stage": "connect",
        "said": "Connecting to mx:25",
        "reason_code": "dialogue.connecting",
    }
    assert [it["ms"] for it in attempt["dialogue"]] == [0, 12, 31]
    missing = await visitor.client.get("/api/v1/campaigns/1/recipients/9/attempts")
    assert (await missing.get_json())["code"] == "recipient.not-found"


async def test_an_attempt_that_sent_shows_no_dialogue(visitor: Visitor, db: Database) -> None:
    finished(db, 1)
    store(db, "ann@b.example", send=True)
    deliver(db, SENT, campaign_id=2)
    assert "SMTP dialogue" not in await visitor.read("/campaigns/2/recipients/2")
