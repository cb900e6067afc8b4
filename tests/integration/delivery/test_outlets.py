"""Rehearsals through real workers: all that is rehearsed reaches the demo inbox, and no other server."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from mailing import demo_inbox_file
from mailing.addresses.parsing import parse_pasted
from mailing.campaigns import drafts, lifecycle, recipes
from mailing.campaigns.drafts import Draft
from mailing.campaigns.rehearsals import TRIED_S
from mailing.core.reasons import Reason
from mailing.core.states import CampaignAction, CampaignState, RecipientState
from mailing.core.tables import campaigns
from mailing.delivery.outlets import Outlets
from mailing.ledger import batches, rests
from mailing.reports import rehearsed
from mailing.smtp.account import REHEARSALS, Sender
from tasks.app import use
from tasks.commands import rehearsals
from tasks.sending import enqueue
from tests.integration.delivery.test_sending import DRAFT, addresses, assert_everybody_got_it_once
from tests.support.stack import PERSON, free_port, wait_until
from tests.support.web import store

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack

N = 60
ODD = ["Ann <ann+bounce@x.example>", "Bob <bob+full@x.example>"]  # whose tags are their own, not the recipe's
STATES = {
    "accepted": RecipientState.SENT,
    "later": RecipientState.SENT,
    "slow": RecipientState.SENT,
    "full": RecipientState.FAILED,
    "bounce": RecipientState.FAILED,
    "drop": RecipientState.UNKNOWN,
}


def rehearse(stack: Stack, recipe: dict[str, int], people: list[str], *, rehearses: int = 1) -> int:
    """Have a rehearsal sent; return its id."""
    parsed = parse_pasted("\n".join(people))
    with drafts.creating(stack.db, DRAFT, parsed, ready=True) as (connection, campaign_id):
        mine = update(campaigns).where(campaigns.c.id == campaign_id)
        connection.execute(mine.values(rehearses=rehearses, recipe=recipe, give_up_after=TRIED_S))
        lifecycle.act(connection, campaign_id, CampaignAction.SEND, checked=drafts.FIRST)
        errands = batches.wake(connection, campaign_id)
    use(stack.settings)
    enqueue(stack.db, errands)
    return campaign_id


def test_a_rehearsal_ends_as_its_recipe_says_and_no_byte_of_it_goes_where_mail_goes(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(connections=4, demo_port=free_port())
    stack.start("redis", "sink", "rehearsals", "worker", "beat")
    recipe = {"later": 200, "full": 100, "bounce": 200, "slow": 80, "drop": 50}
    real = stack.send(DRAFT, addresses(N))
    rehearsal = rehearse(stack, recipe, addresses(N) + ODD, rehearses=real)
    stack.wait_for(real)
    ended = stack.wait_for(rehearsal)
    people = [
        *(f"user{i}@domain{i % 7}.example" for i in range(N)),
        "ann+bounce@x.example",
        "bob+full@x.example",
    ]
    answers = {who: recipes.answer_to(recipe, real, who) for who in people}
    assert {answers[who] for who in people} == set(recipes.Answer), "the list is long enough for all answers"
    for state in set(STATES.values()):
        assert ended.counts[state] == sum(STATES[it] is state for it in answers.values())
    assert_everybody_got_it_once(stack, real, N)  # and nothing else is with the sink
    kept = stack.folder / demo_inbox_file.FILE
    expected = sum(answer not in {"full", "bounce"} for answer in answers.values())
    wait_until(lambda: demo_inbox_file.arrived(kept) == expected, "all that was taken is kept")
    for mail in demo_inbox_file.latest(kept):
        read = email.message_from_bytes(mail.raw, policy=email.policy.default)
        who = read["To"].addresses[0].addr_spec
        assert who in answers, "the email names the recipient without the tag"
        assert mail.recipient == recipes.tagged(replace(ended, rehearses=real), who)


def test_a_rehearsal_sends_nothing_to_a_server_that_does_not_say_it_is_the_demo_inbox(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack()  # whose demo inbox is said to be where mail really goes
    stack.start("redis", "sink", "worker", "beat")
    rehearsal = rehearse(stack, {}, addresses(5))
    paused = stack.wait_for(rehearsal, "paused")
    assert isinstance(paused.paused_reason, Reason)
    assert paused.paused_reason.code == "smtp.no-demo-inbox"
    real = stack.send(DRAFT, addresses(5))
    stack.wait_for(real)
    assert_everybody_got_it_once(stack, real, 5)
    stack.wait_for_count(rehearsal, RecipientState.QUEUED, 5)  # those that were in hand are given back


@pytest.mark.parametrize("rehearsals_rest", [True, False], ids=["the demo inbox rests", "the server rests"])
def test_neither_mail_nor_what_is_rehearsed_waits_for_the_others_sender(
    make_stack: Callable[..., Stack],
    rehearsals_rest: bool,
) -> None:
    stack = make_stack(demo_port=free_port())
    stack.start("redis", "sink", "rehearsals", "worker", "beat")
    resting = REHEARSALS if rehearsals_rest else stack.settings.sender.account
    with stack.db.write() as connection:
        rests.begin(connection, resting, 3600, "452 4.5.3 daily quota", tried_at=2**60)
    mail, rehearsal = stack.send(DRAFT, addresses(20)), rehearse(stack, {}, addresses(20))
    held, goes_on = (rehearsal, mail) if rehearsals_rest else (mail, rehearsal)
    stack.wait_for(goes_on)
    assert stack.campaign(held).state is CampaignState.SENDING
    assert stack.campaign(held).counts[RecipientState.QUEUED] == 20
    with stack.db.write() as connection:
        rests.end_others(connection, [])
    stack.wait_for(held)


def test_no_outlet_can_be_made_the_wrong_way_round() -> None:
    real, demo = Sender("mail.x.example", 25), Sender("127.0.0.1", 1025, demo=True)
    Outlets(mail=real, rehearsals=demo)
    for mail, inbox in ((demo, real), (real, real), (demo, demo)):
        with pytest.raises(ValueError, match="demo inbox"):
            Outlets(mail=mail, rehearsals=inbox)


def test_what_cannot_be_written_is_found_before_anything_is_sent(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack()
    stack.start("redis", "inbox", "worker", "beat")
    lines = ["email,name,city", *(f"user{i}@x{i % 7}.example,User {i},Rome" for i in range(30))]
    draft = Draft("Club <club@sender.example>", "Hi {{ name }}", "See you in {{ city }}.\n")
    draft_id = store(stack.db, "\n".join([*lines, "zoe@x.example,Zoe,"]), draft)
    use(stack.settings)
    rehearsal = rehearsals.rehearse(stack.backend, PERSON, draft_id, {}, stack.settings.demo_inbox)
    ended = stack.wait_for(rehearsal)
    assert stack.campaign(draft_id).state is CampaignState.DRAFT
    with stack.db.read() as connection:
        found = rehearsed.read(connection, ended)
    assert found
    assert [(it.answer, it.wanted, it.got) for it in found.shares] == [("accepted", 31, 30)]
    assert (found.unwritten, [fault.email for fault in found.faults]) == (1, ["zoe@x.example"])
    assert "city" in str(found.faults[0].reason)
    assert found.largest > 300
    assert found.least_ms > 0
    assert found.next == stack.campaign(draft_id)
    assert not found.changed
