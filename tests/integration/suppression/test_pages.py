"""The page of the suppression list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mailing.accounts.roles import Role
from mailing.suppression import store
from tests.support.web import running, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mailing.core.database import Database
    from tests.support.web import Visitor


@pytest.fixture
async def visitor(db: Database, tmp_path: Path, database_url: str) -> AsyncIterator[Visitor]:
    async with running(settings_for(tmp_path, database_url)) as visitor:
        await visitor.read("/suppression")
        yield visitor


def kept(db: Database) -> dict[str, str]:
    with db.read() as connection:
        return {it.subject: str(it.reason) for it in store.find(connection, limit=500)}


async def test_a_pasted_list_is_added_searched_taken_away_and_lifted(visitor: Visitor, db: Database) -> None:
    typed = {"recipients": "Ann <ann@x.example>\n@y.example\nno one", "reason": "unsubscribed", "days": "0"}
    assert (await visitor.post("/suppression", typed)).status_code == 303
    assert kept(db) == {"ann@x.example": "unsubscribed", "@y.example": "unsubscribed"}
    page = await visitor.read("/suppression")
    assert "2 added. 1 line was skipped." in page.replace("\xa0", " ")
    assert "ann@x.example" in (found := await visitor.read("/suppression?q=ann"))
    assert "@y.example" not in found.replace("@x.example", "")
    assert "Nothing matches." in await visitor.read("/suppression?state=bounced")
    assert "zoe@y.example isn&#39;t mailed." in await visitor.read("/suppression?q=zoe@y.example")
    answer = await visitor.client.get("/suppression.csv")
    csv = (await answer.get_data()).decode("utf-8-sig").splitlines()
    assert csv[0] == "email,topic,reason,source,since,until"
    assert {line.split(",")[0] for line in csv[1:]} == {"ann@x.example", "'@y.example"}
    assert (await visitor.post("/suppression/1/lift", {})).status_code == 303
    assert (await visitor.post("/suppression/1/lift", {})).status_code == 409
    assert len(kept(db)) == 1


@pytest.mark.parametrize(
    ("typed", "status", "said"),
    [
        ({"recipients": "", "reason": "manual", "days": "0"}, 422, "Enter at least one address"),
        ({"recipients": "nobody", "reason": "manual", "days": "0"}, 422, "Nothing was changed"),
        ({"recipients": "a@x.example", "reason": "whim", "days": "0"}, 400, ""),
        ({"recipients": "a@x.example", "reason": "manual", "days": "-1"}, 400, ""),
    ],
)
async def test_what_cannot_be_added_is_told_and_stays_typed(
    visitor: Visitor, db: Database, typed: dict[str, str], status: int, said: str
) -> None:
    answer = await visitor.post("/suppression", typed)
    assert answer.status_code == status
    text = (await answer.get_data()).decode()
    assert said in text
    assert status != 422 or typed["recipients"] in text
    assert not kept(db)


async def test_a_person_is_forgotten_on_the_page(visitor: Visitor, db: Database) -> None:
    assert (await visitor.post("/suppression/forget", {"email": "ann"})).status_code == 422
    assert (await visitor.post("/suppression/forget", {"email": "ann@x.example"})).status_code == 303
    page = await visitor.read("/suppression")
    assert "a forgotten person" in page
    assert "ann@x" not in page
    assert "This person was forgotten." in await visitor.read("/suppression?q=ann@x.example")


async def test_who_may_not_change_lists_sees_them_only(
    db: Database, tmp_path: Path, database_url: str
) -> None:
    chosen = settings_for(tmp_path, database_url, VOLLEY_URL="https://volley.example")
    async with running(chosen, role=Role.VIEWER) as visitor:
        visitor.client.headers = {}
        page = await visitor.read("/suppression")
        assert "Add addresses" not in page
        typed = {"recipients": "a@x.example", "reason": "manual", "days": "0"}
        assert (await visitor.post("/suppression", typed)).status_code == 403
    assert not kept(db)


async def upload(visitor: Visitor, data: bytes, name: str = "left.csv") -> int:
    parts = {"csrf_token": visitor.token, "reason": "imported"}
    body = b"".join(
        f'--x\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
        for field, value in parts.items()
    )
    body += f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
    headers = {"Host": "127.0.0.1", "Content-Type": "multipart/form-data; boundary=x"}
    whole = body + data + b"\r\n--x--\r\n"
    answer = await visitor.client.post("/suppression/file", data=whole, headers=headers)
    return answer.status_code


async def test_a_file_is_read_like_a_pasted_list(visitor: Visitor, db: Database) -> None:
    listed = "email,reason\nann@x.example,bounce\n@y.example\n".encode("utf-8-sig")
    assert await upload(visitor, listed) == 303
    assert kept(db) == {"ann@x.example": "imported", "@y.example": "imported"}


async def test_a_workbook_or_no_file_is_refused_with_what_to_do(visitor: Visitor, db: Database) -> None:
    assert await upload(visitor, b"PK\x03\x04 and so on", "left.xlsx") == 422
    assert await upload(visitor, b"", "") == 422
    assert kept(db) == {}
