"""With a bounce domain each email has an envelope sender of its own, by which its bounce finds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.bounces import store
from mailing.core.actors import Actor, ActorKind
from tasks.commands import bounces as commands
from tasks.commands.bounces import Message
from tests.support import bounces, sink
from tests.support.sent import DRAFT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack

PEOPLE = [f"p{n}@x.example" for n in range(20)]


def test_a_bounce_to_the_envelope_sender_that_was_used_finds_its_recipient(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack(extra={"VOLLEY_BOUNCE_DOMAIN": "bounces.sender.example"})
    stack.start("redis", "sink", "worker", "beat")
    campaign_id = stack.send(DRAFT, PEOPLE)
    stack.wait_for(campaign_id)
    senders = sink.senders(stack.record)
    assert set(senders) == set(PEOPLE)
    assert len(set(senders.values())) == len(PEOPLE)
    reports = [Message(bounces.dsn("someone@else.example", to=it, number=it)) for it in senders.values()]
    done = commands.take(stack.backend, Actor(ActorKind.VOLLEY), reports, "test")
    assert [it.matched.email for it in done if it.matched] == list(senders)
    with stack.db.read() as connection:
        assert store.counts(connection, campaign_id).hard == len(PEOPLE)
