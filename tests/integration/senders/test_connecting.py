"""The account of a sender gives its consent at its provider: a browser goes there, and comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from mailing.accounts.roles import Role
from mailing.credentials import consent, providers
from mailing.senders import store
from tests.integration.senders.adding import CLUB, add, said, senders
from tests.support import consents
from tests.support.web import Visitor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.consents import Elsewhere


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    with consents.serving() as provider:
        monkeypatch.setitem(providers.PROVIDERS, "google", provider.provider)
        monkeypatch.setattr(consent, "_held", type(consent._held)())
        yield provider


GMAIL = CLUB | {"sign_in": "google", "client_id": "mine", "client_secret": consents.SECRET, "password": ""}


async def leave(visitor: Visitor, where: str) -> str:
    answer = await visitor.get(f"{where}/connect")
    assert answer.status_code == 303
    return answer.headers["Location"]


async def test_an_account_gives_its_consent_and_its_refresh_token_is_sealed(visitor, db, chosen, elsewhere):
    where = await add(visitor, **GMAIL)
    assert "is not connected yet" in await visitor.read(where)
    location = await leave(visitor, where)
    asked = {name: value for name, [value] in parse_qs(urlsplit(location).query).items()}
    assert asked["redirect_uri"] == "https://volley.example/senders/connected"
    answer = await visitor.get(elsewhere.consent(location))
    assert answer.status_code == 303, await answer.get_data(as_text=True)
    page = await visitor.read(where)
    assert "club is connected" in page
    assert "refresh-0" not in page
    account = senders(db)[-1]
    assert store.open_secret(account, "refresh_token", chosen.secret_key) == "refresh-0"
    assert "refresh-0" not in account.refresh_token


async def test_consent_that_was_begun_elsewhere_or_twice_counts_nothing(visitor, db, elsewhere):
    where = await add(visitor, **GMAIL)
    path = elsewhere.consent(await leave(visitor, where))
    other = Visitor(visitor.app)
    other.enter(Role.MANAGER)
    assert "started in another browser" in await said(await other.get(path), 400)
    assert (await visitor.get(path.replace("state=", "state=x"))).status_code == 400
    assert (await visitor.get(path)).status_code == 303
    assert (await visitor.get(path)).status_code == 400
    assert senders(db)[-1].refresh_token


async def test_somebody_who_signs_in_anew_begins_anew(visitor, elsewhere):
    where = await add(visitor, **GMAIL)
    path = elsewhere.consent(await leave(visitor, where))
    visitor.enter(Role.OWNER)
    assert (await visitor.get(path)).status_code == 400


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("denied", (409, "was not given")),
        ("down", (503, "at the moment")),
        ("application", (409, "Check its client ID and secret")),
        ("passing", (409, "no lasting consent")),
    ],
)
async def test_consent_that_fails_says_what_to_do(visitor, db, elsewhere, fault, told):
    where = await add(visitor, **GMAIL)
    path = elsewhere.consent(await leave(visitor, where))
    if fault == "denied":
        path = path.replace("code=", "error=access_denied&x=")
    elsewhere.answers = {
        "down": [(503, b"")],
        "application": [(401, {"error": "invalid_client"})],
    }.get(fault, [])
    elsewhere.lasting = fault != "passing"
    page = await said(await visitor.get(path), told[0])
    assert told[1] in page
    assert "Club" in page
    assert not senders(db)[-1].refresh_token
