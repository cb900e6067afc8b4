"""Receipts: each act is acknowledged on the next page, once, and to whoever acted alone."""

from __future__ import annotations

import re

import pytest

from mailing.core.states import AttemptResult
from tests.support.web import Visitor, deliver, running, store

NBSP = "\N{NO-BREAK SPACE}"
REFUSED = (AttemptResult.FAILED, 552, "5.2.3", "552 5.2.3 too large")
LOST = (AttemptResult.UNKNOWN, None, "", "The connection was lost after the message.")


@pytest.fixture
async def visitor(db, chosen):
    async with running(chosen) as visitor:
        yield visitor


def receipt(text: str) -> str:
    """What the page acknowledges; empty if it does not."""
    found = re.search(r'id="receipt">.*</svg>([^<]*)</p>', text)
    return found[1] if found else ""


@pytest.mark.parametrize(
    ("path", "form", "said"),
    [
        ("pause", {}, "Paused. Nothing more is sent until you resume."),
        ("cancel", {}, "Canceled. Nothing more is sent."),
        ("retry", {"state": "failed"}, f"1{NBSP}email queued again."),
        ("resend-unknown", {"state": "unknown"}, f"2{NBSP}emails queued to be resent."),
        ("mark-unknown-sent", {"state": "unknown"}, f"2{NBSP}emails marked as sent."),
        ("skip", {"state": "queued"}, f"1{NBSP}email canceled."),
        ("fail", {"state": "queued"}, f"1{NBSP}email marked as failed."),
        ("skip", {"state": "deferred"}, "Nothing changed: the state shown was no longer the current one."),
        ("watches", {"label": "the <board>", "days": "7"}, "Share link “the &lt;board&gt;” created."),
    ],
)
async def test_an_act_is_acknowledged_on_the_next_page_only(visitor, db, path, form, said):
    store(db, "ann@b.example bob@b.example cat@b.example dan@b.example", send=True)
    deliver(db, REFUSED, LOST, LOST)
    assert receipt(await visitor.read("/campaigns/1")) == ""
    assert (await visitor.post(f"/campaigns/1/{path}", form)).status_code == 303
    assert receipt(await visitor.read("/campaigns/1")) == said
    assert receipt(await visitor.read("/campaigns/1")) == ""


async def test_nobody_else_sees_what_was_acknowledged_and_an_act_that_was_refused_is_not(visitor, db):
    store(db, "ann@b.example", send=True)
    await visitor.read("/campaigns/1")
    await visitor.post("/campaigns/1/pause")
    other = Visitor(visitor.app)
    assert receipt(await other.read("/campaigns/1")) == ""
    assert (await other.post("/campaigns/1/pause")).status_code == 409
    assert receipt(await other.read("/campaigns/1")) == ""
    assert receipt(await visitor.read("/campaigns/1")) != ""
