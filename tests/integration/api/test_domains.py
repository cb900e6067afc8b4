"""Domains for programs: keys are made, shown, rotated and retired."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailing.domains.tables import KeyState, dkim_keys
from tests.support.api import problem_of

if TYPE_CHECKING:
    from quart.typing import TestClientProtocol

    from mailing.core.database import Database

PATH = "/api/v1/domains"
DOMAIN = "sender.test"  # of which no server of the internet is asked


async def test_programs_make_show_check_rotate_and_retire_keys(
    client: TestClientProtocol, db: Database
) -> None:
    answer = await client.post(PATH, json={"domain": "Sender.TEST"})
    assert answer.status_code == 201
    made = (await answer.get_json())["keys"]
    assert [it["algorithm"] for it in made] == ["ed25519", "rsa"]
    assert {it["state"] for it in made} == {"created"}
    assert made[1]["name"] == f"{made[1]['selector']}._domainkey.{DOMAIN}"
    assert made[1]["value"].startswith("v=DKIM1; k=rsa; p=MII")
    assert "private" not in str(made)
    listed = (await (await client.get(PATH)).get_json())["domains"]
    assert [it["domain"] for it in listed] == [DOMAIN]
    again = await client.post(PATH, json={"domain": DOMAIN, "algorithm": "rsa"})
    assert (await problem_of(again, 409))["code"] == "dkim.waiting"
    checked = await (await client.post(f"{PATH}/{DOMAIN}/check")).get_json()
    assert checked["light"] == "unknown"
    assert checked["keys"][0]["found"]["code"] == "dns.reserved"
    with db.write() as connection:
        connection.execute(dkim_keys.update().values(state=KeyState.ACTIVE))
    rotated = await client.post(f"{PATH}/{DOMAIN}/rotate")
    assert rotated.status_code == 201
    assert len((await rotated.get_json())["keys"]) == 2
    assert (await (await client.get(f"{PATH}/{DOMAIN}")).get_json())["signs"]
    for it in made:
        told = await client.delete(f"{PATH}/{DOMAIN}/keys/{it['selector']}")
        assert told.status_code == 200
    assert not (await (await client.get(f"{PATH}/{DOMAIN}")).get_json())["signs"]
    gone = await client.delete(f"{PATH}/{DOMAIN}/keys/{made[0]['selector']}")
    assert (await problem_of(gone, 409))["code"] == "dkim.retired-already"
    assert (await problem_of(await client.delete(f"{PATH}/{DOMAIN}/keys/v1"), 404))[
        "code"
    ] == "dkim.not-found"


@pytest.mark.parametrize("body", [{}, {"domain": "x"}, {"domain": 1}, {"domain": DOMAIN, "algorithm": "dsa"}])
async def test_what_is_no_domain_gets_no_key(client: TestClientProtocol, db: Database, body: object) -> None:
    await problem_of(await client.post(PATH, json=body), 422)
    with db.read() as connection:
        assert connection.execute(dkim_keys.select()).all() == []


@pytest.mark.parametrize("domain", ["x.example", "no domain", "x"])
async def test_a_domain_that_is_unknown_is_not_found(client: TestClientProtocol, domain: str) -> None:
    assert (await problem_of(await client.get(f"{PATH}/{domain}"), 404))["code"] == "from-domain.not-found"
