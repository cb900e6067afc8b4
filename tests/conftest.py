"""Fixtures shared by all tests: databases, the bundled Redis server, whole stacks."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import resource
import shutil
import sys
import time
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from sqlalchemy import create_engine, make_url, text

from mailing import migrate
from mailing.core import logs
from mailing.core.database import Database
from tests.support import processes
from tests.support.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Whatever the surroundings say: hundreds of processes would compile the same files again.
sys.dont_write_bytecode = False
# The same examples in every run, and no clock that judges them: what passed once passes on a busy machine.
settings.register_profile(
    "same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("same")
POSTGRES = os.environ.get("VOLLEY_TEST_POSTGRES_URL", "")
OPEN_FILES = 4096
SLOW = {"make_stack", "own_drill", "browser"}  # fixtures of processes, which take seconds
KEPT = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "PYTEST_",
    "PYTHONHASHSEED",
    "VOLLEY_TEST_",
    "PLAYWRIGHT_",
)


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are cores: much of what the tests do is wait."""
    return (os.cpu_count() or 2) * 3 // 2


@pytest.hookimpl(trylast=True)  # after they have been shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that start the most processes, so that no long one is left alone at the end."""
    heavy = Counter(item.path for item in items if SLOW & set(getattr(item, "fixturenames", ())))
    items.sort(key=lambda item: -heavy[item.path])


def pytest_collection_finish() -> None:
    """Have no full collection of garbage walk all the modules and tests, a third of a second each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _surroundings(request: pytest.FixtureRequest) -> Iterator[None]:
    """The same signals, variables, time zone and open files, whoever starts the tests; nothing is left."""
    processes.Keeper.forked = sys.platform == "linux" and not request.config.getoption(
        "--long", default=False
    )
    processes.heed_signals()
    for name in [name for name in os.environ if not name.startswith(KEPT)]:
        del os.environ[name]
    os.environ["TZ"] = processes.TIME_ZONE
    time.tzset()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    processes.end_nursery()
    assert not processes.left_behind(), "tests have left processes behind"


@pytest.fixture(autouse=True)
def _usual_umask() -> None:
    """New files are open to others, as outside: a program that a test ran in this process closed them."""
    os.umask(0o022)


@pytest.fixture(autouse=True)
def _usual_logs() -> Iterator[None]:
    """Logging is one for the whole process: what a test makes of it ends with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs.QUIET}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in levels.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "volley.sqlite"
    migrate.upgrade(f"sqlite:///{file}")
    return file


@contextlib.contextmanager
def _on_postgres(template: str = "template1") -> Iterator[str]:
    """A database on the server of ``VOLLEY_TEST_POSTGRES_URL``, a copy of ``template``."""
    server = make_url(POSTGRES).set(drivername="postgresql+psycopg")
    name = f"volley_test_{uuid.uuid4().hex}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        yield server.set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture(scope="session")
def migrated_postgres() -> Iterator[str]:
    """The name of a migrated database, to be copied."""
    with _on_postgres() as url:
        migrate.upgrade(url)
        yield str(make_url(url).database)


@pytest.fixture(params=["sqlite", "postgresql"] if POSTGRES else ["sqlite"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database: SQLite, and PostgreSQL too where ``VOLLEY_TEST_POSTGRES_URL`` names a server.

    Migrated for a test that uses ``db`` or ``make_stack``, else empty.
    """
    used = {"db", "make_stack"} & set(request.fixturenames)
    if request.param == "sqlite":
        file = tmp_path / "volley.sqlite"
        if used:
            shutil.copyfile(request.getfixturevalue("migrated"), file)
        yield f"sqlite:///{file}"
    else:
        with _on_postgres(request.getfixturevalue("migrated_postgres") if used else "template1") as url:
            yield url


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """A migrated database."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def make_stack(tmp_path: Path, database_url: str) -> Iterator[Callable[..., Stack]]:
    """A factory of whole Volleys; they end with the test."""
    with contextlib.ExitStack() as stacks:
        made = 0

        def make(**options: Any) -> Stack:
            nonlocal made
            made += 1
            return stacks.enter_context(Stack(tmp_path / f"stack{made}", database_url, **options))

        yield make
