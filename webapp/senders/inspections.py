"""Tests of senders: pages and API begin them in the same way, and look at them as at test sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.addresses import mailbox
from mailing.senders import opening
from mailing.smtp.inspection import inspect
from tasks.commands import senders as commands
from webapp.http.services import services
from webapp.live.trials import runs

if TYPE_CHECKING:
    from mailing.core.actors import Actor
    from mailing.senders.store import Account
    from mailing.smtp.dialogue import Dialogue
    from mailing.smtp.trial import Outcome
    from webapp.live.trials import Run


async def begin(actor: Actor, account: Account, mail_from: str = "") -> Run:
    """Begin to try a sender.

    Raises ``BusyError``, ``SenderError`` if it cannot be tried now, and ``UnfitError`` for an address that is
    none.
    """
    svc = services()
    runs().make_sure()
    address = mailbox.judge(mail_from) if mail_from.strip() else ""
    sender = opening.usable(account, svc.settings.secret_key, svc.settings.sender, svc.db)
    await svc.do(commands.begin_test, actor, account)

    async def work(dialogue: Dialogue) -> Outcome:
        outcome = await inspect(sender, dialogue, address)
        if outcome.accepted and account.trouble:
            await svc.do(commands.end_trouble, account.id)
        return outcome

    return runs().begin(about(account.id), sender, work)


def about(sender_id: int) -> str:
    """Return what a test of a sender is about."""
    return f"sender:{sender_id}"
