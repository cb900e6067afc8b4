"""The test sends of this web process: each is a task of its own, and can be looked at for a while."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from quart import current_app

from mailing.core.clock import now_ms
from mailing.smtp import trial
from mailing.smtp.dialogue import Dialogue

if TYPE_CHECKING:
    from quart import Quart

    from mailing.reports.trials import Trial
    from mailing.smtp.account import Sender
    from mailing.smtp.trial import Outcome

KEPT = 50
AT_ONCE = 10


@dataclass(slots=True, eq=False)
class Run:
    """A test that is being sent, or was. ``began_at`` is in ms since 1970."""

    campaign_id: int
    trial: Trial
    server: str
    dialogue: Dialogue
    began_at: int
    task: asyncio.Task[Outcome]

    @property
    def ended(self) -> bool:
        """Whether it is sent no more."""
        return self.task.done()

    @property
    def outcome(self) -> Outcome | None:
        """How it fared, once that is known."""
        return self.task.result() if self.task.done() and not self.task.cancelled() else None


class Runs:
    """The last ``KEPT`` of them, by a name that nobody can guess."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, Run] = OrderedDict()

    @property
    def full(self) -> bool:
        """Whether no other one may begin now."""
        return sum(not run.ended for run in self._runs.values()) >= AT_ONCE

    def begin(self, campaign_id: int, wanted: Trial, sender: Sender) -> str:
        """Begin to send a test; return its name."""
        dialogue, name = Dialogue(sender), secrets.token_urlsafe(16)
        task = asyncio.create_task(trial.carry(sender, wanted.mail, dialogue), name="a test send")
        self._runs[name] = Run(campaign_id, wanted, sender.server, dialogue, now_ms(), task)
        while len(self._runs) > KEPT:
            oldest = next(key for key, run in self._runs.items() if run.ended)
            del self._runs[oldest]
        return name

    def get(self, name: str, campaign_id: int) -> Run | None:
        """Return a test of a campaign; None if it is not known, or not any more."""
        run = self._runs.get(name)
        return run if run and run.campaign_id == campaign_id else None

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
