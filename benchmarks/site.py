"""Where a row runs: a folder, a database of its own, and a Volley made of real processes."""

from __future__ import annotations

import secrets
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import create_engine, make_url, text

from benchmarks import sinks
from benchmarks.messages import DRAFT, people
from benchmarks.processes import cpu_s
from mailing.addresses.parsing import parse_pasted
from mailing.campaigns import drafts
from mailing.core.actors import Actor, ActorKind
from mailing.core.states import CampaignAction, RecipientState
from tasks.app import use
from tasks.commands import campaigns as commands
from tasks.commands.backend import Backend
from tests.support.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from benchmarks.sinks import Sink
    from mailing.campaigns.drafts import Draft

PERSON = Actor(ActorKind.PERSON)
CONNECTIONS = 10  # Volley's default


@dataclass(frozen=True, slots=True)
class Sending:
    """How a campaign went: emails per second, and the workers' CPU milliseconds for each email."""

    rate: float
    cpu_ms: float


@dataclass(frozen=True, slots=True)
class Site:
    """What every row gets. ``server`` is the PostgreSQL server to measure with; empty for SQLite."""

    server: str = ""

    @property
    def database(self) -> str:
        """The name of the database for the table."""
        return "PostgreSQL" if self.server else "SQLite"

    @contextmanager
    def stack(
        self, *, workers: int = 2, connections: int = CONNECTIONS, extra: Mapping[str, str] | None = None
    ) -> Iterator[Stack]:
        """Make a Volley with a fresh database, in a folder that is removed at the end."""
        with (
            self.folder() as folder,
            self._database() as url,
            Stack(folder, url, workers=workers, connections=connections, extra=dict(extra or {})) as stack,
        ):
            yield stack

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Make a folder that is removed at the end."""
        with tempfile.TemporaryDirectory(prefix="volley-bench-") as name:
            yield Path(name)

    @contextmanager
    def _database(self) -> Iterator[str]:
        if not self.server:
            yield ""
            return
        url = make_url(self.server)
        name = f"volley_bench_{secrets.token_hex(4)}"
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        try:
            yield url.set(database=name).render_as_string(hide_password=False)
        finally:
            with engine.connect() as connection:
                connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
            engine.dispose()


def store(stack: Stack, draft: Draft, people: list[str]) -> int:
    """Store a draft with its list; return its id."""
    parsed = parse_pasted("\n".join(people))
    return drafts.create(stack.db, draft, parsed)


def act(stack: Stack, campaign_id: int, action: CampaignAction) -> None:
    """Do to a campaign what its buttons do."""
    use(stack.settings)
    with stack.redis as client:
        commands.act(Backend(stack.db, client), PERSON, campaign_id, action)


def send_all(stack: Stack, sink: Sink, n: int, patience_s: float) -> Sending:
    """Send a campaign to ``n`` people and time it. Raises ``WrongCountError`` as ``send`` does."""
    return send(stack, sink, store(stack, DRAFT, people(n)), patience_s)


def send(stack: Stack, sink: Sink, campaign_id: int, patience_s: float) -> Sending:
    """Send a stored campaign, the only one, and time it from Send to the last message at the sink.

    Raises ``WrongCountError`` unless each recipient is ``sent`` in the ledger and came exactly once.
    """
    n = stack.campaign(campaign_id).total
    before_s = cpu_s(stack.worker_pids())
    begun = time.perf_counter()
    act(stack, campaign_id, CampaignAction.SEND)
    sinks.wait_for(sink, n, patience_s)
    took_s = time.perf_counter() - begun
    campaign = stack.wait_for(campaign_id, patience_s=patience_s)
    if campaign.counts[RecipientState.SENT] != n:
        raise sinks.WrongCountError(f"Not everybody was sent to: {dict(campaign.counts)}.")
    sinks.check(sink, n)
    return Sending(n / took_s, (cpu_s(stack.worker_pids()) - before_s) * 1000 / n)
