"""The pages of domains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailing.accounts.roles import Role
from mailing.domains import keys
from mailing.domains.dkim import Algorithm
from mailing.domains.tables import KeyState, dkim_keys
from tests.support.web import running, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mailing.core.database import Database
    from tests.support.web import Visitor

DOMAIN = "sender.test"  # of which no server of the internet is asked


@pytest.fixture
async def visitor(db: Database, tmp_path: Path, database_url: str) -> AsyncIterator[Visitor]:
    async with running(settings_for(tmp_path, database_url)) as visitor:
        await visitor.read("/domains")
        yield visitor


def kept(db: Database) -> list[keys.DkimKey]:
    with db.read() as connection:
        return list(keys.of(connection, DOMAIN))


async def test_keys_are_made_and_their_records_are_shown_to_be_copied(visitor: Visitor, db: Database) -> None:
    assert "No domains yet." in await visitor.read("/domains")
    answer = await visitor.post("/domains", {"domain": "no domain"})
    assert answer.status_code == 422
    assert (await visitor.post("/domains", {"domain": " Sender.TEST "})).status_code == 303
    page = await visitor.read(f"/domains/{DOMAIN}")
    for key in kept(db):
        assert f"<code>{key.name}</code>" in page
        assert key.value.replace("+", "&#43;") in page.replace("+", "&#43;")
    assert (await visitor.post(f"/domains/{DOMAIN}/check", {})).status_code == 303
    assert "isn&#39;t a domain on the internet" in await visitor.read(f"/domains/{DOMAIN}")
    assert "Keys are waiting for DNS" in await visitor.read("/domains")


async def test_keys_are_rotated_and_retired(visitor: Visitor, db: Database) -> None:
    await visitor.post("/domains", {"domain": DOMAIN})
    assert (await visitor.post(f"/domains/{DOMAIN}/rotate", {})).status_code == 409
    with db.write() as connection:
        connection.execute(dkim_keys.update().values(state=KeyState.ACTIVE))
    assert "Signed by Volley" in await visitor.read("/domains")
    assert (await visitor.post(f"/domains/{DOMAIN}/rotate", {})).status_code == 303
    old = kept(db)[-1].selector
    assert (await visitor.post(f"/domains/{DOMAIN}/keys/{old}/retire", {})).status_code == 303
    assert "Keep its record until" in await visitor.read(f"/domains/{DOMAIN}")
    assert (await visitor.post(f"/domains/{DOMAIN}/keys/{old}/retire", {})).status_code == 409
    assert (await visitor.client.get("/domains/other.test")).status_code == 404


async def test_a_key_that_cannot_be_read_is_told(visitor: Visitor, db: Database) -> None:
    with db.write() as connection:
        keys.keep(connection, DOMAIN, keys.generate([Algorithm.ED25519]), "another secret key")
        connection.execute(dkim_keys.update().values(state=KeyState.ACTIVE))
    assert "Can&#39;t sign" in await visitor.read("/domains")
    assert "The secret key of Volley was changed" in await visitor.read(f"/domains/{DOMAIN}")


async def test_who_may_not_change_senders_sees_them_only(
    db: Database, tmp_path: Path, database_url: str
) -> None:
    chosen = settings_for(tmp_path, database_url, VOLLEY_URL="https://volley.example")
    async with running(chosen, role=Role.VIEWER) as visitor:
        visitor.client.headers = {}
        assert "Create keys" not in await visitor.read("/domains")
        assert (await visitor.post("/domains", {"domain": DOMAIN})).status_code == 403
    assert kept(db) == []
