"""A database that cannot be used is told in one sentence, at every door: what, which, and what to do."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import event

from mailing import checks, migrate, schema
from mailing.core import database_errors
from mailing.core.database import Database
from mailing.settings import ROOT
from tests.support.processes import run
from tests.support.stack import free_port
from tests.support.web import running, settings_for, store

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS = {
    "web": ["webapp.serve"],
    "worker": ["tasks.worker"],
    "beat": ["tasks.beat"],
    "migrate": ["mailing.migrate"],
    "check": ["webapp.cli.commands", "check"],
    "status": ["webapp.cli.commands", "status", "1"],
}
NEW = {"subject": "s", "text": "t", "recipients": "ann@b.example", "send": False}
HERE = {"Host": "127.0.0.1"}


def start(name: str, folder: Path, database_url: str) -> tuple[int, str]:
    """Start a process of Volley that cannot go on; return its exit code and all it said."""
    environment = {
        "VOLLEY_INSTANCE": str(folder / "instance"),
        "VOLLEY_DATABASE_URL": database_url,
        "VOLLEY_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        "VOLLEY_SMTP_URL": f"smtp://127.0.0.1:{free_port()}",
        "VOLLEY_BIND": f"127.0.0.1:{free_port()}",
    }
    command = [sys.executable, "-m", *COMMANDS[name]]
    done = run(command, env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["web", "worker", "beat", "migrate", "check"])
def test_tables_of_a_newer_volley_are_one_sentence_with_both_revisions(tmp_path, db, database_url, name):
    with db.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    code, said = start(name, tmp_path, database_url)
    assert code != 0
    assert "revision 9999" in said
    assert f"up to {schema.newest()}. Start the newer Volley" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", ["web", "worker", "beat", "check"])
def test_tables_that_were_not_migrated_ask_for_it(tmp_path, database_url, name):
    code, said = start(name, tmp_path, database_url)
    assert code != 0
    assert "is empty. Run: make migrate" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", list(COMMANDS))
@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        ("no database", "is not a SQLite database"),
        ("damaged", "is damaged. Stop Volley and restore a backup"),
        ("a folder", "is a folder. Set a file"),
        ("no folder", "does not exist. Create it"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence_with_its_path(tmp_path, name, trouble, words):
    file = tmp_path / "here" / "volley.sqlite"
    if trouble != "no folder":
        file.parent.mkdir()
    if trouble == "a folder":
        file.mkdir()
    elif trouble == "no database":
        file.write_bytes(b"no database at all, and longer than a header of one has to be " * 99)
    elif trouble == "damaged":
        migrate.upgrade(f"sqlite:///{file}")
        pages = file.read_bytes()
        file.write_bytes(pages[:100] + b"\x13" * (len(pages) - 100))
    before = file.read_bytes() if file.is_file() else b""
    code, said = start(name, tmp_path, f"sqlite:///{file}")
    assert code != 0
    assert words in said
    assert str(file) in said
    assert "Traceback" not in said
    assert (file.read_bytes() if file.is_file() else b"") == before


def bound(database: Database, pages: int) -> None:
    """Let a SQLite file grow no further, as on a disk that is full."""

    @event.listens_for(database.engine, "connect")
    def limit(connection, _record):
        connection.execute(f"PRAGMA max_page_count = {pages}")

    database.engine.dispose()  # those that are open know no bound


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'volley.sqlite'}"
    migrate.upgrade(url)
    return url


async def test_a_full_disk_is_told_by_page_and_api_and_waiting_is_not_advised(tmp_path, sqlite):
    chosen = settings_for(tmp_path, sqlite)
    async with running(chosen) as visitor:
        await visitor.read("/campaigns/new")
        bound(visitor.app.extensions["volley"].db, 1)
        many = "\n".join(f"p{n}@example.org" for n in range(3000))
        page = await visitor.post(
            "/campaigns",
            {"from": "ann@b.example", "subject": "s", "text": "t", "recipients": many, "priority": "5",
             "give_up_hours": "24"},
        )  # fmt: skip
        text = (await page.get_data()).decode()
        assert page.status_code == 503
        assert f"The disk of {tmp_path / 'volley.sqlite'} is full." in text
        answer = await visitor.client.post("/api/v1/campaigns", headers=HERE, json=NEW | {"recipients": many})
        assert answer.status_code == 503, await answer.get_data()
        assert "Retry-After" not in answer.headers
        detail = (await answer.get_json())["detail"]
        assert detail.startswith("The disk of")
        assert "Try again" not in detail


def test_readiness_looks_at_the_room_on_the_disk_and_at_the_right_to_write(sqlite, monkeypatch):
    db = Database(sqlite)
    assert checks.database(db).ok
    with monkeypatch.context() as full:
        full.setattr(
            database_errors.shutil,
            "disk_usage",
            lambda _: SimpleNamespace(free=4096),
        )
        assert "is full. Free some space" in checks.database(db).detail
    monkeypatch.setattr(checks.os, "access", lambda path, _mode: str(path).endswith(".sqlite"))
    assert "is not writable" in checks.database(db).detail
    db.close()


async def test_a_file_that_may_only_be_read_is_told(tmp_path, sqlite):
    read_only = f"sqlite:///file:{tmp_path / 'volley.sqlite'}?mode=ro&uri=true"
    async with running(settings_for(tmp_path, read_only)) as visitor:
        answer = await visitor.client.post("/api/v1/campaigns", headers=HERE, json=NEW)
        assert answer.status_code == 503, await answer.get_data()
        assert "is not writable" in (await answer.get_json())["detail"]


async def test_damage_that_shows_in_the_middle_is_told_by_the_page(tmp_path, sqlite):
    db = Database(sqlite)
    for _ in range(30):
        store(db, "\n".join(f"p{n}@example.org" for n in range(50)))
    db.close()
    file = tmp_path / "volley.sqlite"
    pages = file.read_bytes()
    file.write_bytes(pages[:4096] + b"\x13" * (len(pages) - 4096))
    async with running(settings_for(tmp_path, sqlite)) as visitor:
        assert f"The database {file} is damaged." in await visitor.read("/campaigns", 503)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "wrong", "username": "nobody_there"}, "rejects the user or password"),
        ({"database": "not_there"}, "does not exist. Create it"),
        ({"port": 1}, "is not responding"),
        ({"query": {"ssl": "true"}}, "an option that PostgreSQL's library does not support"),
    ],
)
def test_a_postgresql_that_refuses_says_why(database_url, change, words):
    url = Database(database_url).url
    if url.get_backend_name() == "sqlite":
        url = url.set(drivername="postgresql+psycopg", host="127.0.0.1", port=1, database="volley")
        change, words = {"port": 1}, "is not responding"
    db = Database(url.set(**change).render_as_string(hide_password=False))
    assert words in checks.database(db).detail
    db.close()


def test_the_revisions_that_a_program_knows_are_alembics():
    scripts = ScriptDirectory(str(ROOT / "migrations"))
    assert schema._known() == [script.revision for script in scripts.walk_revisions()]
