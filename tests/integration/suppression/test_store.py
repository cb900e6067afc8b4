"""Suppressions are kept once, found by address and domain, last as long as the longest, and are lifted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from mailing.core.clock import now_ms
from mailing.core.reasons import UnfitError
from mailing.suppression import reading, store, subjects
from mailing.suppression.store import Entry
from mailing.suppression.tables import SuppressionReason, suppressions

if TYPE_CHECKING:
    from mailing.core.database import Database

BY_HAND = SuppressionReason.MANUAL
HOUR_MS = 3_600_000


def keep(db: Database, *entries: Entry) -> int:
    with db.write() as connection:
        return store.keep(connection, entries)


def found(db: Database, q: str = "") -> list[str]:
    with db.read() as connection:
        rows = store.find(connection, q)
        assert store.count(connection, q) == len(rows)
        return [it.subject for it in rows]


@pytest.mark.parametrize(
    ("written", "subject"),
    [
        ("Ann@X.Example", "ann@x.example"),
        (" ann@x.example\n", "ann@x.example"),
        ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
        ("@X.Example", "@x.example"),
        ("@bücher.example", "@xn--bcher-kva.example"),
        ("mailto:ann@x.example", "ann@x.example"),
    ],
)
def test_what_is_written_is_one_subject_however_it_is_written(written: str, subject: str) -> None:
    assert subjects.read(written) == subject


@pytest.mark.parametrize("written", ["", "@", "@@x.example", "ann", "@x", "#abc", "ann@", "@a b.example"])
def test_what_is_neither_address_nor_domain_is_refused(written: str) -> None:
    with pytest.raises(UnfitError):
        subjects.read(written)


def test_a_list_holds_addresses_in_any_form_and_domains_on_lines_of_their_own() -> None:
    listed = reading.read(
        "Ann Lee <ann@x.example>; bob@y.example\n@Z.example\n@nowhere\nANN@x.example\n\nno one\n"
    )
    assert sorted(listed.subjects) == ["@z.example", "ann@x.example", "bob@y.example"]
    assert [(it.line, it.text) for it in listed.refused] == [(3, "@nowhere"), (6, "no one")]


def test_a_table_of_another_program_is_read_by_its_header() -> None:
    listed = reading.read(
        "email,reason,date\nann@x.example,bounce,2026-01-01\nbob@x.example,spam,2026-01-02\n"
    )
    assert listed.subjects == ["ann@x.example", "bob@x.example"]
    assert not listed.refused


def test_what_is_there_stays_and_lasts_for_the_longer_of_both(db: Database) -> None:
    soon, later = now_ms() + HOUR_MS, now_ms() + 2 * HOUR_MS
    assert keep(db, Entry("ann@x.example", BY_HAND, "Ann", expires_at=soon)) == 1
    assert keep(db, Entry("ann@x.example", BY_HAND, "Ben", expires_at=later)) == 0
    assert keep(db, Entry("ann@x.example", BY_HAND, expires_at=soon)) == 0
    with db.read() as connection:
        (kept,) = store.find(connection)
    assert (kept.reason, kept.source, kept.expires_at) == (BY_HAND, "Ann", later)
    keep(db, Entry("ann@x.example", BY_HAND), Entry("ann@x.example", BY_HAND, expires_at=soon))
    with db.read() as connection:
        assert store.find(connection)[0].expires_at is None


def test_a_search_finds_the_start_of_an_address_and_all_at_a_domain(db: Database) -> None:
    subjects_ = [
        "ann@x.example",
        "anna@y.example",
        "bob@x.example",
        "@x.example",
        "c%@a_b.example",
        "@xx.example",
    ]
    assert keep(db, *(Entry(it, BY_HAND) for it in subjects_)) == 6
    assert found(db, "ann") == ["anna@y.example", "ann@x.example"]
    assert set(found(db, "@X.example")) == {"ann@x.example", "bob@x.example", "@x.example"}
    assert found(db, "c%") == ["c%@a_b.example"]
    assert found(db, "nobody") == []


def test_a_person_who_is_forgotten_leaves_no_address_and_is_still_kept_from_mail(db: Database) -> None:
    keep(db, Entry("ann@x.example", SuppressionReason.UNSUBSCRIBED, "campaign 7"))
    with db.write() as connection:
        store.forget(connection, "Ann@x.example")
        store.forget(connection, "ann@x.example")
    with db.read() as connection:
        kept = connection.execute(select(suppressions.c.subject, suppressions.c.source)).all()
        assert len(kept) == 1
        assert "ann" not in str(kept)
        assert [it.forgotten for it in store.why(connection, "ANN@x.example")] == [True]
        assert store.why(connection, "bob@x.example") == []


def test_what_has_expired_is_removed_and_the_rest_stays(db: Database) -> None:
    keep(db, Entry("ann@x.example", BY_HAND, expires_at=now_ms() + HOUR_MS), Entry("bob@x.example", BY_HAND))
    with db.write() as connection:
        connection.execute(suppressions.update().values(created_at=1))
        connection.execute(
            suppressions.update().where(suppressions.c.expires_at.is_not(None)).values(expires_at=2)
        )
        assert store.expire(connection, 100) == 1
        assert store.why(connection, "ann@x.example") == []
    assert found(db) == ["bob@x.example"]


def test_many_are_kept_in_one_call(db: Database) -> None:
    people = [Entry(f"p{n}@x.example", BY_HAND) for n in range(2_500)]
    assert keep(db, *people) == 2_500
    assert keep(db, *people, Entry("new@x.example", BY_HAND)) == 1
    with db.read() as connection:
        assert store.counts(connection)[BY_HAND] == 2_501


def test_each_reason_and_topic_has_a_row_of_its_own_and_is_lifted_alone(db: Database) -> None:
    left = Entry("ann@x.example", SuppressionReason.UNSUBSCRIBED)
    news = Entry("ann@x.example", SuppressionReason.UNSUBSCRIBED, scope="news")
    assert keep(db, left, news, Entry("ann@x.example", SuppressionReason.BOUNCED)) == 3
    assert keep(db, news) == 0
    with db.write() as connection:
        latest = store.find(connection)[0]
        assert store.lift(connection, latest.id)
        assert len(store.why(connection, "ann@x.example")) == 2
