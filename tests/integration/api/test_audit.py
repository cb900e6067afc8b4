"""The audit log through the API: who did what, newest first, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from quart import g

from mailing.accounts import audit
from mailing.accounts.roles import Permission
from mailing.core.actors import Actor, ActorKind
from tests.support.api import faults_of, problem_of
from webapp.app import create_app
from webapp.http import auth
from webapp.http.auth import Viewer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quart.typing import TestClientProtocol

    from mailing.core.database import Database
    from mailing.settings import Settings

AUDIT = "/api/v1/audit"
ANN, ROBOT = Actor(ActorKind.PERSON, "ann@example.org", 1, "192.0.2.7"), Actor(ActorKind.API, "robot", 2)


@pytest.fixture
async def auditor(
    db: Database, chosen: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[TestClientProtocol]:
    """A program that may read the audit log, which has three entries."""

    async def let_in() -> None:
        g.viewer = Viewer(ROBOT, frozenset({Permission.AUDIT}))

    monkeypatch.setattr(auth, "guard", let_in)
    with db.write() as connection:
        audit.record(connection, ANN, "sign-in", "user:1", how="password")
        audit.record(connection, ANN, "send", "campaign:12")
        audit.record(connection, ROBOT, "pause", "campaign:12")
    app = create_app(chosen)
    async with app.test_app():
        yield app.test_client()


async def test_the_audit_log_is_read_page_by_page(auditor: TestClientProtocol):
    first = await (await auditor.get(f"{AUDIT}?limit=2")).get_json()
    assert [entry["action"] for entry in first["audit"]] == ["pause", "send"]
    rest = await (await auditor.get(f"{AUDIT}?limit=2&before={first['next']}")).get_json()
    assert rest["next"] is None
    (entry,) = rest["audit"]
    assert entry.pop("at").endswith("Z")
    assert entry == {
        "id": 1,
        "by": "person",
        "by_id": 1,
        "by_name": "ann@example.org",
        "from": "192.0.2.7",
        "action": "sign-in",
        "about": "user:1",
        "details": {"how": "password"},
    }


async def test_entries_are_found_by_who_what_about_what_and_when(auditor: TestClientProtocol):
    async def found(**asked: str) -> list[str]:
        page = await (await auditor.get(AUDIT, query_string=asked)).get_json()
        return [entry["action"] for entry in page["audit"]]

    assert await found(actor="ann@") == ["send", "sign-in"]
    assert await found(action="pause") == ["pause"]
    assert await found(subject="campaign:12", actor="ann") == ["send"]
    assert await found(until="2024-01-01") == []
    assert len(await found(since="2024-01-01T00:00:00Z", until="9000-01-01")) == 3


async def test_what_cannot_be_asked_is_refused_with_all_faults(auditor: TestClientProtocol):
    wrong = f"since=soon&until={quote('2024-13-01')}&actor=%00&before=0&limit=501&who=ann"
    faults = await faults_of(await auditor.get(f"{AUDIT}?{wrong}"))
    assert list(faults) == ["actor", "since", "until", "before", "limit", "who"]


async def test_who_may_not_read_the_audit_log_is_told(client: TestClientProtocol):
    """On a machine of one's own everybody has the rights of a manager, who has not this one."""
    await problem_of(await client.get(AUDIT), 403)
