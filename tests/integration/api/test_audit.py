"""The audit log through the API: who did what, newest first, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailing.accounts import audit
from mailing.accounts.roles import Permission, Role
from mailing.core.actors import Actor, ActorKind
from tests.support.api import faults_of, problem_of
from tests.support.programs import bearing, make_key, person

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quart.typing import TestClientProtocol

    from mailing.core.database import Database

    Ask = Callable[..., Awaitable[Any]]

AUDIT = "/api/v1/audit"
ANN, ROBOT = Actor(ActorKind.PERSON, "ann@example.org", 1, "192.0.2.7"), Actor(ActorKind.API, "robot", 2)


@pytest.fixture
def ask(client: TestClientProtocol, db: Database) -> Ask:
    """Read the audit log with a key that may. The key's own entry is the oldest of four."""
    person(client.app, "ann@example.org", Role.OWNER)
    headers = bearing(make_key(client.app, [Permission.AUDIT]))
    with db.write() as connection:
        audit.record(connection, ANN, "sign-in", "user:1", how="password")
        audit.record(connection, ANN, "send", "campaign:12")
        audit.record(connection, ROBOT, "pause", "campaign:12")
    return lambda **asked: client.get(AUDIT, query_string=asked, headers=headers)


async def test_the_audit_log_is_read_page_by_page(ask: Ask):
    first = await (await ask(limit=2)).get_json()
    assert [entry["action"] for entry in first["audit"]] == ["pause", "send"]
    rest = await (await ask(limit=2, before=first["next"])).get_json()
    assert rest["next"] is None
    entry, _ours = rest["audit"]
    assert entry.pop("at").endswith("Z")
    assert entry.pop("id") < first["audit"][-1]["id"]
    assert entry == {
        "by": "person",
        "by_id": 1,
        "by_name": "ann@example.org",
        "from": "192.0.2.7",
        "action": "sign-in",
        "about": "user:1",
        "details": {"how": "password"},
    }


async def test_entries_are_found_by_who_what_about_what_and_when(ask: Ask):
    async def found(**asked: str) -> list[str]:
        return [entry["action"] for entry in (await (await ask(**asked)).get_json())["audit"]]

    assert await found(actor="ann@") == ["send", "sign-in"]
    assert await found(action="pause") == ["pause"]
    assert await found(subject="campaign:12", actor="ann") == ["send"]
    assert await found(until="2024-01-01") == []
    assert len(await found(since="2024-01-01T00:00:00Z", until="9000-01-01")) == 4


async def test_what_cannot_be_asked_is_refused_with_all_faults(ask: Ask):
    wrong = {"since": "soon", "until": "2024-13-01", "actor": "\0", "before": 0, "limit": 501, "who": "ann"}
    faults = await faults_of(await ask(**wrong))
    assert list(faults) == ["actor", "since", "until", "before", "limit", "who"]


async def test_a_program_that_may_not_read_the_audit_log_is_told(client: TestClientProtocol):
    """On a machine of one's own everybody has the rights of a manager, who has not this one."""
    await problem_of(await client.get(AUDIT), 403)
