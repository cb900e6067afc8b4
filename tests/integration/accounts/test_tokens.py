"""Access tokens: made for a key, ended with it, checked by whoever wants; those of an issuer outside, too."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import select, update

from mailing.accounts.roles import Permission, Role
from mailing.accounts.tables import api_keys, signing_keys
from mailing.programs import access_tokens
from mailing.programs.access_tokens import AHEAD_MS, SIGNS_MS, TRUSTED_MS
from tasks.commands.accounts import keys, people
from tests.support import issuer as issuers
from tests.support.api import CAMPAIGNS, order, post, problem_of
from tests.support.programs import CLI, ask, backend_of, bearing, make_key, make_token, person
from tests.support.web import running, settings_for
from webapp.programs import issuer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from quart.typing import TestClientProtocol

    from mailing.core.database import Database
    from mailing.settings import Settings
    from tests.support.issuer import Issuer

TOKEN = "/api/v1/token"
TELLER = (Permission.READ, Permission.WRITE)
AUDIENCE = "https://volley.example"


def forget(client: TestClientProtocol) -> None:
    """Let a second go by, after which nothing is believed without a look."""
    client.app.extensions["volley"].doors.forget()


async def exchange(client: TestClientProtocol, text: str) -> Any:
    return await client.post(TOKEN, headers=bearing(text))


async def test_a_key_gets_a_token_that_opens_what_the_key_opens_and_others_can_check(
    client: TestClientProtocol, chosen: Settings, db: Database
):
    answer = await exchange(client, make_key(client.app, TELLER))
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-store")
    given = await answer.get_json()
    token = given.pop("access_token")
    assert given == {"token_type": "Bearer", "expires_in": 900}
    await post(client, order(), **bearing(token))
    sent = await client.post(f"{CAMPAIGNS}/1/send", headers=bearing(token))
    assert "token does not have the scope campaigns:send" in (await problem_of(sent, 403))["detail"]
    answer = await client.get("/.well-known/jwks.json", headers={"Host": "127.0.0.1"})
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    published = await answer.get_json()
    assert [sorted(key) for key in published["keys"]] == [["alg", "crv", "kid", "kty", "use", "x"]]
    registry = access_tokens._Pinned(["EdDSA"])
    read = jwt.decode(token, KeySet.import_key_set(published), registry=registry)
    assert read.claims["iss"] == read.claims["aud"] == chosen.site.url
    assert read.claims["scope"] == "campaigns:read campaigns:write"
    with db.read() as connection:
        kept = connection.execute(select(signing_keys)).mappings().one()
    assert "d" not in kept["public_key"]
    assert '"d"' not in kept["private_key"]


async def test_only_a_key_gets_a_token(client: TestClientProtocol):
    token = make_token(client.app, make_key(client.app))
    problem = await problem_of(await exchange(client, token), 403)
    assert problem["code"] == "request.needs-key"
    assert "Authorization: Bearer" in (await problem_of(await client.post(TOKEN), 401))["detail"]


async def test_a_token_ends_with_its_key_and_never_allows_more_than_the_key_does_now(
    client: TestClientProtocol, db: Database
):
    person(client.app, "owner@example.org", Role.OWNER)
    ann = person(client.app, "ann@example.org", Role.MANAGER)
    assert ann.id
    token = make_token(client.app, make_key(client.app, TELLER, by=ann))
    await post(client, order(), **bearing(token))
    people.change_role(backend_of(client.app), CLI, ann.id, Role.VIEWER)
    forget(client)
    assert (await client.post(CAMPAIGNS, json=order(), headers=bearing(token))).status_code == 403
    assert (await ask(client, token)).status_code == 200
    with db.write() as connection:
        connection.execute(update(api_keys).values(expires_at=1))
    forget(client)
    assert (await problem_of(await ask(client, token), 401))["code"] == "bearer.expired"
    people.deactivate(backend_of(client.app), CLI, ann.id)
    forget(client)
    assert (await problem_of(await ask(client, token), 401))["code"] == "bearer.revoked"


async def test_a_new_secret_key_ends_tokens_and_no_key(
    client: TestClientProtocol, db: Database, tmp_path: Path, database_url: str
):
    text = make_key(client.app)
    old = make_token(client.app, text)
    renewed = settings_for(tmp_path, database_url, VOLLEY_SECRET_KEY="another secret key " * 3)
    async with running(renewed) as visitor:
        assert (await problem_of(await ask(visitor.client, old), 401))["code"] == "bearer.token-key"
        new = (await (await exchange(visitor.client, text)).get_json())["access_token"]
        assert (await ask(visitor.client, new)).status_code == 200
        published = await (await visitor.get("/.well-known/jwks.json")).get_json()
        assert [key["kid"] for key in published["keys"]] == [access_tokens.peek(new).kid]


async def test_signing_keys_follow_one_another_without_a_gap(client: TestClientProtocol, db: Database):
    def age(kid: str, ms: int) -> None:
        with db.write() as connection:
            at = signing_keys.c.created_at
            connection.execute(update(signing_keys).where(signing_keys.c.id == kid).values({at: at - ms}))

    text, secret = make_key(client.app), client.app.extensions["volley"].settings.secret_key
    tokens = [make_token(client.app, text)]
    first = access_tokens.peek(tokens[0]).kid
    age(first, SIGNS_MS)
    tokens.append(make_token(client.app, text))
    with db.read() as connection:
        second, older = (key.id for key in access_tokens.trusted(connection, secret))
    assert older == first == access_tokens.peek(tokens[1]).kid
    age(second, AHEAD_MS)
    tokens.append(make_token(client.app, text))
    assert access_tokens.peek(tokens[2]).kid == second
    assert [(await ask(client, it)).status_code for it in tokens] == [200, 200, 200]
    age(first, TRUSTED_MS - SIGNS_MS)
    forget(client)
    assert [(await ask(client, it)).status_code for it in tokens] == [401, 401, 200]
    age(second, SIGNS_MS)
    assert keys.signing_key(backend_of(client.app), secret).id == second
    with db.read() as connection:
        assert len(connection.execute(select(signing_keys)).all()) == 2  # the first is deleted


@pytest.fixture
def outside() -> Iterator[Issuer]:
    with issuers.serving() as serving:
        yield serving


@asynccontextmanager
async def trusting(outside: Issuer, tmp_path: Path, database_url: str) -> AsyncIterator[TestClientProtocol]:
    """A program before a Volley that takes the tokens of an issuer."""
    names = {"VOLLEY_JWT_ISSUER": outside.url, "VOLLEY_JWT_AUDIENCE": AUDIENCE}
    async with running(settings_for(tmp_path, database_url, **names)) as visitor:
        yield visitor.client


def said(outside: Issuer, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {"iss": outside.url, "aud": [AUDIENCE, "x"], "sub": "reporter", "iat": now, "exp": now + 300}
    return good | {"scope": "openid campaigns:read keys:write"} | changes


async def test_a_token_of_an_issuer_outside_allows_what_its_scope_names(
    outside: Issuer, db: Database, tmp_path: Path, database_url: str
):
    async with trusting(outside, tmp_path, database_url) as client:
        token = outside.signed(said(outside))
        assert [(await ask(client, token)).status_code for _ in range(3)] == [200] * 3
        assert outside.asked == {"/.well-known/openid-configuration": 1, "/keys": 1}
        refused = await client.post(CAMPAIGNS, json=order(), headers=bearing(token))
        assert "campaigns:write" in (await problem_of(refused, 403))["detail"]
        assert (await exchange(client, token)).status_code == 403
        assert (await ask(client, outside.signed(said(outside, scope=None)))).status_code == 403
        assert (await ask(client, make_key(client.app))).status_code == 200


async def test_a_token_that_the_issuer_outside_did_not_make_for_us_is_refused(
    outside: Issuer, db: Database, tmp_path: Path, database_url: str
):
    async with trusting(outside, tmp_path, database_url) as client:
        stranger = issuers.Issuer(1)
        for token, code in (
            (outside.unsigned(said(outside)), "token-algorithm"),
            (outside.confused(said(outside)), "token-algorithm"),
            (stranger.signed(said(outside)), "token-signature"),
            (outside.signed(said(outside, aud="https://other.example")), "token-audience"),
            (outside.signed(said(outside, iss="https://other.example")), "token-key"),
            (outside.signed(said(outside, exp=int(time.time()) - 90)), "token-expired"),
            (outside.signed(said(outside, nbf=int(time.time()) + 300)), "token-early"),
            (outside.signed(said(outside, exp=None)), "token-lacks"),
        ):
            assert (await problem_of(await ask(client, token), 401))["code"] == f"bearer.{code}"


async def test_new_keys_of_the_issuer_outside_are_fetched_once_a_minute_and_old_ones_last_while_it_is_away(
    outside: Issuer, db: Database, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    async with trusting(outside, tmp_path, database_url) as client:
        first = outside.signed(said(outside))
        assert (await ask(client, first)).status_code == 200
        outside.key = issuers.key("two")
        outside.published.append(outside.key)
        second = outside.signed(said(outside))
        assert (await problem_of(await ask(client, second), 401))["code"] == "bearer.token-key"
        assert outside.asked["/keys"] == 1  # it was asked less than a minute ago
        monkeypatch.setattr(issuer, "monotonic", lambda: time.monotonic() + issuer.PAUSE_S)
        assert [(await ask(client, it)).status_code for it in (second, first)] == [200, 200]
        outside.answers = dict.fromkeys(("/keys", "/.well-known/openid-configuration"), (500, b""))
        monkeypatch.setattr(issuer, "monotonic", lambda: time.monotonic() + 2 * issuer.GOOD_FOR_S)
        assert [(await ask(client, it)).status_code for it in (second, first)] == [200, 200]


@pytest.mark.parametrize(
    "wrong",
    [
        {"discovery": {"issuer": "https://other.example"}},
        {"discovery": {"jwks_uri": "http://other.example/keys"}},
        {"discovery": {"jwks_uri": None}},
        {"answers": {"/keys": (200, b"[" * 5000)}},
        {"answers": {"/keys": (200, b" " * 300_000)}},
        {"answers": {"/.well-known/openid-configuration": (302, b"")}},
    ],
    ids=str,
)
async def test_an_issuer_that_cannot_be_asked_is_named_and_keys_of_ours_work(
    outside: Issuer, db: Database, tmp_path: Path, database_url: str, wrong: dict[str, Any]
):
    for name, value in wrong.items():
        getattr(outside, name).update(value)
    async with trusting(outside, tmp_path, database_url) as client:
        answer = await ask(client, outside.signed(said(outside)))
        problem = await problem_of(answer, 503)
        assert problem["code"] == "bearer.issuer-away"
        assert outside.url in problem["detail"]
        assert int(answer.headers["Retry-After"]) > 0
        assert (await ask(client, make_key(client.app))).status_code == 200
