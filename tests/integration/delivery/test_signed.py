"""Real workers sign what they send: judged at the sink by another library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing import demo_inbox_file as inbox
from mailing.core.actors import Actor, ActorKind
from mailing.core.reasons import Reason
from mailing.core.side_thread import SideThread
from mailing.core.states import CampaignAction, CampaignState
from mailing.delivery.desk import Desk
from mailing.domains import keys, signers
from mailing.domains.dkim import Algorithm
from mailing.domains.tables import KeyState, dkim_keys
from mailing.senders import store as senders
from tasks.commands import dkim as commands
from tests.integration.ledger.test_evidence import state
from tests.integration.ledger.test_ledger import store
from tests.support.sent import DRAFT
from tests.support.signed import good
from tests.support.stack import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mailing.core.database import Database
    from tests.support.stack import Stack

DOMAIN = "sender.example"
CLI = Actor(ActorKind.CLI)
FAULT = Reason("dkim.unreadable", selector="v1", domain=DOMAIN)
PEOPLE = ["Nguyễn Văn An <a@x.example>", "Ann <ann@y.example>", "b@z.example"]


def signing(stack: Stack, secret_key: str) -> Mapping[str, str]:
    """Make keys that sign at once; return their records."""
    made = commands.create(stack.backend, CLI, DOMAIN, [*Algorithm], secret_key)
    with stack.db.write() as connection:
        connection.execute(dkim_keys.update().values(state=KeyState.ACTIVE))
    return {it.name: it.value for it in made}


def arrived(stack: Stack, n: int) -> Sequence[bytes]:
    """Return what is in the demo inbox, as it came, once there are ``n``: it is written group by group."""
    there = stack.folder / inbox.FILE
    wait_until(lambda: inbox.arrived(there) >= n, f"{n} emails have arrived")
    return [it.raw for it in inbox.latest(there)]


def test_what_workers_send_is_signed_by_all_keys_until_the_sender_says_that_its_server_signs(
    make_stack: Callable[..., Stack],
) -> None:
    stack = make_stack()
    stack.start("redis", "inbox", "worker", "beat")
    stack.wait_for(stack.send(DRAFT, PEOPLE))
    assert not [it for it in arrived(stack, 3) if b"DKIM-Signature" in it]
    there = signing(stack, stack.settings.secret_key)
    stack.wait_for(stack.send(DRAFT, PEOPLE))
    assert sorted(good(it, there) for it in arrived(stack, 6)) == [[]] * 3 + [[True, True]] * 3
    with stack.db.write() as connection:
        (sender,) = senders.every(connection)
        entry = senders.as_entered(sender, signs=False)
        senders.revise(connection, sender.id, entry, stack.settings.secret_key)
    stack.wait_for(stack.send(DRAFT, PEOPLE))
    assert len([it for it in arrived(stack, 9) if b"DKIM-Signature" in it]) == 3


def test_nothing_leaves_unsigned_where_the_key_cannot_be_read(make_stack: Callable[..., Stack]) -> None:
    stack = make_stack()
    stack.start("redis", "inbox", "worker", "beat")
    signing(stack, "the secret key before this one, of which nobody knows")
    campaign_id = stack.send(DRAFT, PEOPLE)
    campaign = wait_until(
        lambda: (it := stack.campaign(campaign_id)).state is CampaignState.PAUSED and it, "it is paused"
    )
    assert "can't be read" in str(campaign.paused_reason)
    assert arrived(stack, 0) == []
    for key in [*signing(stack, stack.settings.secret_key)]:
        assert DOMAIN in key
    with stack.db.write() as connection:
        for it in keys.of(connection, DOMAIN):
            if not keys.unsealed(it, stack.settings.secret_key):
                keys.retire(connection, DOMAIN, it.selector)
    stack.act(campaign_id, CampaignAction.RESUME)
    stack.wait_for(campaign_id)
    assert len([it for it in arrived(stack, 3) if b"DKIM-Signature" in it]) == 3


async def test_a_fault_that_is_mended_while_a_worker_tells_it_pauses_nothing(db: Database) -> None:
    campaign_id, desk = store(db, 1), Desk(db, SideThread("test"))
    with db.write() as connection:
        seen = signers.revision(connection)
        keys.keep(connection, DOMAIN, keys.generate([Algorithm.ED25519]), "a secret key of now")
    assert not await desk.pause(campaign_id, FAULT, seen)
    assert state(db, campaign_id)[0] is CampaignState.SENDING
    with db.read() as connection:
        seen = signers.revision(connection)
    assert await desk.pause(campaign_id, FAULT, seen)
    assert state(db, campaign_id)[0] is CampaignState.PAUSED
