"""A draft's list grows: addresses are added, skipped lines are fixed, and all that is counted stays right."""

from __future__ import annotations

import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from mailing.addresses import findings
from mailing.addresses.parsing import parse_pasted
from mailing.campaigns import drafts, growing, lifecycle
from mailing.campaigns import queries as campaigns
from mailing.campaigns.drafts import Draft
from mailing.campaigns.growing import Added
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.states import CampaignAction, CampaignState, RecipientState
from mailing.core.tables import batches, list_notes, recipients, storings
from mailing.ledger import counters
from mailing.lists import store as lists
from mailing.lists import surveys
from tasks import upkeep
from tests.support.processes import Keeper

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from mailing.campaigns.queries import Campaign
    from mailing.core.database import Database

DRAFT = Draft("Ann <ann@example.org>", "Summer fete", "Dear all")
LONG = 3_210


def numbered(n: int, domain: str = "b.example") -> str:
    return "\n".join(f"Guest {i} <g{i}@{domain}>" for i in range(n))


def new(db: Database, pasted: str) -> int:
    return drafts.create(db, DRAFT, parse_pasted(pasted))


def get(db: Database, campaign_id: int = 1) -> Campaign:
    with db.read() as connection:
        found = campaigns.get(connection, campaign_id)
    assert found
    return found


def add(db: Database, pasted: str, campaign_id: int = 1) -> Added:
    return growing.add(db, campaign_id, parse_pasted(pasted), seen=get(db, campaign_id).revision)


def fix(db: Database, box: str, campaign_id: int = 1) -> Added:
    return growing.fix(db, campaign_id, box, seen=get(db, campaign_id).revision)


def remarks(db: Database, kind: str, campaign_id: int = 1) -> list[tuple[int, str, str]]:
    with db.read() as connection:
        return [(it.line, it.text, str(it.reason)) for it in lists.notes(connection, campaign_id, kind, 99)]


def stored(db: Database, campaign_id: int = 1) -> Sequence[str]:
    statement = select(recipients.c.email).where(recipients.c.campaign_id == campaign_id)
    with db.read() as connection:
        return connection.execute(statement.order_by(recipients.c.id)).scalars().all()


def expect_all_counted(db: Database, campaign_id: int = 1) -> None:
    """The total, the ledger, the batches and the survey say what the tables hold."""
    campaign, emails = get(db, campaign_id), stored(db, campaign_id)
    assert campaign.total == campaign.counts[RecipientState.QUEUED] == len(emails) == len(set(emails))
    with db.read() as connection:
        ids = connection.execute(
            select(recipients.c.id).where(recipients.c.campaign_id == campaign_id).order_by(recipients.c.id)
        ).scalars()
        ranges = connection.execute(
            select(batches.c.first_id, batches.c.last_id).where(batches.c.campaign_id == campaign_id)
        ).all()
        assert [sum(first <= id_ <= last for first, last in ranges) for id_ in ids] == [1] * len(emails)
        kinds = select(list_notes.c.kind, func.count()).where(list_notes.c.campaign_id == campaign_id)
        counted = {row[0]: row[1] for row in connection.execute(kinds.group_by(list_notes.c.kind))}
        found = surveys.load(connection, campaign_id)
        domains = select(recipients.c.domain, func.count()).where(recipients.c.campaign_id == campaign_id)
        assert dict(found.domains.top) == {
            row[0]: row[1] for row in connection.execute(domains.group_by(recipients.c.domain))
        }
        nameless = select(func.count()).where(
            recipients.c.campaign_id == campaign_id, recipients.c.name == ""
        )
        lacking = found.shapes.lacking("name", len(emails))
        assert lacking.n == connection.execute(nameless).scalar_one()
    assert {kind: n for kind, n in found.remarks.items() if n} == counted
    assert sum(shape.n for shape in found.shapes.known) == len(emails)


def test_what_is_added_comes_behind_the_list_and_what_is_there_already_counts_as_a_duplicate(
    db: Database,
) -> None:
    new(db, "Ann <ann@x.example>\nben@y.example\nnobody")
    added = add(db, "Cy <cy@x.example>\nAnn Lee <ann@x.example>\nBEN@y.example\ncy@x.example\nno one")
    assert added == Added(recipients=2, duplicates=2, skipped=1)
    assert stored(db) == ["ann@x.example", "ben@y.example", "cy@x.example", "BEN@y.example"]
    assert remarks(db, "duplicate") == [
        (2, "ann@x.example", "already in the list"),
        (4, "cy@x.example", "same as line 1"),
    ]
    assert [line for line, *_ in remarks(db, "refused")] == [3, 5]
    ((_, email, reason),) = remarks(db, "noted")
    assert (email, "same as ben@y.example in the list except for" in reason) == ("BEN@y.example", True)
    assert get(db).revision == 1
    expect_all_counted(db)


def test_skipped_lines_are_fixed_left_or_forgotten(db: Database) -> None:
    new(db, "ann@x.example\nmia at six.example\nnobody\nben at x.example\nann at x.example\n@x.example")
    box = "mia@six.example\nnobody\nben@@x.example\nann@x.example"
    assert fix(db, box) == Added(recipients=1, duplicates=1, skipped=1, forgotten=4)
    assert stored(db) == ["ann@x.example", "mia@six.example"]
    assert [(line, text) for line, text, _ in remarks(db, "refused")] == [
        (3, "nobody"),
        (4, "ben@@x.example"),
    ]
    assert remarks(db, "duplicate") == [(5, "ann@x.example", "already in the list")]
    expect_all_counted(db)
    revision = get(db).revision
    assert fix(db, "nobody\nben@@x.example") == Added()
    assert get(db).revision == revision, "nothing was changed"


def test_a_row_of_a_table_keeps_its_fields_when_it_is_fixed(db: Database) -> None:
    new(db, "Name,Email,City\nAnn,ann@x.example,Hue\nBen,ben at x.example,Vinh\n")
    assert remarks(db, "refused")[0][1] == "Ben, ben at x.example, Vinh"
    assert fix(db, "Ben, ben@x.example, Vinh").recipients == 1
    with db.read() as connection:
        row = connection.execute(recipients.select().where(recipients.c.email == "ben@x.example")).one()
    assert (row.name, row.fields) == ("Ben", {"city": "Vinh"})
    expect_all_counted(db)


def test_what_is_kept_of_a_long_line_is_not_there_to_be_fixed(db: Database) -> None:
    new(db, "ann@x.example\n" + "x" * 500 + "\nnobody")
    with db.read() as connection:
        assert [note.text for note in growing.to_fix(connection, 1)] == ["nobody"]
    assert fix(db, "ben@x.example").recipients == 1
    assert [len(text) for _, text, _ in remarks(db, "refused")] == [findings.TEXT_MAX]


def test_of_two_who_change_a_list_at_once_one_is_told_and_changes_nothing(db: Database) -> None:
    new(db, "ann@x.example\nnobody")
    seen = get(db).revision
    growing.fix(db, 1, "ben@x.example", seen=seen)
    for change in (
        lambda: growing.fix(db, 1, "cy@x.example", seen=seen),
        lambda: growing.add(db, 1, parse_pasted("cy@x.example"), seen=seen),
        lambda: growing.add(db, 1, parse_pasted(numbered(LONG)), seen=seen),
        lambda: drafts.revise(db, 1, DRAFT, parse_pasted("cy@x.example"), seen=seen),
    ):
        with pytest.raises(NotAllowed, match="changed"):
            change()
    assert stored(db) == ["ann@x.example", "ben@x.example"]
    expect_all_counted(db)


def test_a_list_that_is_sent_can_no_longer_grow(db: Database) -> None:
    new(db, "ann@x.example")
    with db.write() as connection:
        lifecycle.act(connection, 1, CampaignAction.SEND, checked=get(db).revision)
    with pytest.raises(NotAllowed, match="is sending"):
        add(db, "ben@x.example")
    assert stored(db) == ["ann@x.example"]


def test_a_list_grows_to_its_limit_and_no_further(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "ENTRIES_MAX", 3)
    new(db, "ann@x.example")
    assert add(db, "b@x.example c@x.example ann@x.example").recipients == 2
    with pytest.raises(NotAllowed, match="at most"):
        add(db, "d@x.example")
    expect_all_counted(db)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "AT_ONCE", 500)


@pytest.mark.usefixtures("small_pieces")
def test_a_long_list_is_added_piece_by_piece_and_cannot_be_sent_before_it_is_complete(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    new(db, numbered(700) + "\nnobody")
    seen: list[int] = []

    def look(_seconds: float) -> None:
        seen.append(get(db).total)
        assert get(db).total == sum(get(db).counts.values())
        for change in (
            lambda: growing.add(db, 1, parse_pasted("x@x.example"), seen=get(db).revision),
            lambda: growing.fix(db, 1, "x@x.example", seen=get(db).revision),
        ):
            with pytest.raises(NotAllowed, match="being saved"):
                change()
        with pytest.raises(NotAllowed, match="being saved"), db.read() as connection:
            drafts.ready(connection, 1)
        with pytest.raises(NotAllowed), db.write() as connection:
            lifecycle.act(connection, 1, CampaignAction.SEND, checked=get(db).revision)

    monkeypatch.setattr(drafts, "time", SimpleNamespace(sleep=look))
    assert add(db, numbered(LONG) + "\nno one") == Added(LONG - 700, 700, 1)
    assert len(seen) >= 2
    monkeypatch.undo()
    expect_all_counted(db)
    with db.write() as connection:
        assert lifecycle.act(connection, 1, CampaignAction.SEND, checked=get(db).revision).total == LONG


ADD = """
import sys, time
from mailing.campaigns import drafts, growing
from mailing.addresses.parsing import parse_pasted
from mailing.core.database import Database

def rest(seconds):
    print("in the middle", flush=True)
    sys.stdin.read()

drafts.AT_ONCE, drafts.time.sleep = 500, rest
parsed = parse_pasted("\\n".join(f"p{i}@c.example" for i in range(3210)))
growing.add(Database(sys.argv[1]), 1, parsed, seen=0)
"""


@pytest.fixture
def adding(database_url: str) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start a process that adds to the list of campaign 1 and stands still in the middle of it."""

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", ADD, database_url]
        process = keeper.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        assert process.stdout.readline() == "in the middle\n"
        return process

    with Keeper() as keeper:
        yield start


def carry_on(db: Database) -> None:
    """Do what sweeps do, until there is no more to do."""
    carrying = upkeep.Carrying(db)
    while carrying.busy:
        carrying.go_round()


@pytest.mark.usefixtures("small_pieces")
def test_a_process_killed_while_it_adds_leaves_the_list_as_it_was(
    db: Database, adding: Callable[[], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    new(db, numbered(700) + "\nnobody")
    new(db, numbered(20))  # its recipients have ids between those of the other
    before = stored(db)
    process = adding()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert get(db).total > 700
    monkeypatch.setattr(drafts, "LEFT_BEHIND_MS", -60_000)
    carry_on(db)
    assert stored(db) == before
    assert remarks(db, "refused")[0][:2] == (701, "nobody")
    for campaign_id in (1, 2):
        expect_all_counted(db, campaign_id)
    assert add(db, "ann@x.example").recipients == 1
    expect_all_counted(db)


@pytest.mark.usefixtures("small_pieces")
def test_who_replaces_a_list_that_another_is_adding_to_wins(
    db: Database, adding: Callable[[], subprocess.Popen[str]]
) -> None:
    new(db, numbered(2))
    process = adding()
    drafts.revise(db, 1, DRAFT, parse_pasted(numbered(700, "winner.example")))
    process.communicate()
    assert process.returncode == 1
    assert set(stored(db)) == {f"g{i}@winner.example" for i in range(700)}
    carry_on(db)
    expect_all_counted(db)
    with db.read() as connection:
        assert connection.execute(select(func.count()).select_from(storings)).scalar_one() == 0


@pytest.mark.usefixtures("small_pieces")
def test_a_draft_that_is_discarded_while_its_list_grows_keeps_a_ledger_that_balances(
    db: Database, adding: Callable[[], subprocess.Popen[str]]
) -> None:
    new(db, numbered(2))
    process = adding()
    with db.write() as connection:
        lifecycle.act(connection, 1, CampaignAction.CANCEL)
    process.communicate()
    assert process.returncode == 1
    carry_on(db)
    assert get(db).state is CampaignState.CANCELED
    with db.read() as connection:
        assert sum(counters.counts(connection, 1).values()) == get(db).total == len(stored(db))
