"""How a drill is run and judged: the sink's record against the ledger, which must balance at every look."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from kombu.exceptions import OperationalError
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError

from mailing.addresses import parsing as addresses
from mailing.campaigns.drafts import Draft
from mailing.core.clock import now_ms
from mailing.core.states import AttemptResult
from mailing.core.tables import attempts, recipients
from mailing.core.tables import workers as worker_rows
from mailing.ledger import leases
from mailing.recipients.search import EVERYBODY
from mailing.schedules.schedule import Schedule
from tasks.app import SWEEP_EVERY_S, use
from tasks.commands import campaigns as commands
from tasks.upkeep import sweep
from tests.support import sink
from tests.support.stack import PERSON, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from mailing.core.states import RecipientAction
    from tests.support.stack import Stack

MOST_IN_FLIGHT = 2  # per connection (P3)
DOMAINS = 7  # of the recipients
LOOK_S = 0.25
DRAFT = Draft(
    "Club <club@sender.example>", "Hello {{ name }}", "Dear {{ name }},\nyou are {{ email }}.\n", breaker=None
)
_LEDGER = text(
    "SELECT 'row', state, count(*) FROM recipients WHERE campaign_id = :id GROUP BY state UNION ALL "
    "SELECT 'tally', state, sum(n) FROM tallies WHERE campaign_id = :id GROUP BY state"
)


@dataclass(frozen=True, slots=True)
class Size:
    """How large a drill is: ``make drills`` runs all of them long, ``make test`` some of them short.

    The sink misbehaves ``often`` times as often, so that it does so in a short one, too.
    """

    recipients: int
    lease_s: float
    sweep_s: float
    often: int


LONG, SHORT = Size(5_000, leases.LEASE_S, SWEEP_EVERY_S, 1), Size(200, 4.0, 0.5, 5)


@dataclass(slots=True)
class Row:
    """One line of the table."""

    drill: str
    database: str
    recipients: int
    counts: Counter[str] = field(default_factory=Counter)
    deferrals: int = 0
    resent: int = 0
    duplicates: int = 0
    seconds: float = 0.0
    verdict: str = "BROKEN"


class Drill:
    """One campaign under fault. ``begin`` it, do the damage, ``end`` it, ``judge`` it."""

    def __init__(self, stack: Stack, row: Row, size: Size) -> None:
        self.stack = stack
        self.row = row
        self.size = size
        self.faults: list[str] = []
        self.looks = 0
        self.pulls = True  # who was rejected temporarily is due at once
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def share(self, part: float) -> int:
        """Return a part of the recipients."""
        return int(self.row.recipients * part)

    def begin(
        self, draft: Draft = DRAFT, *, sent: int | None = None, people: Sequence[str] | None = None
    ) -> None:
        """Send the campaign, to these people if any, and return when ``sent`` are sent, else a few."""
        sent = self.share(0.06) if sent is None else sent
        self.begun = time.monotonic()
        self.campaign_id = self.stack.send(draft, [*people] if people else self._people())
        self._watcher.start()
        wait_until(lambda: self.count("sent") >= sent, f"{sent} are sent", 60)

    def plan(self, in_s: float) -> None:
        """Schedule the campaign to start so soon."""
        self.begun = time.monotonic()
        draft = replace(DRAFT, schedule=Schedule(now_ms() + round(in_s * 1000), "UTC"))
        use(self.stack.settings)
        listed = addresses.parse_pasted("\n".join(self._people()))
        self.campaign_id = commands.store(self.stack.db, PERSON, draft, listed, send=True).campaign_id
        self._watcher.start()

    def _people(self) -> list[str]:
        return [f"User {i} <user{i}@domain{i % DOMAINS}.example>" for i in range(self.row.recipients)]

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

    def decide(self, action: RecipientAction) -> None:
        """Do with all whom it concerns what a person can do with them."""
        self.stack.decide(self.campaign_id, action, EVERYBODY)

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

    def judge(
        self,
        *,
        unknown: int = 0,
        failed: int = 0,
        canceled: int = 0,
        suppressed: int = 0,
        killed: Collection[str] = (),
    ) -> None:
        """Compare the account with the sink's.

        Each worker in ``killed`` may leave two emails per connection in doubt, and nobody else any but the
        ``unknown`` that the sink is to blame for. ``failed`` are refused, ``canceled`` a person's doing, and
        ``suppressed`` have unsubscribed.
        """
        self.stop_watching()
        self._look()
        self.tell()
        sent_by_now = sink.accepted(self.stack.record)
        states, tried = self._states(), self._may_have_arrived()
        delivered, counts = Counter(email for email, _ in sent_by_now), self.row.counts
        names: dict[str, set[str]] = {}
        for email, message_id in sent_by_now:
            names.setdefault(message_id, set()).add(email)
        lost = [email for email, state in states.items() if state == "sent" and not delivered[email]]
        untold = [email for email in delivered if states.get(email) not in {"sent", "unknown"}]
        doubled = [email for email, n in delivered.items() if n > max(1, tried[email])]
        assert self.stack.campaign(self.campaign_id).state == ("canceled" if canceled else "finished")
        assert not self.faults, f"the ledger does not balance: {self.faults[:3]}"
        assert self.looks
        assert not doubled, f"{len(doubled)} arrived more often than their rows say: {doubled[:5]}"
        assert len(names) == len(delivered), "a recipient has two Message-IDs, or two have one"
        assert not lost, f"{len(lost)} are called sent, but never arrived: {lost[:5]}"
        assert not untold, f"{len(untold)} arrived, but are not called so: {untold[:5]}"
        in_doubt = self._in_doubt()
        assert in_doubt.total() == counts["unknown"], "somebody is unknown without an attempt that says why"
        most = MOST_IN_FLIGHT * self.stack.connections
        assert not {name: n for name, n in in_doubt.items() if name in killed and n > most}
        unexplained = {name: n for name, n in in_doubt.items() if name not in killed}
        assert sum(unexplained.values()) <= unknown, f"unknown: {unexplained}, {unknown} may be"
        assert counts["failed"] == failed
        assert counts["suppressed"] == suppressed
        others = failed + canceled + suppressed
        assert counts["sent"] + counts["unknown"] + others == self.row.recipients, counts
        self.row.verdict = "kept"

    def tell(self) -> None:
        """Fill in the row of the table."""
        delivered, tried = self.stack.delivered(), self._may_have_arrived()
        self.row.duplicates = sum(max(0, n - max(1, tried[email])) for email, n in delivered.items())
        self.row.resent = sum(n - 1 for n in delivered.values()) - self.row.duplicates
        self.row.counts = self.rows()
        self.row.seconds = self.row.seconds or time.monotonic() - self.begun
        with self.stack.db.read() as connection:
            self.row.deferrals = connection.execute(
                select(func.count()).select_from(attempts).where(attempts.c.result == "deferred")
            ).scalar_one()

    def _states(self) -> dict[str, str]:
        with self.stack.db.read() as connection:
            found = select(recipients.c.email, recipients.c.state).where(
                recipients.c.campaign_id == self.campaign_id
            )
            return dict(connection.execute(found).all())

    def _may_have_arrived(self) -> Counter[str]:
        """Count the attempts of each recipient whose message, as the log tells, may have arrived."""
        with self.stack.db.read() as connection:
            found = connection.execute(
                select(recipients.c.email, attempts.c.number)
                .join(recipients, recipients.c.id == attempts.c.recipient_id)
                .where(attempts.c.result.in_((AttemptResult.SENT, AttemptResult.UNKNOWN)))
                .distinct()
            )
            return Counter(email for email, _ in found)

    def _in_doubt(self) -> Counter[str]:
        """Count who is unknown by the worker that left them so."""
        with self.stack.db.read() as connection:
            found = connection.execute(
                select(worker_rows.c.name)
                .join(attempts, attempts.c.worker_id == worker_rows.c.id)
                .join(recipients, recipients.c.id == attempts.c.recipient_id)
                .where(
                    recipients.c.state == "unknown",
                    attempts.c.result == AttemptResult.UNKNOWN,
                    attempts.c.number == recipients.c.attempts,
                )
            ).scalars()
            return Counter(found)

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
                if time.monotonic() > pulled_at + self.size.sweep_s / 2:
                    pulled_at = time.monotonic()
                    self._pull()
            except (DBAPIError, OperationalError):  # the drill broke it
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
        """Let a minute pass for who was rejected temporarily, and do not wait for beat in a short drill."""
        if self.pulls:
            self._let_a_minute_pass()
        if self.size is SHORT:
            sweep.apply_async(retry=False, priority=0, expires=SWEEP_EVERY_S)

    def _let_a_minute_pass(self) -> None:
        waiting = select(func.count()).where(recipients.c.state == "deferred", recipients.c.due_at > now_ms())
        with self.stack.db.read() as connection:
            if not connection.execute(waiting).scalar_one():
                return
        with self.stack.db.write() as connection:
            connection.execute(
                update(recipients).where(recipients.c.state == "deferred").values(due_at=now_ms() - 1)
            )
