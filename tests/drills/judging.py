"""How a drill is run and judged: the sink's record against the ledger, which must balance at every look."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError

from mailing.campaigns import Draft
from mailing.models import attempts, now_ms, recipients
from tests.harness import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.harness import Stack

RECIPIENTS = 5_000
LOOK_S, PULL_S = 0.25, 1.0
DRAFT = Draft("Club <club@sender.example>", "Hello {{ name }}", "Dear {{ name }},\nyou are {{ email }}.\n")
_LEDGER = text(
    "SELECT 'row', state, count(*) FROM recipients WHERE campaign_id = :id GROUP BY state UNION ALL "
    "SELECT 'tally', state, sum(n) FROM tallies WHERE campaign_id = :id GROUP BY state"
)


@dataclass(slots=True)
class Row:
    """One line of the table."""

    drill: str
    database: str
    recipients: int = RECIPIENTS
    counts: Counter[str] = field(default_factory=Counter)
    deferrals: int = 0
    duplicates: int = 0
    seconds: float = 0.0
    verdict: str = "BROKEN"


class Drill:
    """One campaign under fault. ``begin`` it, do the damage, ``end`` it, ``judge`` it."""

    def __init__(self, stack: Stack, row: Row) -> None:
        self.stack = stack
        self.row = row
        self.faults: list[str] = []
        self.looks = 0
        self.pulls = True  # who was refused for now is due at once
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def begin(self, *, sent: int = 300) -> None:
        """Send the campaign, and return when ``sent`` are sent."""
        people = [f"User {i} <user{i}@domain{i % 7}.example>" for i in range(self.row.recipients)]
        self.begun = time.monotonic()
        self.campaign_id = self.stack.send(DRAFT, people)
        self._watcher.start()
        wait_until(lambda: self.count("sent") >= sent, f"{sent} are sent", 60)

    def count(self, state: str) -> int:
        """Return how many recipients are in ``state``."""
        return self.rows()[state]

    def rows(self) -> Counter[str]:
        """Count the recipients by state, as their rows say."""
        try:
            with self.stack.db.read() as connection:
                found = connection.execute(
                    select(recipients.c.state, func.count())
                    .where(recipients.c.campaign_id == self.campaign_id)
                    .group_by(recipients.c.state)
                )
                return Counter(dict(found.all()))
        except DBAPIError:  # the drill broke it
            return Counter()

    @property
    def going_on(self) -> bool:
        """Whether there is still something to disturb."""
        counts = self.rows()
        return not counts or bool(counts["queued"] + counts["sending"] + counts["deferred"])

    def disturb(self, do: Callable[[], object], every_s: float, times: int = 100) -> int:
        """Do the damage every few seconds while the campaign goes on; return how often it was done."""
        done = 0
        while done < times and self.going_on:
            do()
            done += 1
            time.sleep(every_s)  # the drill's own pace
        return done

    def end(self, patience_s: float = 150) -> None:
        """Wait until the campaign has ended and stays so."""

        def ended() -> bool:
            try:
                return self.stack.campaign(self.campaign_id).state == "finished"
            except DBAPIError:
                return False

        try:
            wait_until(ended, "the campaign ends", patience_s)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.rows()}\n{self.stack.log('worker')[-3000:]}") from None
        self.row.seconds = time.monotonic() - self.begun

    def judge(self, *, unknown: int = 0, failed: int = 0) -> None:
        """Compare the account with the sink's; ``unknown`` may be in doubt, ``failed`` are refused."""
        self.stop_watching()
        self.tell()
        delivered = self.stack.delivered()
        with self.stack.db.read() as connection:
            states = dict(
                connection.execute(
                    select(recipients.c.email, recipients.c.state).where(
                        recipients.c.campaign_id == self.campaign_id
                    )
                ).all()
            )
        lost = [email for email, state in states.items() if state == "sent" and email not in delivered]
        untold = [email for email in delivered if states.get(email) not in {"sent", "unknown"}]
        counts = self.row.counts
        assert not self.faults, f"the ledger does not balance: {self.faults[:3]}"
        assert self.looks
        assert not self.row.duplicates, [email for email, n in delivered.items() if n > 1][:5]
        assert not lost, f"{len(lost)} are called sent, but never arrived: {lost[:5]}"
        assert not untold, f"{len(untold)} arrived, but are not called so: {untold[:5]}"
        assert counts["unknown"] <= unknown, f"{counts['unknown']} unknown, {unknown} may be"
        assert counts["failed"] == failed
        assert counts["sent"] + counts["unknown"] + failed == self.row.recipients, counts
        self.row.verdict = "kept"

    def tell(self) -> None:
        """Fill in the row of the table."""
        delivered = self.stack.delivered()
        self.row.duplicates = sum(n - 1 for n in delivered.values())
        self.row.counts = self.rows()
        self.row.seconds = self.row.seconds or time.monotonic() - self.begun
        with self.stack.db.read() as connection:
            self.row.deferrals = connection.execute(
                select(func.count()).select_from(attempts).where(attempts.c.result == "deferred")
            ).scalar_one()

    def stop_watching(self) -> None:
        """Look no more."""
        self._over.set()
        if self._watcher.is_alive():
            self._watcher.join(20)

    def _watch(self) -> None:
        pulled_at = 0.0
        while not self._over.wait(LOOK_S):
            try:
                self._look()
                if self.pulls and time.monotonic() > pulled_at + PULL_S:
                    pulled_at = time.monotonic()
                    self._pull()
            except DBAPIError:  # the drill broke it
                continue

    def _look(self) -> None:
        with self.stack.db.read() as connection:
            found = connection.execute(_LEDGER, {"id": self.campaign_id}).all()
        rows, tallied = (
            {state: n for kind, state, n in found if kind == of and n} for of in ("row", "tally")
        )
        self.looks += 1
        if rows != tallied or sum(rows.values()) != self.row.recipients:
            self.faults.append(f"rows {rows}, tallies {tallied}")

    def _pull(self) -> None:
        """Let a minute pass for who was refused for now."""
        waiting = select(func.count()).where(recipients.c.state == "deferred", recipients.c.due_at > now_ms())
        with self.stack.db.read() as connection:
            if not connection.execute(waiting).scalar_one():
                return
        with self.stack.db.write() as connection:
            connection.execute(
                update(recipients).where(recipients.c.state == "deferred").values(due_at=now_ms() - 1)
            )
