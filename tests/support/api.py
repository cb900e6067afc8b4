"""What the tests of the API share: a good order, the shape of a problem, and who posts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mailing.campaigns import queries as campaigns

if TYPE_CHECKING:
    from quart.typing import TestClientProtocol

    from mailing.core.database import Database


CAMPAIGNS = "/api/v1/campaigns"
JSON = {"Content-Type": "application/json"}


def order(**changes: Any) -> dict[str, Any]:
    """A campaign that can be posted."""
    good = {"subject": "Hi", "text": "Hello", "recipients": "a@example.org\nb@example.org", "send": False}
    return {name: value for name, value in (good | changes).items() if value is not ...}


async def problem_of(response: Any, status: int) -> dict[str, Any]:
    """The problem in a response, which must have the shape of RFC 9457."""
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    problem = await response.get_json(force=True)
    assert problem["type"] == "about:blank"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"].endswith(".")
    for fault in [problem, *problem.get("errors", [])]:
        assert re.fullmatch(r"[a-z0-9-]+\.[a-z0-9-]+", fault["code"])
    return problem


async def faults_of(response: Any) -> dict[str, str]:
    problem = await problem_of(response, 422)
    return {fault["field"]: fault["detail"] for fault in problem["errors"]}


async def post(client: TestClientProtocol, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    response = await client.post(
        CAMPAIGNS, json=body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    assert response.status_code == 201, await response.get_data()
    return await response.get_json()


def stored(db: Database) -> int:
    """How many campaigns the database holds."""
    with db.read() as connection:
        return len(campaigns.latest(connection))
