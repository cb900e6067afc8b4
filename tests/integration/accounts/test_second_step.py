"""Signing in with a password and a code: each code counts once, and nothing but the code is missing."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pyotp
import pytest
from click.testing import CliRunner
from sqlalchemy import update

from mailing.accounts import passwords, tables, totp, users
from mailing.core.clock import now_ms
from tests.support.factors import PASSWORD, Person, add_person, audited
from webapp.accounts import second_step
from webapp.app import create_app
from webapp.cli.commands import main

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mailing.core.database import Database
    from mailing.settings import Settings

ANN = "ann@example.org"


@pytest.fixture
async def person(db: Database, chosen: Settings) -> AsyncIterator[Person]:
    """Ann, whose account has a password, before she has signed in."""
    add_person(db, ANN)
    app = create_app(chosen)
    async with app.test_app():
        yield Person(app)


def code(secret: str, later: int = 0) -> str:
    """The code of the app now, or some steps later."""
    return pyotp.TOTP(secret).at(now_ms() // 1000, counter_offset=later)


async def turn_on(person: Person) -> tuple[str, list[str]]:
    """Sign in and set the app up with its code of now; return its secret and the recovery codes."""
    await person.sign_in(ANN)
    secret, form = await person.set_up_app()
    done = await person.post("/account/totp", form | {"code": code(secret)})
    page = (await done.get_data()).decode()
    assert done.status_code == 201, page
    return secret, re.findall(r"<li><code>([a-z2-7-]+)</code>", page)


async def give(person: Person, **typed: str) -> int:
    """Give the password, then this; return the status of the answer."""
    assert await person.sign_in(ANN) == "/sign-in/code"
    await person.read("/sign-in/code")
    return (await person.post("/sign-in/code", typed)).status_code


async def test_a_code_is_asked_for_after_the_password_and_counts_once(person: Person, db: Database):
    await person.sign_in(ANN)
    secret, form = await person.set_up_app()
    first = code(secret)
    assert (await person.post("/account/totp", form | {"code": first})).status_code == 201
    await person.sign_out()
    assert await person.sign_in(ANN, onward="/people") == "/sign-in/code"
    assert (await person.get("/account")).status_code != 200
    await person.read("/sign-in/code")
    again = await person.post("/sign-in/code", {"code": first})
    assert again.status_code == 401
    assert b"used before" in await again.get_data()
    second = code(secret, 1)
    entered = await person.post("/sign-in/code", {"code": second})
    assert (entered.status_code, entered.location) == (303, "/people")
    await person.read("/account")
    other = Person(person.app)
    assert await give(other, code=second) == 401
    assert await give(other, code="") == await give(other, code="000 000 0") == 401
    assert [row["how"] for row in audited(db, "sign in")] == ["password", "password+code"]
    assert [row["why"] for row in audited(db, "sign in refused")] == ["code"] * 4
    assert [len(audited(db, action)) for action in ("turn on totp", "turn off totp")] == [1, 0]


async def test_a_recovery_code_lets_in_once_however_it_is_typed(person: Person, db: Database):
    _secret, recovery = await turn_on(person)
    assert len(set(recovery)) == totp.RECOVERY_CODES
    await person.sign_out()
    assert await give(person, recovery=recovery[3].upper().replace("-", " ")) == 303
    assert "9\N{NO-BREAK SPACE}recovery codes left" in await person.read("/account")
    await person.sign_out()
    assert await give(person, recovery=recovery[3]) == await give(person, recovery="abcd") == 401
    assert audited(db, "sign in")[-1]["how"] == "password+recovery"
    assert await give(person, recovery=recovery[4]) == 303
    renewed = await person.read("/account") and await person.post("/account/recovery-codes")
    assert renewed.status_code == 201
    await person.sign_out()
    assert await give(person, recovery=recovery[5]) == 401


def test_of_two_who_give_the_same_code_at_the_same_moment_one_is_let_in(db: Database):
    user_id = add_person(db, ANN)
    with db.write() as connection:
        assert totp.turn_on(connection, user_id, "sealed", 100)
        assert not totp.turn_on(connection, user_id, "another", 100)
        recovery = totp.renew_recovery(connection, user_id)[0]

    def by_app(step: int) -> bool:
        with db.write() as connection:
            return totp.use(connection, user_id, "sealed", step)

    def by_recovery(typed: str) -> bool:
        with db.write() as connection:
            return totp.use_recovery(connection, user_id, typed)

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(by_app, [101] * 8)) == 1
        assert sum(threads.map(by_recovery, [recovery] * 8)) == 1
    assert [by_app(step) for step in (99, 100, 101, 102)] == [False, False, False, True]


@pytest.mark.parametrize("ending", ["time", "password", "turned off", "deactivated"])
async def test_the_password_is_believed_for_five_minutes_and_no_longer_than_it_is_true(
    person: Person, db: Database, monkeypatch: pytest.MonkeyPatch, ending: str
):
    secret, _recovery = await turn_on(person)
    await person.sign_out()
    await person.sign_in(ANN)
    await person.read("/sign-in/code")
    with db.write() as connection:
        found = users.find(connection, ANN)
        assert found
        if ending == "time":
            monkeypatch.setattr(second_step, "now_ms", lambda: now_ms() + 5 * 60 * 1000)
        elif ending == "password":
            users.set_password(connection, found.id, passwords.hashed("four green chairs"))
        elif ending == "turned off":
            totp.turn_off(connection, found.id)
        else:
            connection.execute(update(tables.users).values(deactivated_at=1))
    late = await person.post("/sign-in/code", {"code": code(secret, 1)})
    assert (late.status_code, late.location) == (303, "/sign-in")
    assert "Sign in again." in await person.read("/sign-in")


async def test_after_a_wrong_recovery_code_its_field_is_still_there(person: Person):
    await turn_on(person)
    await person.sign_out()
    await person.sign_in(ANN)
    assert "<details open>" not in await person.read("/sign-in/code")
    wrong = (await (await person.post("/sign-in/code", {"recovery": "aaaa-bbbb"})).get_data()).decode()
    assert "<details open>" in wrong
    assert wrong.index("autofocus") > wrong.index("<details")


async def test_codes_are_not_guessed(person: Person):
    await turn_on(person)
    await person.sign_out()
    await person.sign_in(ANN)
    await person.read("/sign-in/code")
    answers = [(await person.post("/sign-in/code", {"code": "000000"})).status_code for _ in range(11)]
    assert answers == [401] * 10 + [429]


async def test_a_wrong_first_code_turns_nothing_on_and_shows_the_same_secret_again(person: Person):
    await person.sign_in(ANN)
    secret, form = await person.set_up_app()
    wrong = await person.post("/account/totp", form | {"code": code(secret, 9)})
    page = (await wrong.get_data()).decode()
    assert wrong.status_code == 422
    assert secret in page.replace(" ", "")
    foreign = await person.post("/account/totp", {"sealed": "x" * 40, "code": code(secret)})
    assert foreign.status_code == 400
    assert (await person.post("/account/recovery-codes")).status_code == 409
    assert "Set up an authenticator app" in await person.read("/account")


async def test_ways_to_sign_in_are_changed_by_whoever_confirmed_lately(person: Person, db: Database):
    await person.sign_in(ANN)
    await person.read("/account")
    person.wait_long(db)
    asked = await person.get("/account/totp")
    assert asked.location == "/confirm?next=/account/totp"
    for path in ("/account/totp", "/account/totp/off", "/account/recovery-codes", "/account/passkeys"):
        assert "/confirm" in str((await person.post(path)).location)
    await person.read("/confirm")
    await person.post("/confirm", {"password": PASSWORD})
    secret, form = await person.set_up_app()
    assert (await person.post("/account/totp", form | {"code": code(secret)})).status_code == 201
    await person.read("/account")
    assert (await person.post("/account/totp/off")).location == "/account"
    await person.sign_out()
    assert await person.sign_in(ANN) == "/account"
    assert len(audited(db, "turn off totp")) == 1


async def test_after_a_change_of_the_secret_key_a_recovery_code_or_the_terminal_helps(
    person: Person, db: Database, chosen: Settings, monkeypatch: pytest.MonkeyPatch
):
    secret, recovery = await turn_on(person)
    app = create_app(replace(chosen, secret_key="another secret key, as long as the first one"))
    async with app.test_app():
        later = Person(app)
        assert await later.sign_in(ANN) == "/sign-in/code"
        page = await later.read("/sign-in/code")
        assert "secret key was changed" in page
        assert f"volley user totp-off {ANN}" in page
        assert (await later.post("/sign-in/code", {"code": code(secret, 1)})).status_code == 401
        assert (await later.post("/sign-in/code", {"recovery": recovery[0]})).status_code == 303
        assert "Turn it off and set it up again" in await later.read("/account")
        monkeypatch.setattr("webapp.cli.people.chosen_settings", lambda: chosen)
        done = [CliRunner().invoke(main, ["user", "totp-off", ANN]) for _ in range(2)]
        assert [it.exit_code for it in done] == [0, 1], done
        await later.sign_out()
        assert await later.sign_in(ANN) == "/account"
