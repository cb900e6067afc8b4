"""A mailbox is tested: connected to, signed in, and looked at. Nothing is fetched."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Event
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.mailboxes import opening
from mailing.mailboxes.faults import MailboxError
from mailing.mailboxes.line import StoppedError
from tasks.commands import mailboxes as commands
from webapp.http.services import services

if TYPE_CHECKING:
    from mailing.core.actors import Actor
    from mailing.mailboxes.opening import Found
    from mailing.mailboxes.store import Mailbox

AT_ONCE = 4
PATIENCE_S = 30.0
_running: set[asyncio.Task[Found]] = set()


async def run(actor: Actor, mailbox: Mailbox) -> Found:
    """Test a mailbox; it takes seconds, and ``PATIENCE_S`` at most. Raises ``MailboxError``."""
    if len(_running) >= AT_ONCE:
        raise MailboxError(Reason("mailbox.busy"))
    svc, stop = services(), Event()
    await svc.do(commands.begin_test, actor, mailbox)
    work = asyncio.to_thread(opening.test, mailbox, svc.settings.secret_key, stop, svc.db)
    task = asyncio.create_task(work)
    _running.add(task)
    task.add_done_callback(_running.discard)
    try:
        await asyncio.wait({task}, timeout=PATIENCE_S)
        if task.done():
            return task.result()
    finally:
        stop.set()
        task.add_done_callback(_look_away)
    raise MailboxError(Reason("mailbox.silent", server=mailbox.server))


def _look_away(task: asyncio.Task[Found]) -> None:
    """Take what an abandoned test raises: nobody waits for it any more."""
    with suppress(MailboxError, StoppedError, asyncio.CancelledError):
        task.result()
