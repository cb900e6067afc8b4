"""What an end leads on to: the download of what was not sent, and a copy as a new draft."""

from __future__ import annotations

import csv
import io

import pytest

from mailing.campaigns import queries
from mailing.core.states import AttemptResult, CampaignState
from tests.support.web import deliver, running, store

SENT = (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 ok")
GONE = (AttemptResult.FAILED, 550, "5.1.1", "550 5.1.1 no such user")
REFUSED = (AttemptResult.FAILED, 554, "5.7.1", "554 5.7.1 not from you")
LOST = (AttemptResult.UNKNOWN, None, "", "The connection was lost after the message.")


@pytest.fixture
async def visitor(db, chosen):
    async with running(chosen) as visitor:
        yield visitor


def ended(db):
    """One recipient of each end, and one who still waits."""
    store(db, "Ann <ann@x.example>\nbob@x.example\ncat@x.example\ndan@x.example\neve@x.example", send=True)
    deliver(db, SENT, GONE, REFUSED, LOST)


async def addresses(visitor, campaign_id):
    text = await visitor.read(f"/campaigns/{campaign_id}/recipients.csv")
    return [row[0].lstrip("\ufeff") for row in csv.reader(io.StringIO(text))][1:]


async def test_those_not_sent_are_downloaded_with_the_reason(visitor, db):
    ended(db)
    answer = await visitor.get("/campaigns/1/undelivered.csv")
    assert 'filename="volley-campaign-1-not-sent.csv"' in answer.headers["Content-Disposition"]
    rows = list(csv.reader(io.StringIO((await answer.get_data()).decode("utf-8-sig"))))
    assert {(row[0], row[2]) for row in rows[1:]} == {
        ("eve@x.example", "queued"),
        ("bob@x.example", "failed"),
        ("cat@x.example", "failed"),
        ("dan@x.example", "unknown"),
    }
    await visitor.read("/campaigns/9/undelivered.csv", 404)


@pytest.mark.parametrize(
    ("part", "copied"),
    [
        ("all", ["ann@x.example", "bob@x.example", "cat@x.example", "dan@x.example", "eve@x.example"]),
        ("undelivered", ["cat@x.example", "eve@x.example"]),
        ("none", []),
    ],
)
async def test_a_copy_is_a_draft_with_the_message_and_the_recipients_that_were_asked_for(
    visitor, db, part, copied
):
    ended(db)
    await visitor.read("/campaigns/1")
    answer = await visitor.post("/campaigns/1/copy", {"list": part})
    assert (answer.status_code, answer.location) == (303, "/campaigns/2")
    assert "Copied. Review the draft, then send it." in await visitor.read("/campaigns/2")
    with db.read() as connection:
        old, new = queries.get(connection, 1), queries.get(connection, 2)
    assert (new.state, new.message, new.total) == (CampaignState.DRAFT, old.message, len(copied))
    assert await addresses(visitor, 2) == copied


async def test_a_copy_of_no_known_part_changes_nothing(visitor, db):
    ended(db)
    await visitor.read("/campaigns/1")
    assert (await visitor.post("/campaigns/1/copy", {"list": "some"})).status_code == 400
    await visitor.read("/campaigns/2", 404)


async def test_the_message_is_seen_from_the_campaign_s_page(visitor, db):
    ended(db)
    assert 'href="/campaigns/1/message"' in await visitor.read("/campaigns/1")
    message = await visitor.read("/campaigns/1/message")
    assert "Dear Ann," in message
    await visitor.read("/campaigns/9/message", 404)


async def test_one_resend_asks_first_and_the_way_on_keeps_the_state(visitor, db):
    store(db, "ann@x.example bob@x.example cat@x.example", send=True)
    deliver(db, LOST, SENT, LOST)
    page = await visitor.read("/campaigns/1/recipients/1?state=unknown")
    assert "Resend to ann@x.example?" in page
    assert 'href="/campaigns/1/recipients/3?state=unknown" rel="next">Next: unknown</a>' in page
    assert 'href="/campaigns/1/recipients/2" rel="next">' in await visitor.read("/campaigns/1/recipients/1")
