"""Long lists are stored piece by piece: nobody waits for one, and nobody ever sees a part of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING

import orjson
import pytest
from sqlalchemy import event, func, select

from mailing.addresses.parsing import parse_pasted
from mailing.campaigns import drafts, lifecycle
from mailing.campaigns import queries as campaigns
from mailing.campaigns.drafts import Draft
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.actors import Actor, ActorKind
from mailing.core.states import WRITING, CampaignAction, CampaignState, RecipientState
from mailing.core.tables import batches, list_notes, recipients, storings, tallies
from mailing.core.tables import campaigns as table
from mailing.ledger import counters
from mailing.reports import overview
from tasks import upkeep
from tests.support.processes import Keeper
from webapp.api import campaigns as api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Table

    from mailing.addresses.parsing import ParsedList
    from mailing.campaigns.queries import Campaign
    from mailing.core.database import Database

DRAFT = Draft("Ann <ann@example.org>", "Summer fete", "Dear all")
LONG = 3_210


def people(n: int, domain: str = "b.example") -> ParsedList:
    """A list of ``n`` people, with some remarks."""
    return parse_pasted(
        "\n".join([*(f"Guest {i} <g{i}@{domain}>" for i in range(n)), "nobody", f"g1@{domain}"])
    )


def get(db: Database, campaign_id: int) -> Campaign | None:
    with db.read() as connection:
        return campaigns.get(connection, campaign_id)


def count(db: Database, of: Table) -> int:
    with db.read() as connection:
        return int(connection.execute(select(func.count()).select_from(of)).scalar_one())


def between_pieces(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> list[float]:
    """Have ``do`` done between any two pieces; return what is filled with the rests."""
    rests: list[float] = []

    def sleep(seconds: float) -> None:
        rests.append(seconds)
        do()

    monkeypatch.setattr(drafts, "time", SimpleNamespace(sleep=sleep))
    return rests


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "AT_ONCE", 500)


def test_a_new_campaign_is_in_nobodys_sight_before_its_list_is_complete(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look() -> None:
        assert get(db, 1) is None
        with db.read() as connection:
            assert not campaigns.latest(connection)
            assert overview.load(connection, 0).empty
        for action in set(CampaignAction) - WRITING:
            with pytest.raises(NotAllowed, match="doesn't exist"), db.write() as connection:
                lifecycle.act(connection, 1, action)
        with pytest.raises(NotAllowed, match="doesn't exist"):
            drafts.revise(db, 1, DRAFT, people(1))

    rests = between_pieces(monkeypatch, look)
    assert drafts.create(db, DRAFT, people(LONG)) == 1
    assert len(rests) >= 2
    found = get(db, 1)
    assert found
    assert (found.total, found.counts[RecipientState.QUEUED]) == (LONG, LONG)
    assert count(db, storings) == 0


@pytest.mark.parametrize("n", [499, 500, 501, 999, 1_000, LONG])
def test_a_list_of_any_length_is_stored_in_order_and_each_is_in_one_batch(db: Database, n: int) -> None:
    parsed = people(n)
    campaign_id = drafts.create(db, DRAFT, parsed)
    with db.read() as connection:
        stored = connection.execute(select(recipients.c.email).order_by(recipients.c.id)).scalars().all()
        ranges = connection.execute(
            select(batches.c.first_id, batches.c.last_id).order_by(batches.c.id)
        ).all()
        ids = connection.execute(select(recipients.c.id).order_by(recipients.c.id)).scalars().all()
        noted = connection.execute(select(list_notes.c.number).order_by(list_notes.c.number)).scalars().all()
    assert stored == [entry.email for entry in parsed.entries]
    assert sorted(id_ for id_ in ids for first, last in ranges if first <= id_ <= last) == ids
    assert noted == [0, 1]
    found = get(db, campaign_id)
    assert found
    assert found.total == n == sum(found.counts.values())


def test_no_transaction_stores_more_than_a_piece(db: Database) -> None:
    """20,000 people in one would keep everybody else from writing for a third of a second."""
    largest = committed = 0

    def measure(_connection: object) -> None:
        nonlocal largest, committed
        with db.engine.connect() as other:
            now = int(other.execute(select(func.count()).select_from(recipients)).scalar_one())
        largest, committed = max(largest, now - committed), now

    event.listen(db.engine, "commit", measure)
    drafts.create(db, DRAFT, people(20_000))
    event.remove(db.engine, "commit", measure)
    assert 0 < largest <= 5_500


def test_a_list_is_sent_in_the_transaction_that_completes_it_or_nothing_is_stored(db: Database) -> None:
    with drafts.creating(db, DRAFT, people(LONG)) as (connection, campaign_id):
        lifecycle.act(
            connection, campaign_id, CampaignAction.SEND, checked=drafts.ready(connection, campaign_id)
        )
    found = get(db, campaign_id)
    assert found
    assert found.state is CampaignState.SENDING
    with pytest.raises(RuntimeError), drafts.creating(db, DRAFT, people(LONG)) as (_, second):
        raise RuntimeError
    assert get(db, second) is None
    carry_on(db)
    assert get(db, campaign_id) == found
    assert (count(db, table), count(db, recipients), count(db, list_notes)) == (1, LONG, 2)
    assert count(db, storings) == 0


PASTE = """
import sys, time
from mailing.campaigns import drafts
from mailing.addresses.parsing import parse_pasted
from mailing.campaigns.drafts import Draft
from mailing.core.database import Database

def rest(seconds):
    print("in the middle", flush=True)
    sys.stdin.read()

url, campaign, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
drafts.AT_ONCE, drafts.time.sleep = 500, rest
draft = Draft("Ann <ann@example.org>", "Summer fete", "Dear all")
parsed = parse_pasted("\\n".join(f"p{i}@c.example" for i in range(n)))
if campaign:
    drafts.revise(Database(url), campaign, draft, parsed)
else:
    drafts.create(Database(url), draft, parsed)
"""


@pytest.fixture
def pasting(database_url: str) -> Iterator[Callable[[int], subprocess.Popen[str]]]:
    """Start a process that stores a list and stands still in the middle of it."""

    def start(campaign_id: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PASTE, database_url, str(campaign_id), str(LONG)]
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


def forget_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "LEFT_BEHIND_MS", -60_000)


def test_a_process_killed_while_it_stores_leaves_nothing_behind(
    db: Database, pasting: Callable[[int], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = pasting(0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert count(db, recipients) > 0
    assert get(db, 1) is None
    carry_on(db)
    assert count(db, recipients) > 0  # it may be only slow
    forget_soon(monkeypatch)
    carry_on(db)
    assert [count(db, each) for each in (table, recipients, batches, list_notes, tallies, storings)] == [
        0
    ] * 6


def test_a_draft_whose_list_is_being_replaced_cannot_be_sent_and_one_left_so_is_empty(
    db: Database, pasting: Callable[[int], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign_id = drafts.create(db, DRAFT, people(LONG))
    process = pasting(campaign_id)
    found = get(db, campaign_id)
    assert found
    assert found.total == sum(found.counts.values())
    with pytest.raises(NotAllowed, match="being saved"), db.write() as connection:
        lifecycle.act(
            connection, campaign_id, CampaignAction.SEND, checked=drafts.ready(connection, campaign_id)
        )
    process.kill()
    process.wait()
    forget_soon(monkeypatch)
    carry_on(db)
    with pytest.raises(NotAllowed, match="no valid addresses"), db.write() as connection:
        lifecycle.act(
            connection, campaign_id, CampaignAction.SEND, checked=drafts.ready(connection, campaign_id)
        )
    monkeypatch.undo()
    drafts.revise(db, campaign_id, DRAFT, people(LONG, "d.example"))
    with db.write() as connection:
        assert (
            lifecycle.act(
                connection, campaign_id, CampaignAction.SEND, checked=drafts.ready(connection, campaign_id)
            ).total
            == LONG
        )


def test_who_replaces_a_list_that_another_is_storing_wins_and_the_other_is_told(
    db: Database, pasting: Callable[[int], subprocess.Popen[str]]
) -> None:
    campaign_id = drafts.create(db, DRAFT, people(2))
    process = pasting(campaign_id)
    drafts.revise(db, campaign_id, DRAFT, people(700, "winner.example"))
    process.communicate()
    assert process.returncode == 1
    with db.read() as connection:
        domains = connection.execute(select(recipients.c.domain).distinct()).scalars().all()
        assert counters.counts(connection, campaign_id)[RecipientState.QUEUED] == 700
    assert domains == ["winner.example"]
    assert (count(db, storings), count(db, list_notes)) == (0, 2)


def test_a_frozen_process_does_not_go_on_with_what_was_removed_meanwhile(
    db: Database, pasting: Callable[[int], subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = pasting(0)
    forget_soon(monkeypatch)
    with db.write() as connection:
        assert drafts.remove_remains(connection, 10)
    process.communicate()
    assert process.returncode == 1
    carry_on(db)
    assert (count(db, table), count(db, recipients)) == (0, 0)


def test_a_draft_that_is_canceled_while_its_list_is_replaced_keeps_a_ledger_that_balances(
    db: Database, pasting: Callable[[int], subprocess.Popen[str]]
) -> None:
    campaign_id = drafts.create(db, DRAFT, people(LONG))
    process = pasting(campaign_id)
    with db.write() as connection:
        lifecycle.act(connection, campaign_id, CampaignAction.CANCEL)
    process.communicate()
    assert process.returncode == 1
    carry_on(db)
    found = get(db, campaign_id)
    assert found
    assert found.total == sum(found.counts.values()) == count(db, recipients)
    assert count(db, storings) == 0


def test_of_two_calls_with_one_key_at_once_one_stores_its_long_list(db: Database) -> None:
    order = {
        "subject": "Summer fete",
        "text": "Dear all",
        "recipients": [{"email": f"p{i}@c.example"} for i in range(LONG)],
        "send": True,
    }
    body, told = orjson.dumps(order), []

    def post() -> None:
        caller = api.Caller(Actor(ActorKind.API), may_send=True)
        told.append(api._store(db, caller, body, "one-key", "Ann <ann@example.org>").answer)

    threads = [threading.Thread(target=post) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told[0] == told[1]
    carry_on(db)
    with db.read() as connection:
        assert [each.total for each in campaigns.latest(connection)] == [LONG]
    assert count(db, recipients) == LONG


def test_others_write_between_two_pieces(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's lock goes to whoever looks first, so who stores lets the others look."""
    written: list[int] = []

    def write() -> None:
        with db.write() as connection:
            written.append(connection.execute(select(func.count()).select_from(recipients)).scalar_one())

    rests = between_pieces(monkeypatch, write)
    drafts.create(db, DRAFT, people(LONG))
    assert len(written) == len(rests)
    assert all(0.001 <= rest <= 0.01 for rest in rests)
    assert written == sorted(written)
