"""The tests of this web process, of messages and senders: each is a task, and can be looked at for a while.

Pages and API begin them in the same way.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, cast

from quart import current_app

from mailing.campaigns import queries as campaigns
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, ReasonError
from mailing.reports import trials
from mailing.reports.preview import NoMessageError
from mailing.senders import opening
from mailing.senders.store import SenderError
from mailing.smtp import trial
from mailing.smtp.dialogue import Dialogue
from tasks.commands import campaigns as commands
from webapp.http.services import services

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from quart import Quart
    from sqlalchemy import Connection

    from mailing.core.actors import Actor
    from mailing.reports.trials import Trial
    from mailing.settings import Settings
    from mailing.smtp.account import Sender
    from mailing.smtp.trial import Outcome

Work: TypeAlias = "Callable[[Dialogue], Coroutine[Any, Any, Outcome]]"
KEPT = 50
AT_ONCE = 10


class BusyError(ReasonError):
    """Too many tests are being sent at this moment."""


@dataclass(slots=True, eq=False)
class Run:
    """A test that goes on, or has ended, of what it is ``about``. ``began_at`` is in ms since 1970."""

    name: str
    about: str
    trial: Trial | None
    server: str
    dialogue: Dialogue
    began_at: int
    task: asyncio.Task[Outcome]

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.task.done()

    @property
    def outcome(self) -> Outcome | None:
        """How it fared, once that is known."""
        return self.task.result() if self.task.done() and not self.task.cancelled() else None


class Runs:
    """The last ``KEPT`` of them, by a name that nobody can guess."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Run] = OrderedDict()

    def make_sure(self) -> None:
        """Raise ``BusyError`` where no further test may begin now."""
        if sum(not run.ended for run in self._runs.values()) >= AT_ONCE:
            raise BusyError(Reason("test-send.busy"))

    def begin(self, about: str, sender: Sender, work: Work, wanted: Trial | None = None) -> Run:
        """Begin a test. Raises ``BusyError``: others may have begun since its caller looked."""
        self.make_sure()
        dialogue, name = Dialogue(sender), secrets.token_urlsafe(16)
        task = asyncio.create_task(work(dialogue), name="a test")
        run = self._runs[name] = Run(name, about, wanted, sender.server, dialogue, now_ms(), task)
        while len(self._runs) > KEPT:
            oldest = next(key for key, run in self._runs.items() if run.ended)
            del self._runs[oldest]
        return run

    def get(self, name: str, about: str) -> Run | None:
        """Return a test of something; None if it is unknown or no longer kept."""
        run = self._runs.get(name)
        return run if run and run.about == about else None

    async def close(self) -> None:
        """End what is still being sent."""
        tasks = [run.task for run in self._runs.values() if not run.ended]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def install(app: Quart) -> None:
    """Let the application send tests as long as it runs."""
    runs = app.extensions["trials"] = Runs()
    app.after_serving(runs.close)


def runs() -> Runs:
    """Return those of the running application."""
    return cast("Runs", current_app.extensions["trials"])


async def begin(actor: Actor, campaign_id: int, to: str, like: int | str = "") -> Run:
    """Begin to send the message of a campaign to ``to``, with the data of the recipient ``like``.

    Raises ``BusyError``, ``NoMessageError`` where there is none, and ``NotAllowed`` where the actor has sent
    several.
    """
    svc = services()
    runs().make_sure()
    wanted = await svc.read(trials.compose, campaign_id, to, like)
    sender = await svc.read(_sender, campaign_id, svc.settings)
    wanted = await svc.read(trials.signed, wanted, sender, svc.settings.secret_key)
    await svc.do(commands.begin_test, actor, campaign_id, wanted)
    return runs().begin(about(campaign_id), sender, partial(trial.carry, sender, wanted.mail), wanted)


def _sender(connection: Connection, campaign_id: int, settings: Settings) -> Sender:
    """Return the sender that a campaign uses first. Raises ``NoMessageError`` where it cannot be used."""
    campaign = campaigns.get(connection, campaign_id)
    try:
        ids = campaign.senders if campaign else None
        return opening.first(connection, ids, settings.secret_key, settings.sender)
    except SenderError as refusal:
        raise NoMessageError(refusal.reason) from None


def about(campaign_id: int) -> str:
    """Return what a test of a campaign is about."""
    return f"campaign:{campaign_id}"
