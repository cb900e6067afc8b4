"""What supervisors are told: the process lives; Volley can send mail, or what keeps it from that."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from mailing import checks, migrate, settings
from mailing.core.database import Database
from mailing.ledger import leases
from mailing.smtp.account import Sender
from tests.support.smtp_server import HANG, FakeServer
from tests.support.stack import free_port
from webapp.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.stack import Stack


def chosen(tmp_path: Path, database_url: str, redis_url: str = "") -> settings.Settings:
    return settings.load(
        {
            "VOLLEY_INSTANCE": str(tmp_path),
            "VOLLEY_DATABASE_URL": database_url,
            "VOLLEY_REDIS_URL": redis_url or f"redis://127.0.0.1:{free_port()}/0",
        }
    )


async def ask(which: settings.Settings, path: str) -> tuple[int, Any]:
    app = create_app(which)
    async with app.test_app():
        response = await app.test_client().get(path)
        assert response.content_type == "application/json"
        assert response.headers["Cache-Control"] == "no-store"
        return response.status_code, await response.get_json()


async def test_the_process_lives_although_everything_else_is_down(tmp_path: Path):
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    assert await ask(chosen(tmp_path, nowhere), "/healthz") == (200, {"live": True})


async def test_each_part_that_is_missing_is_named_with_what_to_do(tmp_path: Path):
    nowhere = f"postgresql://nobody:secret@127.0.0.1:{free_port()}/nothing"
    status, answer = await ask(chosen(tmp_path, nowhere), "/readyz")
    assert (status, answer["ready"]) == (503, False)
    assert {name: check["ok"] for name, check in answer["checks"].items()} == {
        "database": False,
        "redis": False,
        "worker": False,
    }
    assert "VOLLEY_DATABASE_URL" in answer["checks"]["database"]["detail"]
    assert "VOLLEY_REDIS_URL" in answer["checks"]["redis"]["detail"]
    assert "secret" not in str(answer)


async def test_volley_is_ready_with_its_database_redis_and_a_worker(make_stack: Callable[..., Stack]):
    stack = make_stack()
    stack.start("redis")
    with stack.db.write() as connection:
        leases.register(connection, "test:1")
    status, answer = await ask(stack.settings, "/readyz")
    assert (status, answer["ready"]) == (200, True)
    assert "1 worker is running" in answer["checks"]["worker"]["detail"]


async def test_without_a_worker_volley_is_not_ready(make_stack: Callable[..., Stack]):
    stack = make_stack()
    stack.start("redis")
    with stack.db.write() as connection:
        leases.end(connection, leases.register(connection, "test:1"))
    status, answer = await ask(stack.settings, "/readyz")
    assert status == 503
    assert [name for name, check in answer["checks"].items() if not check["ok"]] == ["worker"]


async def test_a_check_that_hangs_is_given_up(tmp_path: Path, db: Database, monkeypatch: pytest.MonkeyPatch):
    answered = threading.Event()
    monkeypatch.setattr(checks, "worker", lambda _: answered.wait(30))
    status, answer = await ask(chosen(tmp_path, db.url.render_as_string(hide_password=False)), "/readyz")
    answered.set()
    assert (status, answer["checks"]["database"]["ok"]) == (503, True)
    assert "No response within 2 seconds" in answer["checks"]["worker"]["detail"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_takes_no_other_method(tmp_path: Path, db: Database, path: str):
    app = create_app(chosen(tmp_path, db.url.render_as_string(hide_password=False)))
    async with app.test_app():
        assert (await app.test_client().post(path)).status_code == 405


def test_an_empty_database_asks_to_be_migrated(database_url: str):
    db = Database(database_url)
    assert "make migrate" in checks.database(db).detail
    migrate.upgrade(database_url)
    assert checks.database(db).ok
    with db.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'other'")
    assert "revision other" in checks.database(db).detail
    db.close()


def test_what_keeps_a_worker_from_sending_is_told(db: Database):
    with db.write() as connection:
        worker_id = leases.register(connection, "test:1")
        leases.beat(connection, worker_id, leases.Status("The server is down.", True, 10, 0, 0, 0, None))
    finding = checks.worker(db)
    assert finding.ok
    assert finding.detail == "1 worker is running. The server is down."


async def test_a_server_that_takes_mail_passes_the_check():
    async with FakeServer(login=("me", "pw"), extensions=("AUTH PLAIN", "PIPELINING")) as server:
        finding = await checks.smtp(server.sender(username="me", password="pw"), 5)
        assert finding.ok, finding
        assert "signed in as me" in finding.detail
        assert server.received == []


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"greeting": b"554 5.7.1 go away\r\n"}, "go away"),
        ({"greeting": HANG}, "within"),
        ({"ehlo": HANG}, "within"),
    ],
)
async def test_a_server_that_takes_no_mail_is_told_with_its_words(answers: dict[str, Any], words: str):
    async with FakeServer(answers) as server:
        finding = await checks.smtp(server.sender(), 0.5 if HANG in answers.values() else 30)
    assert not finding.ok
    assert words in finding.detail
    assert "VOLLEY_SMTP_URL" in finding.detail


async def test_a_server_that_is_not_there_is_told():
    finding = await checks.smtp(Sender("127.0.0.1", free_port()), 5)
    assert not finding.ok
    assert "could not be reached" in finding.detail
