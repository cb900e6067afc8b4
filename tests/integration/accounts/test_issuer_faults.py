"""An issuer that is down, slow, or answers nonsense: nobody comes in by it, and it is told in a sentence."""

from __future__ import annotations

import pytest

from mailing.accounts.roles import Role
from tests.support.issuer import key
from tests.support.stack import free_port
from tests.support.visits import arrive, enrol, leave, sign_in, signed_in
from tests.support.web import Visitor, running
from webapp.accounts.issuer import LONGEST


@pytest.fixture
async def visitor(db, issuer, settled):
    """A browser before a Volley in which an owner and Ann, a viewer, have accounts."""
    async with running(settled(issuer.url)) as visitor:
        await enrol(visitor, "owner@example.org", Role.OWNER)
        await enrol(visitor, "ann@example.org", Role.VIEWER)
        yield visitor


async def test_an_issuer_that_is_down_takes_nothing_but_its_button(db, settled):
    url = f"http://127.0.0.1:{free_port()}"
    async with running(settled(url)) as visitor:
        await enrol(visitor, "ann@example.org", Role.VIEWER)
        for _ in range(2):  # the second time it is not asked
            said = await arrive(visitor, "/sign-in/openid", 503)
            assert "Our login can&#39;t be reached. Sign in with your password" in said
            assert 'name="password"' in said


RUBBISH = {
    "an error": (500, b"<h1>Oops</h1>"),
    "no JSON": (200, b"<html>"),
    "nothing": (200, b""),
    "no object": (200, b"[1, 2]"),
    "another object": (200, b'{"id_token": 7, "keys": 7, "issuer": 7, "sub": 7, "error": 7}'),
    "a deep one": (200, b'{"keys":' + b"[" * 100_000),
    "too much": (200, b" " * (LONGEST + 1) + b"{}"),
}


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token", "/people"])
async def test_whatever_the_issuer_answers_is_told_in_a_sentence(visitor, issuer, path, monkeypatch):
    monkeypatch.setattr("webapp.accounts.issuer.QUIET_S", -1.0)
    for what, answer in RUBBISH.items():
        back = "/sign-in/openid"
        if path in {"/token", "/people"}:
            back = issuer.sign_in(await leave(visitor), sub="1", email=None, email_verified=None)
        issuer.answers[path] = answer
        response = await visitor.get(back)
        text = (await response.get_data()).decode()
        assert response.status_code in {401, 502}, (what, text)
        assert "an answer that can&#39;t be used" in text or "failed a check" in text, what
        del issuer.answers[path]
    assert await signed_in(visitor) == ""


async def test_an_issuer_that_speaks_for_another_or_without_tls_is_not_used(visitor, issuer, monkeypatch):
    monkeypatch.setattr("webapp.accounts.issuer.QUIET_S", -1.0)
    for wrong in (
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "http://login.example/authorize"},
        {"token_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
    ):
        issuer.discovery = wrong
        assert "can&#39;t be used" in await arrive(visitor, "/sign-in/openid", 502), wrong


async def test_new_keys_are_fetched_once_for_a_token_that_needs_them(visitor, issuer):
    await sign_in(visitor, issuer)
    await sign_in(Visitor(visitor.app), issuer)
    assert issuer.asked["/.well-known/openid-configuration"] == issuer.asked["/keys"] == 1
    issuer.key = key("two")
    assert "failed a check" in await sign_in(Visitor(visitor.app), issuer, 401)
    assert issuer.asked["/keys"] == 2
    issuer.published = [issuer.key]
    await sign_in(Visitor(visitor.app), issuer)
    assert issuer.asked["/keys"] == 3
