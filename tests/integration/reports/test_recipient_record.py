"""The flight recorder: one recipient, each try with its times and replies, and the message as composed."""

from __future__ import annotations

import email
from typing import TYPE_CHECKING

import pytest

from mailing.addresses.parsing import parse_rows
from mailing.campaigns import drafts
from mailing.campaigns.drafts import Draft
from mailing.core.states import AttemptResult
from mailing.core.tables import recipients
from mailing.ledger import claims, leases, results
from mailing.ledger.results import Result, Trace
from mailing.lists import surveys
from tests.support.web import HOST, deliver, running, settings_for, store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mailing.core.database import Database
    from tests.support.web import Visitor

HTML = Draft(
    "Ann <ann@example.org>", "Hi {{ name }}", "Dear {{ name }}", "<p>Dear {{ name }}<script>x</script>"
)


@pytest.fixture
async def visitor(tmp_path: Path, db: Database, database_url: str) -> AsyncIterator[Visitor]:
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor


def tried(db: Database, recipient: int, *tries: tuple[Trace, AttemptResult, int, str]) -> None:
    """Let a worker try one recipient of campaign 1, again and again."""
    with db.write() as connection:
        worker = leases.register(connection, "here:7")
        for trace, result, code, reply in tries:
            connection.exec_driver_sql("UPDATE recipients SET state = 'queued', due_at = NULL")
            (claim,) = claims.claim(connection, worker, 1, after=recipient - 1, last=recipient, limit=1)
            begun = claim.claimed_at
            due = begun + 90_000 if result is AttemptResult.DEFERRED else None
            results.settle(
                connection,
                [Result(claim, result, "mx.b.example:25", begun, begun + 100, code, "", reply, due, trace)],
            )
        connection.exec_driver_sql(f"UPDATE recipients SET state = 'queued' WHERE id <> {recipient}")


async def test_every_try_is_shown_with_its_connection_its_times_and_the_whole_reply(
    visitor: Visitor, db: Database
) -> None:
    store(db, "ann@b.example Bob Ng <bob@b.example>", send=True)
    tried(
        db,
        2,
        (Trace(3, "TLSv1.3", 41, 12, 31), AttemptResult.DEFERRED, 451, "451-one <b>\n451 two"),
        (Trace(4, "", None, 1_200, 8), AttemptResult.FAILED, 550, "550 no"),
    )
    text = await visitor.read("/campaigns/1/recipients/2")
    assert text.index("Attempt 2") < text.index("Attempt 1")
    assert "#3 (new)" in text
    assert "#4 (reused)" in text
    assert "<dd>TLSv1.3</dd>" in text
    assert "<dd>none</dd>" in text
    for words in (
        "Connecting <b>41 ms",
        "Envelope <b>12 ms",
        "Final reply <b>31 ms",
        "<b>1,200 ms",
    ):
        assert words in text
    assert "Other <b>57 ms" in text
    assert "451-one &lt;b&gt;\n451 two" in text
    assert "here:7" in text
    assert "mx.b.example:25" in text
    assert "Bob Ng" in text
    assert 'action="/campaigns/1/retry"' in text


async def test_what_is_still_to_come_is_told_with_its_time(visitor: Visitor, db: Database) -> None:
    store(db, "ann@b.example bob@b.example", send=True)
    assert "No attempts yet." in await visitor.read("/campaigns/1/recipients/1")
    tried(db, 1, (Trace(), AttemptResult.DEFERRED, 451, "451 later"))
    text = await visitor.read("/campaigns/1/recipients/1")
    assert "Next attempt" in text
    assert "in 2\N{NO-BREAK SPACE}min" in text
    assert "Stops retrying" in text


async def test_a_press_of_its_button_leads_back_to_it(visitor: Visitor, db: Database) -> None:
    store(db, "ann@b.example", send=True)
    (ann,) = deliver(db, (AttemptResult.FAILED, 550, "5.1.1", "550 no"))
    page = f"/campaigns/1/recipients/{ann}"
    await visitor.read(page)
    came_from = {"headers": {"Referer": f"http://{HOST}{page}"}}
    answer = await visitor.post("/campaigns/1/retry", {"recipient": str(ann)}, **came_from)
    assert (answer.status_code, answer.location) == (303, page)


async def test_who_is_beside_it_in_the_list_is_one_step_away(visitor: Visitor, db: Database) -> None:
    store(db, "x@b.example")
    store(db, "a@b.example b@b.example c@b.example")
    first, middle, last = [await visitor.read(f"/campaigns/2/recipients/{n}") for n in (2, 3, 4)]
    assert ('rel="prev"' in first, 'href="/campaigns/2/recipients/3" rel="next"' in first) == (False, True)
    assert 'href="/campaigns/2/recipients/2" rel="prev"' in middle
    assert 'href="/campaigns/2/recipients/4" rel="next"' in middle
    assert ('rel="prev"' in last, 'rel="next"' in last) == (True, False)


async def test_the_message_is_shown_as_composed_and_its_html_has_no_rights(
    visitor: Visitor, db: Database
) -> None:
    store(db, "Bob Ng <bob@b.example>", HTML)
    text = await visitor.read("/campaigns/1/recipients/1")
    assert "Hi Bob Ng" in text
    assert '<iframe sandbox src="/campaigns/1/recipients/1/html"' in text
    assert "<script>x" not in text
    framed = await visitor.get("/campaigns/1/recipients/1/html")
    assert b"<script>x</script>" not in await framed.get_data()
    policy = framed.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none';")
    assert "frame-ancestors 'self'" in policy
    taken = await visitor.get("/campaigns/1/recipients/1.eml")
    assert taken.headers["Content-Disposition"] == 'attachment; filename="volley-1-1.eml"'
    message = email.message_from_bytes(await taken.get_data())
    assert message["To"] == "Bob Ng <bob@b.example>"
    assert message["Message-ID"].strip("<>") in text


async def test_a_message_that_cannot_be_composed_says_why(visitor: Visitor, db: Database) -> None:
    store(db, "bob@b.example", Draft("a@b.example", "Hi", "{{ city }}"))
    assert "city" in await visitor.read("/campaigns/1/recipients/1")
    assert "city" in await visitor.read("/campaigns/1/recipients/1.eml", 404)


@pytest.mark.parametrize("path", ["", "/stream", "/html", ".eml"])
async def test_a_recipient_of_another_campaign_is_not_found(
    visitor: Visitor, db: Database, path: str
) -> None:
    store(db, "a@b.example")
    store(db, "b@b.example")
    assert "Campaign 1 has no recipient 2." in await visitor.read(f"/campaigns/1/recipients/2{path}", 404)
    await visitor.read(f"/campaigns/9/recipients/2{path}", 404)


async def test_of_a_long_message_the_page_shows_the_beginning_and_leads_to_the_file(
    visitor: Visitor, db: Database
) -> None:
    text = "The first line.\n" + "a line of a very long letter\n" * 20_000 + "The last line."
    store(db, "ann@b.example", Draft("Ann <ann@example.org>", "Hi", text))
    for page in ("/campaigns/1/recipients/1", "/campaigns/1"):
        shown = await visitor.read(page)
        assert "The first line." in shown
        assert "The last line." not in shown
        assert "the first 100,000 of" in shown
        assert len(shown) < 300_000
        assert 'href="/campaigns/1/recipients/1.eml" download' in shown
    assert "The last line." in await visitor.read("/campaigns/1/recipients/1.eml")


async def test_a_message_that_its_values_make_too_long_costs_no_page_its_memory(
    visitor: Visitor, db: Database
) -> None:
    with db.write() as connection:
        parsed = parse_rows([{"email": "ann@b.example", "city": "x"}])
        draft = Draft("Ann <ann@example.org>", "Hi", "{{ city }}" * 300)
        drafts.store(connection, draft, parsed, surveys.survey(parsed))
        stored = recipients.update().values(fields={"city": "x" * 1_000_000})
        connection.execute(stored)  # as a list from before the limit may have it
    assert "The message would be larger than 10 MB" in await visitor.read("/campaigns/1/recipients/1")
    await visitor.read("/campaigns/1/recipients/1.eml", 404)
    assert len(await visitor.read("/campaigns/1")) < 100_000


async def test_what_a_recipient_has_is_shown_as_it_is_printed(visitor: Visitor, db: Database) -> None:
    with db.write() as connection:
        parsed = parse_rows([{"email": "ann@b.example", "vip": "x", "age": "y"}])
        draft = Draft("Ann <ann@example.org>", "Hi", "{% if vip %}VIP{% else %}{{ age }} years{% endif %}")
        drafts.store(connection, draft, parsed, surveys.survey(parsed))
        connection.execute(recipients.update().values(fields={"vip": False, "age": 18.0}))
    shown = await visitor.read("/campaigns/1/recipients/1")
    assert "18 years" in shown
    assert "<dt>vip</dt><dd>false</dd>" in shown
    assert "<dt>age</dt><dd>18</dd>" in shown
    assert "18 years" in await visitor.read("/campaigns/1")
