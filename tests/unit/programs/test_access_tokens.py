"""A token is taken only from its issuer, for its audience, in its time, by a pinned algorithm."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey, RSAKey

from mailing.accounts.roles import Permission
from mailing.core.clock import now_ms
from mailing.programs import access_tokens
from mailing.programs.access_tokens import (
    AHEAD_MS,
    OURS,
    OUTSIDE,
    SIGNS_MS,
    TRUSTED_MS,
    Expected,
    SigningKey,
)
from mailing.programs.api_keys import ApiKey, BearerError

SITE = "https://example.com/volley"
OURSELVES = Expected(SITE, SITE, OURS, ("client_id",))
SIGNING = SigningKey("a1", OKPKey.generate_key("Ed25519", {"kid": "a1"}), 0)
STRANGER = OKPKey.generate_key("Ed25519", {"kid": "a1"})
READS = frozenset({Permission.READ})
DAY_MS = 24 * 3600 * 1000


def key(expires_at: int | None = None) -> ApiKey:
    return ApiKey(7, "abcdefgh", "script", READS, READS, "", 0, expires_at, None, None)


def signed(signing: Any = SIGNING.key, algorithm: str = "EdDSA", **changes: Any) -> str:
    now = now_ms() // 1000
    good = {"iss": SITE, "aud": SITE, "sub": "key:7", "client_id": "abcdefgh", "scope": "campaigns:read"}
    claims = {
        name: it for name, it in (good | {"iat": now, "exp": now + 900} | changes).items() if it is not ...
    }
    header = {"alg": algorithm, "kid": "a1"}
    return jwt.encode(header, claims, signing, registry=access_tokens._Pinned([algorithm]))


def forged(header: Any, secret: bytes = b"", claims: Any = None) -> str:
    now = now_ms() // 1000
    claims = claims or {"iss": SITE, "aud": SITE, "sub": "key:7", "client_id": "abcdefgh", "exp": now + 900}
    head, body = (base64.urlsafe_b64encode(orjson.dumps(it)).rstrip(b"=") for it in (header, claims))
    mac = hmac.new(secret, head + b"." + body, hashlib.sha256).digest() if secret else b""
    return b".".join([head, body, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()


def _taken(token: str, expected: Expected, by: Any) -> None:
    access_tokens.peek(token)
    access_tokens.read(token, by, expected)


def refusal(token: str, expected: Expected = OURSELVES, by: Any = SIGNING.key) -> str:
    with pytest.raises(BearerError) as caught:
        _taken(token, expected, by)
    assert str(caught.value).endswith(".")
    return caught.value.reason.code


def test_a_token_for_a_key_says_who_asks_and_what_is_allowed_for_a_quarter_of_an_hour():
    token, seconds = access_tokens.issue(SIGNING, SITE, key())
    claims = access_tokens.read(token, SIGNING.key, OURSELVES)
    assert seconds == claims["exp"] - claims["iat"] == 900
    assert (claims["client_id"], claims["sub"]) == ("abcdefgh", "key:7")
    assert access_tokens.scopes(claims) == READS
    assert access_tokens.peek(token) == access_tokens.Unread("a1", SITE)


def test_no_token_lasts_longer_than_its_key():
    _, seconds = access_tokens.issue(SIGNING, SITE, key(now_ms() + 60_000))
    assert 58 <= seconds <= 60


def test_a_token_that_says_less_is_taken_and_one_that_lacks_what_counts_is_not():
    assert access_tokens.read(signed(iat=...), SIGNING.key, OURSELVES)
    for claim in ("iss", "aud", "sub", "exp", "client_id"):
        assert refusal(signed(**{claim: ...})) == "bearer.token-lacks"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"iss": "https://evil.example"}, "token-issuer"),
        ({"aud": "https://other.example"}, "token-audience"),
        ({"aud": ["https://other.example"]}, "token-audience"),
        ({"exp": 1_000_000_000}, "token-expired"),
        ({"exp": "tomorrow"}, "token-lacks"),
        ({"nbf": 9_000_000_000}, "token-early"),
        ({"iat": 9_000_000_000}, "token-early"),
        ({"sub": 7}, "token-lacks"),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused_by_its_reason(changes, code):
    assert refusal(signed(**changes)) == f"bearer.{code}"


def test_clocks_may_differ_by_a_minute_and_no_more():
    now = now_ms() // 1000
    assert access_tokens.read(signed(nbf=now + 50, exp=now - 50), SIGNING.key, OURSELVES)
    assert refusal(signed(nbf=now + 90)) == "bearer.token-early"
    assert refusal(signed(exp=now - 90)) == "bearer.token-expired"


def test_the_algorithm_is_pinned():
    public = orjson.dumps(SIGNING.key.as_dict(private=False))
    raw = base64.urlsafe_b64decode(SIGNING.key.as_dict(private=False)["x"] + "=")
    for algorithm in ("none", "None", "HS256", "hs256", "RS256", "Ed25519", ""):
        for secret in (b"", raw, public):
            assert refusal(forged({"alg": algorithm, "kid": "a1"}, secret)) == "bearer.token-algorithm"
    rsa = RSAKey.generate_key(2048)
    outside = Expected(SITE, SITE, OUTSIDE)
    assert access_tokens.read(signed(rsa, "RS256"), rsa, outside)["iss"] == SITE
    assert refusal(signed(rsa, "RS256"), outside, SIGNING.key) == "bearer.token-algorithm"
    assert (
        refusal(forged({"alg": "HS256"}, rsa.as_pem(private=False)), outside, rsa) == "bearer.token-algorithm"
    )


def test_a_token_that_somebody_else_signed_or_changed_is_refused():
    assert refusal(signed(STRANGER)) == "bearer.token-signature"
    head, _, tail = signed().split(".")
    more = forged({}, claims={"iss": SITE, "aud": SITE, "exp": 9_000_000_000, "sub": "key:1"}).split(".")[1]
    assert refusal(f"{head}.{more}.{tail}") == "bearer.token-signature"
    assert refusal(signed(), by=None) == "bearer.token-key"


@pytest.mark.parametrize(
    "token",
    [
        *("", ".", "..", "a.b", "a.b.c", "é.é.é", "a.b.c.d", "\N{GRINNING FACE}", "." * 8000),
        forged([1]),
        forged({"alg": "EdDSA", "kid": 3}),
        forged({"alg": ["EdDSA"]}),
        forged({"alg": {}}),
        forged({"alg": "EdDSA", "crit": ["b64"], "b64": False, "kid": "a1"}) + "AAAA",
        forged({"alg": "EdDSA"}, claims=[1]),
        forged({"alg": "EdDSA"}, claims={"iss": {}}),
        base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.",
        "e30." + base64.urlsafe_b64encode(b"[" * 5000).decode() + ".",
        forged({"alg": "EdDSA", "kid": "a1", "x": "y" * 5000}),
    ],
)
def test_what_is_no_token_is_refused(token):
    assert refusal(token).startswith("bearer.")


def test_a_scope_that_no_program_may_have_or_that_nobody_knows_allows_nothing():
    said = "campaigns:read people:write keys:write everything  campaigns:send"
    assert access_tokens.scopes({"scope": said}) == {Permission.READ, Permission.SEND}
    for nothing in ({}, {"scope": None}, {"scope": ["campaigns:read"]}, {"scope": 3}):
        assert access_tokens.scopes(nothing) == frozenset()


def test_a_key_signs_for_ninety_days_and_the_next_one_is_published_before_it_signs():
    now = 10 * SIGNS_MS

    def aged(name: str, age_ms: int) -> SigningKey:
        return SigningKey(name, SIGNING.key, now - age_ms)

    assert access_tokens.due([], now)
    assert not access_tokens.due([aged("only", SIGNS_MS - 1)], now)
    assert access_tokens.due([aged("only", SIGNS_MS)], now)
    assert access_tokens.signer([aged("first", 0)], now).id == "first"
    new, old = aged("new", AHEAD_MS - 1), aged("old", SIGNS_MS + AHEAD_MS)
    assert access_tokens.signer([new, old], now).id == "old"
    assert access_tokens.signer([aged("new", AHEAD_MS), old], now).id == "new"
    nearly_gone = aged("old", TRUSTED_MS - AHEAD_MS)
    assert access_tokens.signer([aged("new", 0), nearly_gone], now).id == "new"
