"""What it costs to look who asks: next to nothing, as an answer of the database is believed for a second."""

from __future__ import annotations

import statistics
import time

import pytest

from mailing.accounts import sessions
from mailing.accounts.roles import Role
from tests.support.programs import ask, make_key, make_token
from tests.support.web import running
from webapp.http import auth

BAR_MS = 1.0


async def test_checking_a_session_costs_at_most_a_millisecond_of_a_request(chosen, db, monkeypatch):
    spent, looked, guard, find = [], [], auth.guard, sessions.find

    async def timed():
        begun = time.perf_counter()
        try:
            return await guard()
        finally:
            spent.append((time.perf_counter() - begun) * 1000)

    monkeypatch.setattr(auth, "guard", timed)
    monkeypatch.setattr(sessions, "find", lambda *asked: looked.append(1) or find(*asked))
    async with running(chosen) as visitor:
        visitor.enter(Role.OWNER)
        begun = time.monotonic()
        for _ in range(200):
            assert (await visitor.get("/api/v1/campaigns")).status_code == 200
        seconds = time.monotonic() - begun
    assert statistics.median(spent) < BAR_MS
    assert len(looked) <= 1 + seconds / 1.0
    print(f"{statistics.median(spent) * 1000:.0f} µs at the median, {max(spent):.1f} ms at most")  # noqa: T201


@pytest.mark.parametrize("shown", ["key", "token"])
async def test_checking_a_key_or_a_token_costs_at_most_a_millisecond_of_a_request(
    chosen, db, monkeypatch, shown
):
    spent, guard = [], auth.guard

    async def timed():
        begun = time.perf_counter()
        try:
            return await guard()
        finally:
            spent.append((time.perf_counter() - begun) * 1000)

    monkeypatch.setattr(auth, "guard", timed)
    async with running(chosen) as visitor:
        text = make_key(visitor.app)
        text = text if shown == "key" else make_token(visitor.app, text)
        for _ in range(90):  # as many as a burst may have
            assert (await ask(visitor.client, text)).status_code == 200
    assert statistics.median(spent) < BAR_MS
    print(f"{statistics.median(spent) * 1000:.0f} µs at the median, {max(spent):.1f} ms at most")  # noqa: T201
