"""What the tests of accounts share: what commands change, several at one moment, and a clock to be moved."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from mailing.accounts import audit, invitations, sessions, throttle, users
from mailing.accounts.audit import Asked
from mailing.core.clock import now_ms
from mailing.redis import events
from tasks.commands.backend import Backend
from tests.support.issuer import CLIENT, SECRET, serving
from tests.support.web import settings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from mailing.core.database import Database
    from mailing.settings import Settings


@pytest.fixture
def backend(db: Database, chosen: Settings) -> Iterator[Backend]:
    """What commands change; Redis is away."""
    news = events.connect(chosen.redis_url, chosen.database_url)
    yield Backend(db, news)
    news.close()


@pytest.fixture
def told(db: Database) -> Callable[[], list[str]]:
    """The actions in the audit log, the oldest first."""

    def read() -> list[str]:
        with db.read() as connection:
            return [entry.action for entry in reversed(audit.page(connection, Asked(), limit=1000))]

    return read


@pytest.fixture
def at_once() -> Callable[..., list[object]]:
    """Do several things at the same moment, each in a thread; returns what each returned or raised."""

    def run(*things: Callable[[], object]) -> list[object]:
        ready = threading.Barrier(len(things))

        def each(thing: Callable[[], object]) -> object:
            ready.wait()
            try:
                return thing()
            except Exception as error:  # noqa: BLE001 - the test looks at it
                return error

        with ThreadPoolExecutor(len(things)) as threads:
            return list(threads.map(each, things))

    return run


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A clock of accounts that stands, until it is moved by ``clock.pass_ms``."""

    class Clock:
        def __init__(self) -> None:
            self.now = now_ms()

        def __call__(self) -> int:
            return self.now

        def pass_ms(self, ms: int) -> None:
            self.now += ms

    clock = Clock()
    for module in (sessions, users, invitations, throttle):
        monkeypatch.setattr(module, "now_ms", clock)
    return clock


@pytest.fixture
def issuer():
    with serving() as issuer:
        yield issuer


@pytest.fixture
def settled(tmp_path, database_url):
    """Settings of a Volley that believes an issuer."""

    def settings(url, **more):
        named = {"ISSUER": url, "CLIENT_ID": CLIENT, "CLIENT_SECRET": SECRET, "NAME": "Our login", **more}
        oidc = {f"VOLLEY_OIDC_{name}": value for name, value in named.items()}
        return settings_for(tmp_path, database_url, **oidc)

    return settings
