"""Decisions beside others at the same moment, and beside workers at work: each happens once."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from mailing import demo_inbox_file
from mailing.campaigns import drafts, lifecycle
from mailing.campaigns.drafts import Draft
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.actors import Actor, ActorKind
from mailing.core.states import DECISIONS, CampaignAction, CampaignState, RecipientAction, RecipientState
from mailing.ledger import claims
from mailing.recipients import decisions, listing
from mailing.recipients.search import EVERYBODY, Choice
from mailing.reports.log import email_log
from mailing.reports.log.walks import Search
from tasks.commands import campaigns as commands
from tasks.commands.backend import Backend
from tests.integration.ledger.test_ledger import FAR, check, claim, worker
from tests.integration.recipients.test_decisions import MARK, MOVES, RESEND, RETRY, decide, ended, get
from tests.support.stack import wait_until
from tests.support.web import store

if TYPE_CHECKING:
    from collections.abc import Callable

    from mailing.core.database import Database
    from tests.support.stack import Stack

PERSON = Actor(ActorKind.PERSON)


def together(*calls: object) -> None:
    """Call functions at the same moment, each in a thread of its own."""
    gate = threading.Barrier(len(calls))
    faults: list[BaseException] = []

    def run(call: object) -> None:
        gate.wait()
        try:
            call()  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001 - told below, in the thread of the test
            faults.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults


@pytest.mark.parametrize(("action", "source"), MOVES)
def test_two_people_who_press_at_once_act_once(
    db: Database, action: RecipientAction, source: RecipientState
) -> None:
    campaign_id, held = ended(db, 40, source)
    moved: list[int] = []
    together(*(lambda: moved.extend(decide(db, campaign_id, action).moved) for _ in range(3)))
    assert sorted(moved) == [c.recipient_id for c in held]
    assert check(db, campaign_id, 40)[DECISIONS[action].target] == 40
    with db.read() as connection:
        rows = email_log.page(connection, Search(campaign_id=campaign_id), limit=500).rows
    assert len(rows) == (80 if action is MARK else 40)


def test_a_retry_while_workers_claim_gives_nobody_to_two_of_them(db: Database) -> None:
    campaign_id, _ = ended(db, 60, RecipientState.FAILED)
    taken: list[int] = []
    retried: list[int] = []

    def work() -> None:
        me = worker(db)
        for _ in range(30):
            with db.write() as connection:
                held = claims.claim(connection, me, campaign_id, after=0, last=FAR, limit=5)
            taken.extend(c.recipient_id for c in held)

    def press() -> None:
        retried.extend(decide(db, campaign_id, RETRY).moved)

    together(work, work, press, press)
    taken.extend(c.recipient_id for c in claim(db, worker(db), campaign_id, 60))
    assert len(retried) == len(set(retried)) == 60
    assert sorted(taken) == sorted(retried)
    assert check(db, campaign_id, 60)[RecipientState.SENDING] == 60


def test_a_campaign_does_not_finish_over_somebody_who_is_being_queued(db: Database) -> None:
    campaign_id, _ = ended(db, 1, RecipientState.FAILED)
    finished: list[bool] = []

    def finish() -> None:
        with db.write() as connection:
            finished.append(lifecycle.finish(connection, campaign_id))

    thread = threading.Thread(target=finish)
    with db.write() as connection:
        decisions.decide(connection, campaign_id, RETRY, EVERYBODY, after=0)
        thread.start()
        wait_until(lambda: somebody_waits(db), "the other one waits for the campaign")
    thread.join()
    assert finished == [False]
    assert get(db, campaign_id).state is CampaignState.SENDING


def test_a_draft_is_sent_as_it_was_checked_also_if_it_is_edited_at_that_moment(db: Database) -> None:
    draft = Draft("Ann <ann@example.org>", "Picnic", "Dear all")
    campaign_id = store(db, "ann@b.example", draft)
    refused: list[str] = []

    def send() -> None:
        try:
            with db.write() as connection:
                lifecycle.act(
                    connection,
                    campaign_id,
                    CampaignAction.SEND,
                    checked=drafts.ready(connection, campaign_id),
                )
        except NotAllowed as fault:
            refused.append(str(fault))

    thread = threading.Thread(target=send)
    with db.write() as connection:
        drafts.rewrite(connection, campaign_id, replace(draft, text="Dear {{ nickname }}"))
        thread.start()
        wait_until(lambda: somebody_waits(db), "the other one waits for the edit")
    thread.join()
    # On SQLite it checks what was edited; on PostgreSQL it finds another revision than the checked one.
    assert ("nickname" if db.sqlite else "was changed in the meantime") in refused[0]
    assert get(db, campaign_id).state is CampaignState.DRAFT


def somebody_waits(db: Database) -> bool:
    """Whether another transaction waits for a lock. In SQLite a writer waits before it begins."""
    if db.sqlite:
        return True
    statement = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with db.read() as connection:
        return bool(connection.execute(text(statement)).first())


def test_two_simultaneous_resends_send_once_more_with_the_same_message_id(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=2)
    stack.start("redis", "inbox", "worker", "beat")
    people = ["ann@x.example", "bob+drop@x.example", "cat+bounce@x.example"]
    campaign_id = stack.send(Draft("a@b.example", "s", "t"), people)
    stack.wait_for(campaign_id)

    def press() -> None:
        with contextlib.closing(stack.redis) as redis:
            commands.decide(Backend(stack.db, redis), PERSON, campaign_id, RESEND, EVERYBODY)

    together(press, press)
    campaign = stack.wait_for(campaign_id)
    assert (campaign.counts[RecipientState.UNKNOWN], campaign.counts[RecipientState.SENT]) == (1, 1)

    def ids_of_bob() -> list[str]:
        mails = demo_inbox_file.latest(stack.folder / demo_inbox_file.FILE)
        return [mail.message_id for mail in mails if "+drop" in mail.recipient]

    wait_until(lambda: len(ids_of_bob()) >= 2, "the inbox, which writes in groups, has both")
    ids = ids_of_bob()
    assert len(ids) == 2
    assert len(set(ids)) == 1
    with stack.db.read() as connection:
        rows = email_log.page(connection, Search(campaign_id=campaign_id, address="bob+drop")).rows
    assert [(row.number, row.result) for row in rows] == [(2, "unknown"), (1, "unknown")]


def test_who_is_retried_in_a_paused_campaign_waits_for_resume_and_then_leaves_at_once(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=2)
    stack.start("redis", "inbox", "worker", "beat")
    campaign_id = stack.send(Draft("a@b.example", "s", "t"), ["ann+later@x.example", "bob+full@x.example"])
    stack.wait_for_count(campaign_id, RecipientState.DEFERRED, 2)
    later = Choice(RecipientState.DEFERRED, "ann+later")
    with contextlib.closing(stack.redis) as redis:
        commands.act(Backend(stack.db, redis), PERSON, campaign_id, CampaignAction.PAUSE)
        assert commands.decide(Backend(stack.db, redis), PERSON, campaign_id, RETRY, later).moved == 1
        assert stack.campaign(campaign_id).counts[RecipientState.QUEUED] == 1
        commands.act(Backend(stack.db, redis), PERSON, campaign_id, CampaignAction.RESUME)
        stack.wait_for_count(campaign_id, RecipientState.SENT, 1)
        assert stack.campaign(campaign_id).counts[RecipientState.DEFERRED] == 1
        assert commands.decide(Backend(stack.db, redis), PERSON, campaign_id, RETRY, EVERYBODY).moved == 1
    wait_until(lambda: tries(stack, campaign_id) == [2, 2], "both were tried again")


def tries(stack: Stack, campaign_id: int) -> list[int]:
    with stack.db.read() as connection:
        page = listing.recipients_page(connection, campaign_id)
    return [row.attempts for row in page.rows]
