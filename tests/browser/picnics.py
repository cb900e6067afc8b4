"""A campaign that no worker sends: its test delivers by hand, and so knows what the pages must show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from playwright.sync_api import expect

from mailing.core.states import AttemptResult
from mailing.redis import events
from tests.browser.acts import expect_the_truth, mark
from tests.support.web import deliver, store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from playwright.sync_api import Page

    from tests.support.stack import Stack

PARTS = ("redis", "web")
SENT = (AttemptResult.SENT, 250, "2.0.0", "250 2.0.0 ok")
FAILED = (AttemptResult.FAILED, 550, "5.1.1", "550 5.1.1 user unknown")


def whole(stack: Stack) -> Stack:
    """Start again what the test before has killed."""
    stack.start(*(part for part in PARTS if part not in stack.processes))
    return stack


@dataclass(frozen=True, slots=True)
class Picnic:
    """One campaign of a stack that other tests use, too."""

    stack: Stack
    id: int

    @classmethod
    def of(cls, stack: Stack, people: Iterable[str]) -> Self:
        """Store a campaign to these people, and send it."""
        return cls(stack, store(stack.db, "\n".join(people), send=True))

    @property
    def path(self) -> str:
        """The address of its page."""
        return f"/campaigns/{self.id}"

    def deliver(self, *endings: tuple[AttemptResult, int | None, str, str]) -> list[int]:
        """Let the next recipients meet these ends, untold; return their ids."""
        return deliver(self.stack.db, *endings, campaign_id=self.id)

    def end(self, *endings: tuple[AttemptResult, int | None, str, str], **told: Any) -> list[int]:
        """Let the next recipients meet these ends, and tell it as a worker would; return their ids."""
        ids = self.deliver(*endings)
        news = [{"type": "recipient", "campaign": self.id, "recipient": id_} | told for id_ in ids]
        events.publish(self.stack.redis, news)
        return ids

    def watch(self, page: Page, where: str = "", base: str = "") -> Page:
        """Open its page, or one below it, and see that it is live."""
        page.goto(f"{base}{self.path}{where}")
        expect(mark(page)).to_have_text("Live")
        return page

    def expect_the_truth(self, page: Page) -> None:
        """Wait until the page shows what the database says."""
        expect_the_truth(page, self.stack, self.id)
