"""Saved lists through the API: brought as JSON or as a file, followed, read, and refused with what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mailing.accounts.roles import Permission, Role
from mailing.settings import ROOT
from tests.support.api import faults_of, problem_of
from tests.support.programs import bearing, make_key
from tests.support.web import enlist

if TYPE_CHECKING:
    from quart.typing import TestClientProtocol

    from mailing.core.database import Database

LISTS = "/api/v1/lists"
ROWS = [
    {"email": "ann@one.example", "name": "Ann", "city": "Huế"},
    {"email": "ben@gmial.com", "city": "Hà Nội"},
    {"email": "nonsense"},
    {"email": "ann@one.example"},
]


def form(**parts: str | tuple[str, bytes]) -> tuple[bytes, dict[str, str]]:
    """A multipart body with fields and files, and its header."""
    body = b""
    for name, part in parts.items():
        file, data = part if isinstance(part, tuple) else ("", part.encode())
        named = f'; filename="{file}"' if file else ""
        head = f'--edge\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
        body += head.encode() + data + b"\r\n"
    return body + b"--edge--\r\n", {"Content-Type": "multipart/form-data; boundary=edge"}


async def got(client: TestClientProtocol, path: str) -> Any:
    response = await client.get(path)
    assert response.status_code == 200, await response.get_data()
    return await response.get_json()


async def test_rows_become_a_list_at_once_and_what_was_found_is_told(client: TestClientProtocol):
    response = await client.post(LISTS, json={"name": "Members", "contacts": ROWS})
    it = await response.get_json()
    assert (response.status_code, it["state"]) == (201, "done"), it
    assert (it["rows"], it["accepted"], it["duplicates"], it["refused"]) == (4, 2, 1, 1)
    assert response.headers["Location"] == f"{LISTS}/{it['list']}"
    found = await got(client, response.headers["Location"])
    assert (found["name"], found["total"], found["active"], found["fields"]) == ("Members", 2, 2, ["city"])
    assert (await got(client, LISTS))["lists"] == [found]
    contacts = await got(client, f"{LISTS}/{it['list']}/contacts?limit=1")
    assert [(each["email"], each["fields"]) for each in contacts["contacts"]] == [
        ("ann@one.example", {"city": "Huế"})
    ]
    more = await got(client, f"{LISTS}/{it['list']}/contacts?after={contacts['next']}")
    assert [each["email"] for each in more["contacts"]] == ["ben@gmial.com"]
    assert more["next"] is None
    refused = await got(client, f"/api/v1/imports/{it['id']}/notes")
    assert [(note["line"], note["text"]) for note in refused["notes"]] == [(3, "nonsense")]
    suggested = await got(client, f"/api/v1/imports/{it['id']}/notes?kind=suggested")
    assert [note["suggestion"] for note in suggested["notes"]] == ["ben@gmail.com"]


@pytest.mark.parametrize("name", ["members-windows1258.csv", "members.xlsx", "contacts.vcf"])
async def test_a_file_becomes_a_list(client: TestClientProtocol, name: str):
    body, headers = form(name="Club", file=(name, (ROOT / "tests/lists" / name).read_bytes()))
    response = await client.post(LISTS, data=body, headers=headers)
    it = await response.get_json()
    assert (response.status_code, it["state"]) == (201, "done"), it
    assert it["file"] == name
    assert it["accepted"] > 0
    assert (await got(client, f"{LISTS}/{it['list']}"))["total"] == it["accepted"]


async def test_pasted_text_becomes_a_list(client: TestClientProtocol):
    response = await client.post(LISTS, json={"name": "Few", "contacts": "ann@one.example\nben@one.example"})
    assert (await response.get_json()).get("accepted") == 2, await response.get_data()


async def test_a_large_file_is_left_to_a_worker_and_can_be_canceled(client: TestClientProtocol):
    rows = "".join(f"p{n}@one.example\n" for n in range(20_000))
    body, headers = form(name="Many", file=("many.csv", f"email\n{rows}".encode()))
    response = await client.post(LISTS, data=body, headers=headers)
    it = await response.get_json()
    assert (response.status_code, it["state"], it["expected"]) == (202, "waiting", 20_000)
    assert response.headers["Location"] == f"/api/v1/imports/{it['id']}"
    canceled = await client.post(f"/api/v1/imports/{it['id']}/cancel")
    assert (await canceled.get_json())["state"] == "canceled"
    again = await problem_of(await client.post(f"/api/v1/imports/{it['id']}/cancel"), 409)
    assert again["code"] == "import.over"


async def test_what_cannot_be_a_list_is_refused_with_what_to_do(client: TestClientProtocol):
    assert list(await faults_of(await client.post(LISTS, json={"contacts": ROWS, "kind": 1}))) == [
        "name",
        "kind",
    ]
    assert (await client.post(LISTS, json={"name": "Members", "contacts": ROWS})).status_code == 201
    taken = await faults_of(await client.post(LISTS, json={"name": "members", "contacts": ROWS}))
    assert "Members" in taken["name"] or "members" in taken["name"]
    body, headers = form(name="Empty", file=("empty.csv", b""))
    assert "empty" in (await faults_of(await client.post(LISTS, data=body, headers=headers)))["file"]
    body, headers = form(name="No file")
    assert list(await faults_of(await client.post(LISTS, data=body, headers=headers))) == ["file"]
    for path in (f"{LISTS}/9", f"{LISTS}/9/contacts", "/api/v1/imports/9", "/api/v1/imports/9/notes"):
        await problem_of(await client.get(path), 404)


async def test_lists_are_changed_by_whoever_may(client: TestClientProtocol, db: Database):
    enlist(db, Role.OWNER)
    reader, keeper = (make_key(client.app, scopes) for scopes in ([Permission.READ], [Permission.LISTS]))
    posted = {"name": "Members", "contacts": ROWS}
    assert (await client.post(LISTS, json=posted, headers=bearing(reader))).status_code == 403
    assert (await client.post(LISTS, json=posted, headers=bearing(keeper))).status_code == 201
    assert (await client.get(LISTS, headers=bearing(reader))).status_code == 200


async def test_no_page_of_another_site_brings_a_file_and_no_other_call_takes_one(client: TestClientProtocol):
    body, headers = form(name="Club", file=("a.csv", b"ann@one.example"))
    for told in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        await problem_of(await client.post(LISTS, data=body, headers=headers | told), 403)
    await problem_of(await client.post("/api/v1/campaigns", data=body, headers=headers), 415)
    assert (await got(client, LISTS))["lists"] == []
