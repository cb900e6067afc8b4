"""Receivers are found by a server of names, kept, and not asked for more often than needed."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select, update

from mailing.core.clock import now_ms
from mailing.ledger import receivers
from mailing.ledger.receivers import FRESH_MS, SILENCE_MS
from mailing.ledger.tables import receivers as table
from tasks.receivers import look_up
from tests.integration.internet.test_names import RECORDS, asking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.core.database import Database

MX = {
    ("club.net.", "MX"): ["5 alt1.aspmx.l.google.com.", "1 ASPMX.l.google.com."],
    ("firm.org.", "MX"): ["10 mx2.host.net.", "5 mx1.host.net."],
    ("own.org.", "MX"): ["10 mail.own.org."],
    ("none.org.", "MX"): ["0 ."],
}


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, found in MX.items():
        monkeypatch.setitem(RECORDS, key, found)


def note(db: Database, domains: Sequence[str]) -> list[str]:
    with db.write() as connection:
        receivers.note(connection, domains)
        return list(receivers.take_due(connection))


def kept(db: Database) -> dict[str, tuple[str, str]]:
    with db.read() as connection:
        return {row.domain: (row.receiver, row.found) for row in connection.execute(select(table))}


async def answering(db: Database, due: Sequence[str], mood: str = "good") -> list[str]:
    """Look domains up at a server in this mood; return what it was asked."""
    async with asking(mood) as (names, server):
        await asyncio.to_thread(look_up, db, due, names)
        return server.asked


async def test_receivers_are_found_by_their_exchangers_the_preferred_first(
    db: Database, records: None
) -> None:
    due = note(db, ["club.net", "firm.org", "own.org", "none.org", "gmail.com", "x.example"])
    assert due == ["club.net", "firm.org", "none.org", "own.org"], "others are known without asking"
    asked = await answering(db, due)
    assert kept(db) == {
        "club.net": ("gmail", "mx"),
        "firm.org": ("mx:host.net", "mx"),
        "own.org": ("own.org", "mx"),
        "none.org": ("none.org", "mx"),
        "gmail.com": ("gmail", "rule"),
        "x.example": ("x.example", "rule"),
    }
    assert all(question.split()[1] in {"MX", "NS"} for question in asked)


@pytest.mark.parametrize("mood", ["broken", "denying"])
async def test_where_nobody_answers_a_domain_stands_for_itself(
    db: Database, records: None, mood: str
) -> None:
    await answering(db, note(db, ["club.net"]), mood)
    assert kept(db) == {"club.net": ("club.net", "")}
    with db.read() as connection:
        assert receivers.of(connection, ["club.net", "never.seen"]) == {
            "club.net": "club.net",
            "never.seen": "never.seen",
        }


async def test_an_answer_is_good_for_days_and_silence_for_an_hour(db: Database, records: None) -> None:
    await answering(db, note(db, ["club.net"]))
    await answering(db, note(db, ["firm.org"]), "broken")
    assert note(db, ["club.net", "firm.org"]) == []
    for domain, age in (("firm.org", SILENCE_MS), ("club.net", FRESH_MS)):
        with db.write() as connection:
            connection.execute(update(table).values(looked_at=now_ms() - age - 1))
            connection.execute(
                update(table).where(table.c.domain != domain).values(looked_at=now_ms() - 1000)
            )
        assert note(db, ["club.net", "firm.org"]) == [domain]
    assert kept(db)["club.net"][0] == "gmail", "it stays until there is another answer"


def test_two_processes_do_not_look_up_the_same(db: Database) -> None:
    with db.write() as connection:
        receivers.note(connection, [f"{n}.org" for n in range(40)])
    taken: list[str] = []

    def take() -> None:
        with db.write() as connection:
            taken.extend(receivers.take_due(connection))

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(taken) == len(set(taken)) == 40
