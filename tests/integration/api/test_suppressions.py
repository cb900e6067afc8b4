"""Suppressions for programs: added, listed, explained, lifted; a person is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailing.suppression import store
from tests.support.api import problem_of

if TYPE_CHECKING:
    from quart.typing import TestClientProtocol

    from mailing.core.database import Database

PATH = "/api/v1/suppressions"


def kept(db: Database) -> dict[str, str]:
    with db.read() as connection:
        return {it.subject: str(it.reason) for it in store.find(connection, limit=500)}


async def test_programs_add_list_explain_lift_and_forget(client: TestClientProtocol, db: Database) -> None:
    body = {"addresses": ["Ann@x.example", "@y.example", "no one"], "reason": "complained", "days": 30}
    answer = await client.post(PATH, json=body)
    assert answer.status_code == 201
    told = await answer.get_json()
    assert (told["new"], told["known"], told["skipped_total"]) == (2, 0, 1)
    assert told["skipped"][0]["line"] == 3
    page = await (await client.get(f"{PATH}?limit=1&reason=complained")).get_json()
    assert [it["subject"] for it in page["suppressions"]] == ["ann@x.example"]
    assert page["suppressions"][0]["until"] is not None
    rest = await (await client.get(f"{PATH}?before={page['next']}")).get_json()
    assert [it["subject"] for it in rest["suppressions"]] == ["@y.example"]
    why = await (await client.get(f"{PATH}/why?email=zoe@y.example")).get_json()
    assert [it["subject"] for it in why["suppressions"]] == ["@y.example"]
    own = f"{PATH}/{page['suppressions'][0]['id']}"
    assert (await client.delete(own)).status_code == 200
    gone = await client.delete(own)
    assert (await problem_of(gone, 404))["code"] == "suppression.not-found"
    assert (await client.post(f"{PATH}/forget", json={"email": "bob@x.example"})).status_code == 200
    assert "bob@x.example" not in kept(db)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"addresses": []},
        {"addresses": ["nobody"]},
        {"addresses": ["", " "]},
        {"addresses": "a@x.example"},
        {"addresses": [1]},
        {"addresses": ["a@x.example"], "reason": "whim"},
        {"addresses": ["a@x.example"], "days": 0},
    ],
)
async def test_what_programs_cannot_add_is_a_problem(
    client: TestClientProtocol, db: Database, body: object
) -> None:
    await problem_of(await client.post(PATH, json=body), 422)
    assert not kept(db)
