"""Passkeys: kept, used to sign in and to confirm; whatever is no fresh proof of one opens nothing."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete

from mailing.accounts import passkeys, tables, users
from mailing.accounts.passkeys import Credential, Passkey
from mailing.accounts.users import AccountError
from mailing.sites import read_site
from tests.support.factors import LOCAL, Device, Person, add_person, audited
from webapp.accounts import ceremonies
from webapp.accounts.ceremonies import Purpose
from webapp.app import create_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mailing.core.database import Database
    from mailing.settings import Settings

ANN, BEN = "ann@example.org", "ben@example.org"
SIGN_IN, CONFIRM, NEW = "/sign-in/passkey", "/confirm/passkey", "/account/passkeys/new"


@pytest.fixture
async def person(db: Database, chosen: Settings) -> AsyncIterator[Person]:
    """Ann, signed in by password."""
    add_person(db, ANN)
    app = create_app(chosen)
    async with app.test_app():
        person = Person(app)
        await person.sign_in(ANN)
        yield person


async def add(person: Person, device: Device, name: str = "Phone") -> int:
    """Add a device's passkey; return the status of the answer."""
    await person.read(NEW)
    answer = device.create(await person.options(f"{NEW}.json"))
    return (await person.post("/account/passkeys", {"credential": answer, "name": name})).status_code


async def use(person: Person, answer: str, where: str = SIGN_IN) -> int:
    """Send what a device answered; return the status."""
    await person.read("/sign-in" if where == SIGN_IN else "/confirm")
    return (await person.post(where, {"credential": answer, "next": "/account"})).status_code


async def test_a_passkey_is_added_signs_in_and_confirms(person: Person, db: Database):
    device = Device()
    assert "data-passkey" not in await Person(person.app).read("/sign-in")
    assert await add(person, device) == 303
    page = await person.read("/account")
    assert "Phone" in page
    assert "not used yet" in page
    await person.sign_out()
    assert "Sign in with a passkey" in await person.read("/sign-in")
    assert await use(person, device.get(await person.options(f"{SIGN_IN}.json"))) == 303
    assert "last used" in await person.read("/account")
    person.wait_long(db)
    assert (await person.get(NEW)).location == f"/confirm?next={NEW}"
    assert await use(person, device.get(await person.options(f"{CONFIRM}.json")), CONFIRM) == 303
    await person.read(NEW)
    assert [row["how"] for row in audited(db, "sign in")] == ["password", "passkey"]
    assert [row["how"] for row in audited(db, "confirm")] == ["passkey"]
    assert [row["name"] for row in audited(db, "add passkey")] == ["Phone"]
    with db.read() as connection:
        (kept,) = passkeys.listed(connection, 1)
    await person.read("/account")
    assert (await person.post(f"/account/passkeys/{kept.id}/remove")).status_code == 303
    await person.post(f"/account/passkeys/{kept.id}/remove")
    assert [row["name"] for row in audited(db, "remove passkey")] == ["Phone"]
    assert await use(Person(person.app), device.get(await person.options(f"{SIGN_IN}.json"))) == 401


async def test_an_answer_counts_once_for_what_it_was_asked_for_and_for_five_minutes(
    person: Person, db: Database, monkeypatch: pytest.MonkeyPatch
):
    device, stranger = Device(), Person(person.app)
    await add(person, device)
    for_sign_in = device.get(await stranger.options(f"{SIGN_IN}.json"))
    for_confirm = device.get(await person.options(f"{CONFIRM}.json"))
    assert await use(stranger, for_confirm) == 401
    assert await use(person, for_sign_in, CONFIRM) == 401
    assert await use(Person(person.app), for_sign_in) == 303
    assert await use(stranger, for_sign_in) == 401
    assert await use(person, for_confirm, CONFIRM) == 303
    assert await use(person, for_confirm, CONFIRM) == 401
    late = device.get(await stranger.options(f"{SIGN_IN}.json"))
    monkeypatch.setattr(ceremonies, "_LASTS_S", -1)
    assert await use(stranger, late) == 401
    assert {row["why"] for row in audited(db, "sign in refused")} == {"passkey"}


async def test_what_proves_nothing_opens_nothing(person: Person, db: Database):
    device, stranger = Device(), Person(person.app)
    assert await add(person, device) == 303
    assert await add(person, device) == 409  # a browser would not have asked it again
    elsewhere = replace(device, origin="http://localhost.evil.example")
    unverified, copied = replace(device, flags=1), replace(device, key=Device().key)
    foreign = replace(device, handle=b"somebody else")
    for wrong in (elsewhere, unverified, copied, foreign, Device()):
        assert await use(stranger, wrong.get(await stranger.options(f"{SIGN_IN}.json"))) == 401
    for text in ("", "[]", "[" * 20_000, device.get(await stranger.options(f"{SIGN_IN}.json"))):
        await person.read(NEW)
        assert (await person.post("/account/passkeys", {"credential": text})).status_code == 422
    for refused in (unverified, elsewhere):
        assert await add(person, replace(refused, id=b"another")) == 422


async def test_an_answer_that_is_garbled_in_any_part_is_no_proof_and_no_fault(person: Person):
    async with person.app.test_request_context("/", headers={"Host": LOCAL}):
        device = Device()
        made = ceremonies.added(1, device.create(json.loads(ceremonies.to_add(1, b"handle", ANN, []))))
        assert made
        passkey = Passkey(1, 1, made[0].id, made[0].public_key, 0, "Phone", 0, None)
        answer = device.get(json.loads(ceremonies.to_prove(Purpose.SIGN_IN)))
        good = json.loads(answer)

        def count(text: str) -> int | None:
            read = ceremonies.answered(Purpose.SIGN_IN, 0, text)
            return ceremonies.proven(read, passkey, b"handle") if read else None

        garbled = [
            good | {"response": good["response"] | {part: value}}
            for part, value in itertools.product(good["response"], ("", "AA", "!", 1, [], "é"))
        ]
        garbled += [good | {part: value} for part, value in itertools.product(good, ("", "AA", 1, None, "é"))]
        texts = ["", "[]", "{}", "[" * 20_000, "null", "\0", "é", *map(json.dumps, garbled)]
        assert count(answer) == 0
        assert [text for text in texts if count(text) is not None] == []


async def test_a_device_whose_count_goes_back_was_copied(person: Person):
    device = Device(count=5)
    await add(person, device)
    for count, status in ((6, 303), (6, 401), (5, 401), (0, 401), (9, 303)):
        device.count, stranger = count, Person(person.app)
        assert await use(stranger, device.get(await stranger.options(f"{SIGN_IN}.json"))) == status


async def test_a_passkey_confirms_its_own_owner_and_lets_in_who_may_come_in(person: Person, db: Database):
    bens, other = Device(), Person(person.app)
    ben = add_person(db, BEN)
    await other.sign_in(BEN)
    await add(other, bens)
    assert await use(person, bens.get(await person.options(f"{CONFIRM}.json")), CONFIRM) == 401
    with db.write() as connection:
        users.deactivate(connection, ben)
    stranger = Person(person.app)
    assert await use(stranger, bens.get(await stranger.options(f"{SIGN_IN}.json"))) == 401


async def test_the_last_way_in_is_not_removed(db: Database):
    user_id = add_person(db, ANN, password=None)
    with db.write() as connection:
        for name in ("one", "two"):
            passkeys.add(connection, user_id, Credential(name.encode(), b"key", 0), name)
        with pytest.raises(AccountError, match="already"):
            passkeys.add(connection, user_id, Credential(b"one", b"key", 0), "again")
        first, second = passkeys.listed(connection, user_id)
        assert passkeys.remove(connection, user_id, first.id) == "one"
        assert passkeys.remove(connection, user_id, first.id) is None
        with pytest.raises(AccountError, match="only way"):
            passkeys.remove(connection, user_id, second.id)
        connection.execute(delete(tables.passkeys))
        for number in range(passkeys.MOST):
            passkeys.add(connection, user_id, Credential(bytes([number]), b"key", 0), "many")
        with pytest.raises(AccountError, match="20 passkeys"):
            passkeys.add(connection, user_id, Credential(b"one more", b"key", 0), "")


@pytest.mark.parametrize(
    ("url", "host", "why"),
    [
        ("", "127.0.0.1", "IP address"),
        ("", "localhost", ""),
        ("http://127.0.0.1:5000", "localhost", ""),
        ("http://mail.example.com", "mail.example.com", "HTTPS"),
        ("https://mail.example.com", "mail.example.com", ""),
        ("https://mail.example.com", "localhost", "only at https://mail.example.com."),
    ],
)
async def test_a_page_that_can_have_no_passkeys_says_why(chosen: Settings, url: str, host: str, why: str):
    app = create_app(replace(chosen, url=read_site(url) if url else None))
    async with app.test_request_context("/account", headers={"Host": host}):
        assert why in ceremonies.why_not()
        assert bool(why) == bool(ceremonies.why_not())
        assert ceremonies.host() == (host if "only" not in why else "mail.example.com")
