"""DMARC aggregate reports come in where bounces do, are kept once, and are shown on the domain's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update

from mailing.core.actors import Actor, ActorKind
from mailing.domains import keys, reports
from mailing.domains.dkim import Algorithm
from mailing.domains.tables import dmarc_reports, dmarc_sources
from tasks.commands import bounces
from tasks.commands.bounces import Message
from tests.support.aggregate_reports import message, record, report
from tests.support.undertakings import reachable
from tests.support.web import running, settings_for, store

if TYPE_CHECKING:
    from pathlib import Path

    from mailing.core.database import Database

DOMAIN, SECRET, OWN, OTHER = "example.org", "a secret key of thirty-two letters", "192.0.2.25", "198.51.100.7"
VOLLEY = Actor(ActorKind.VOLLEY)


def bring(db: Database, *reports_: str) -> list[bool]:
    """Have these come in, as a mail server brings them; return which are new."""
    found = bounces.take(reachable(db), VOLLEY, [Message(message(it)) for it in reports_], "smtp")
    return [it.new for it in found]


def ours(*records: str, **more: str) -> str:
    return report(*records, domain=DOMAIN, **more)


def sent_by(source: str, n: int, **more: str) -> str:
    return record(source, n, domain=DOMAIN, **more)


def count(db: Database) -> tuple[int, int]:
    with db.read() as connection:
        found = (
            connection.execute(select(func.count()).select_from(it)) for it in (dmarc_reports, dmarc_sources)
        )
        first, second = (int(it.scalar_one()) for it in found)
    return first, second


@pytest.fixture
def selector(db: Database) -> str:
    """A domain with a campaign and a key."""
    store(db, "ann@x.example")
    with db.write() as connection:
        (key,) = keys.keep(connection, DOMAIN, keys.generate([Algorithm.ED25519]), SECRET)
    return key.selector


def test_a_report_is_kept_once_by_whatever_email_it_comes(db: Database, selector: str) -> None:
    xml = ours(sent_by(OWN, 5, selector=selector), sent_by(OTHER, 2, dkim="fail", spf="fail"))
    assert bring(db, xml, xml) == [True, True]  # two emails with the same report
    assert count(db) == (1, 2)
    assert bring(db, ours(sent_by(OWN, 1), report_id="r2")) == [True]
    assert count(db) == (2, 3)


def test_a_report_about_a_domain_of_others_is_not_kept(db: Database, selector: str) -> None:
    assert selector
    bring(db, report(record(OWN), domain="other.example"))
    assert count(db) == (0, 0)
    with db.write() as connection:
        keys.keep(connection, "news.parent.example", keys.generate([Algorithm.ED25519]), SECRET)
    bring(db, report(record(OWN), domain="parent.example", report_id="r3"))
    assert count(db) == (1, 1)


def test_what_machines_sent_is_added_up_and_old_reports_are_forgotten(db: Database, selector: str) -> None:
    bring(
        db,
        ours(sent_by("203.0.113.5", 7, selector=selector), sent_by(OTHER, 2, dkim="fail", spf="fail")),
        ours(sent_by(OTHER, 3, dkim="fail", disposition="reject"), report_id="r2", reporter="b.example"),
        ours(sent_by(OWN, 1, dkim="fail"), report_id="r3"),
    )
    with db.read() as connection:
        found = reports.summary(connection, DOMAIN, [OWN])
    assert (found.reports, [*found.reporters]) == (3, ["receiver.example", "b.example"])
    told = [(it.source, it.n, it.spf, it.dkim, it.passed, it.rejected, it.ours) for it in found.sources]
    assert told == [
        ("203.0.113.5", 7, 7, 7, 7, 0, True),  # signed with our key
        (OTHER, 5, 3, 0, 3, 3, False),
        (OWN, 1, 1, 0, 1, 0, True),  # our address
    ]
    with db.write() as connection:
        assert reports.forget(connection, 100) == 0
        old = dmarc_reports.c.received_at - (reports.KEPT_DAYS + 1) * reports.DAY_MS
        connection.execute(update(dmarc_reports).values(received_at=old))
    with db.write() as connection:
        assert (reports.forget(connection, 2), reports.forget(connection, 2)) == (2, 1)
    assert count(db) == (0, 0)


async def test_the_page_and_the_api_show_who_sent(
    db: Database, selector: str, tmp_path: Path, database_url: str
) -> None:
    assert selector
    async with running(settings_for(tmp_path, database_url)) as visitor:
        assert "No reports yet." in await visitor.read(f"/domains/{DOMAIN}")
        bring(db, ours(sent_by(OTHER, 1_234, dkim="fail", spf="fail", disposition="quarantine")))
        page = await visitor.read(f"/domains/{DOMAIN}")
        assert OTHER in page
        assert "1,234" in page
        assert "not yours" in page
        told = await (await visitor.client.get(f"/api/v1/domains/{DOMAIN}/reports")).get_json()
        assert (told["reports"], told["until"]) == (1, "2025-11-26T23:59:59.000Z")
        (source,) = told["sources"]
        assert (source["source"], source["quarantined"], source["ours"]) == (OTHER, 1_234, False)
        assert (await visitor.client.get("/api/v1/domains/other.example/reports")).status_code == 404
