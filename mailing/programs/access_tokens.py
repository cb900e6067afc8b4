"""Access tokens: JWTs that a program gets for its key, and those of an issuer outside (RFC 7519, RFC 9068).

The signing keys rest in the database, sealed. One signs for 90 days. The next one is published ten minutes
before it signs, and the one before is trusted for another day. Under a new secret key none can be opened:
then none is trusted, and the next token makes a new one.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from joserfc import jwt
from joserfc.errors import (
    BadSignatureError,
    ClaimError,
    ExpiredTokenError,
    InvalidKeyTypeError,
    JoseError,
    MissingClaimError,
    UnsupportedAlgorithmError,
)
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry
from joserfc.util import urlsafe_b64decode
from sqlalchemy import delete, insert, select

from mailing.accounts import sealing
from mailing.accounts.roles import SCOPES
from mailing.accounts.sealing import SealedElsewhereError
from mailing.accounts.tables import signing_keys as table
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.programs.api_keys import BearerError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from joserfc._rfc7515.model import JWSAlgModel
    from joserfc.jwk import Key
    from sqlalchemy import Connection

    from mailing.accounts.roles import Permission
    from mailing.programs.api_keys import ApiKey

LIFE_S = 900
LEEWAY_S = 60  # how far clocks may differ
_DAY_MS = 24 * 3600 * 1000
SIGNS_MS = 90 * _DAY_MS
RETIRES_MS = SIGNS_MS + _DAY_MS // 2  # even if nobody asked for a token, and so for a new key
TRUSTED_MS = SIGNS_MS + _DAY_MS
AHEAD_MS = 10 * 60 * 1000  # how long a key is published before it signs
OURS = ("EdDSA",)
OUTSIDE = (  # no symmetric one: what is published must not be able to sign
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
LONGEST = 8192  # characters
_ID = 8  # random bytes


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that can be opened now. ``created_at`` in ms since 1970."""

    id: str
    key: OKPKey
    created_at: int


@dataclass(frozen=True, slots=True)
class Unread:
    """What a token says of itself before anybody has checked it."""

    kid: str
    issuer: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must be: whose, for whom, signed how, and which claims it must have beside."""

    issuer: str
    audience: str
    algorithms: Collection[str]
    claims: Collection[str] = ()


class _Pinned(JWSRegistry):
    """Takes the algorithms that are named, and none else."""

    def __init__(self, algorithms: Collection[str]) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)

    def get_alg(self, name: str) -> JWSAlgModel:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


def trusted(connection: Connection, secret_key: str) -> Sequence[SigningKey]:
    """Return the keys whose tokens are accepted, the newest first."""
    recent = select(table).where(table.c.created_at > now_ms() - TRUSTED_MS)
    rows = connection.execute(recent.order_by(table.c.created_at.desc(), table.c.id))
    return [key for row in rows if (key := _opened(row, secret_key))]


def find(connection: Connection, secret_key: str, kid: str) -> OKPKey | None:
    """Return the key that a token names, if its tokens are accepted."""
    recent = (table.c.id == kid, table.c.created_at > now_ms() - TRUSTED_MS)
    row = connection.execute(select(table).where(*recent)).one_or_none()
    opened = _opened(row, secret_key) if row else None
    return opened.key if opened else None


def due(keys: Sequence[SigningKey], now: int) -> bool:
    """Return whether a new key must be made: there is none, or the newest has signed for long enough."""
    return not keys or keys[0].created_at <= now - SIGNS_MS


def signer(keys: Sequence[SigningKey], now: int) -> SigningKey:
    """Return the key that signs: the newest that has been published long enough, else the newest."""
    return next((key for key in keys if AHEAD_MS <= now - key.created_at < RETIRES_MS), keys[0])


def make_key(connection: Connection, secret_key: str) -> str:
    """Make a signing key; return its id. Those that nobody trusts any more are deleted."""
    kid = secrets.token_hex(_ID)
    key = OKPKey.generate_key("Ed25519", {"kid": kid, "use": "sig", "alg": OURS[0]})
    values = {
        "id": kid,
        "private_key": sealing.seal(secret_key, _place(kid), orjson.dumps(key.as_dict(private=True))),
        "public_key": key.as_dict(private=False),
    }
    connection.execute(delete(table).where(table.c.created_at <= now_ms() - TRUSTED_MS))
    connection.execute(insert(table).values(values))
    return kid


def published(keys: Sequence[SigningKey]) -> Mapping[str, Any]:
    """Return the public keys (RFC 7517 section 5)."""
    return {"keys": [key.key.as_dict(private=False) for key in keys]}


def issue(signing: SigningKey, issuer: str, key: ApiKey) -> tuple[str, int]:
    """Return a token for a program, and for how many seconds it is valid: never longer than its key."""
    now = now_ms() // 1000
    ends = now + LIFE_S if key.expires_at is None else min(now + LIFE_S, key.expires_at // 1000)
    claims = {
        "iss": issuer,
        "aud": issuer,
        "sub": f"key:{key.id}",
        "client_id": key.prefix,
        "scope": " ".join(sorted(key.permissions)),
        "iat": now,
        "exp": ends,
        "jti": secrets.token_hex(_ID),
    }
    header = {"alg": OURS[0], "kid": signing.id, "typ": "at+jwt"}
    return jwt.encode(header, claims, signing.key, registry=_Pinned(OURS)), ends - now


def peek(text: str) -> Unread:
    """Return whose token this says it is. Raises ``BearerError`` if it is none."""
    try:
        header, payload = (orjson.loads(urlsafe_b64decode(part.encode())) for part in text.split(".")[:2])
        kid, issuer = header.get("kid", ""), payload.get("iss", "")
    except (ValueError, AttributeError):
        raise BearerError(Reason("bearer.malformed")) from None
    if not isinstance(kid, str) or not isinstance(issuer, str):
        raise BearerError(Reason("bearer.malformed"))
    return Unread(kid, issuer)


def read(text: str, key: Key | None, expected: Expected) -> Mapping[str, Any]:
    """Return the claims of a token. Raises ``BearerError`` unless it is as expected."""
    if key is None:
        raise BearerError(Reason("bearer.token-key"))
    essential = {name: {"essential": True} for name in ("exp", "sub", *expected.claims)}
    demanded = JWTClaimsRegistry(
        leeway=LEEWAY_S,
        iss={"essential": True, "value": expected.issuer},
        aud={"essential": True, "value": expected.audience},
        **essential,  # type: ignore[arg-type]
    )
    try:
        claims = jwt.decode(text, key, registry=_Pinned(expected.algorithms)).claims
        demanded.validate(claims)
    except (UnsupportedAlgorithmError, InvalidKeyTypeError):
        raise BearerError(Reason("bearer.token-algorithm")) from None
    except BadSignatureError:
        raise BearerError(Reason("bearer.token-signature")) from None
    except ExpiredTokenError:
        raise BearerError(Reason("bearer.token-expired")) from None
    except MissingClaimError as error:
        raise BearerError(Reason("bearer.token-lacks", claim=error.claim)) from None
    except ClaimError as error:
        raise BearerError(_wrong(error.claim, expected)) from None
    except (JoseError, ValueError, RecursionError):
        raise BearerError(Reason("bearer.malformed")) from None
    return claims


def scopes(claims: Mapping[str, Any]) -> frozenset[Permission]:
    """Return what a token allows (RFC 8693 section 4.2): what we know of it, and a program may have."""
    said = claims.get("scope")
    named = set(said.split(" ")) if isinstance(said, str) else set()
    return frozenset(each for each in SCOPES if each in named)


def _wrong(claim: str, expected: Expected) -> Reason:
    if claim == "iss":
        return Reason("bearer.token-issuer")
    if claim == "aud":
        return Reason("bearer.token-audience", audience=expected.audience)
    if claim in {"nbf", "iat"}:
        return Reason("bearer.token-early")
    return Reason("bearer.token-lacks", claim=claim)


def _opened(row: Any, secret_key: str) -> SigningKey | None:
    try:
        private = sealing.unseal(secret_key, _place(row.id), row.private_key)
    except SealedElsewhereError:
        return None
    return SigningKey(row.id, OKPKey.import_key(orjson.loads(private)), row.created_at)


def _place(kid: str) -> str:
    return f"signing-key:{kid}"
