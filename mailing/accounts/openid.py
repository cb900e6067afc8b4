"""OpenID Connect for a relying party: what an issuer says, and whether to believe it.

Pure. Core and Discovery are OpenID Connect Core 1.0 and Discovery 1.0. What an issuer sends is read strictly:
nothing is ever guessed.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, KeySet
from joserfc.jws import JWSRegistry

from mailing.accounts.openid_settings import safe
from mailing.accounts.roles import Role
from mailing.core.reasons import Reason, ReasonError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.accounts.openid_settings import OpenId

Claims: TypeAlias = dict[str, Any]

SCOPE = "openid email"
LEEWAY_S = 300  # how far the clocks of an issuer and of this machine may differ
VISIT_S = 600  # how long somebody may take to sign in at the issuer
LONGEST_EMAIL = 254  # characters (RFC 5321 section 4.5.3.1.3)
_LONGEST_SUBJECT = 255  # Core section 2
_MOST_KEYS = 100
_LATEST_S = 10**11  # no time is later
_ROUNDING_S = 2
_EMAIL = frozenset({"email", "email_verified"})
_SIGNED = JWSRegistry(  # a secret that both sides know would be no proof: asymmetric ones only
    algorithms=("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"),
    strict_check_header=False,
)
_RUBBISH = (JoseError, ValueError, TypeError, KeyError, AttributeError)


class OpenIdError(ReasonError):
    """Nobody can be signed in by the issuer: the reason says why and what to do."""


class UnknownKeyError(OpenIdError):
    """The token is signed with a key that is not among those that are known; there may be new ones."""


@dataclass(frozen=True, slots=True)
class Provider:
    """What an issuer says of itself (Discovery section 3). ``people`` is its userinfo endpoint, or empty."""

    issuer: str
    authorization: str
    token: str
    keys: str
    people: str
    client_auth: str
    names_itself: bool  # in each answer (RFC 9207)


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of a browser to the issuer: what only it knows, and what happens when it comes back.

    ``onward`` is where to go on. ``began`` is in seconds since 1970. ``session`` is the id of the
    session whose user signs in again; 0: nobody is signed in yet.
    """

    state: str
    nonce: str
    verifier: str
    onward: str
    began: int
    session: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Who has signed in at the issuer. ``email`` is empty unless the issuer has verified it."""

    issuer: str
    subject: str
    email: str
    role: Role | None


def read_provider(settings: OpenId, document: object) -> Provider:
    """Read an issuer's discovery document. Raises ``OpenIdError`` if it is not the one that was asked for."""
    told: Mapping[str, Any] = document if isinstance(document, dict) else {}
    issuer, ways = told.get("issuer"), told.get("token_endpoint_auth_methods_supported")
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint")
    authorization, token, keys, people = (safe(told.get(name)) for name in names)
    same = isinstance(issuer, str) and issuer.rstrip("/") == settings.issuer.rstrip("/")
    if not (same and authorization and token and keys):
        raise _unusable(settings)
    posted = isinstance(ways, list) and "client_secret_basic" not in ways and "client_secret_post" in ways
    secret = "client_secret_post" if posted else "client_secret_basic"
    return Provider(
        str(issuer),
        authorization,
        token,
        keys,
        people,
        secret if settings.client_secret else "none",
        names_itself=told.get("authorization_response_iss_parameter_supported") is True,
    )


def read_keys(settings: OpenId, document: object) -> KeySet:
    """Read an issuer's public keys (RFC 7517 section 5). Raises ``OpenIdError`` if none can be used."""
    given = document.get("keys") if isinstance(document, dict) else None
    keys = []
    for each in given[:_MOST_KEYS] if isinstance(given, list) else []:
        try:
            key = JWKRegistry.import_key(each)
        except _RUBBISH:  # of a kind that is not known here, as a rule
            continue
        if key.key_type != "oct":
            keys.append(key)
    if not keys:
        raise _unusable(settings)
    return KeySet(keys)


def read_code(settings: OpenId, provider: Provider, answer: Mapping[str, str]) -> str:
    """Return the code that the issuer sent with the browser. Raises ``OpenIdError``."""
    named = answer.get("iss", "")
    if (named or provider.names_itself) and named != provider.issuer:  # RFC 9207 section 2.4
        raise _untrusted(settings)
    if answer.get("error"):
        raise OpenIdError(Reason("openid.refused", name=settings.name))
    if not answer.get("code"):
        raise _untrusted(settings)
    return answer["code"]


def read_token(
    settings: OpenId, provider: Provider, token: object, keys: KeySet, *, nonce: str, now: int
) -> Claims:
    """Return what an ID token claims, once it is proved (Core section 3.1.3.7). ``now`` is in seconds.

    Raises ``OpenIdError``, and ``UnknownKeyError`` if it is signed with a key that is not among ``keys``.
    """
    if not isinstance(token, str):
        raise _untrusted(settings)
    try:
        claims = jwt.decode(token, keys, registry=_SIGNED).claims
    except InvalidKeyIdError:
        raise UnknownKeyError(Reason("openid.untrusted", name=settings.name)) from None
    except _RUBBISH:
        raise _untrusted(settings) from None
    subject, audience = claims.get("sub"), claims.get("aud")
    meant_for = audience if isinstance(audience, list) else [audience]
    sound = (
        claims.get("iss") == provider.issuer,
        isinstance(subject, str) and 0 < len(subject) <= _LONGEST_SUBJECT,
        settings.client_id in meant_for,
        claims.get("azp", settings.client_id) == settings.client_id,
        len(meant_for) == 1 or "azp" in claims,
        hmac.compare_digest(str(claims.get("nonce")).encode("utf-8", "surrogatepass"), nonce.encode()),
        _is_time(claims.get("iat")) and _is_time(claims.get("exp")) and _is_time(claims.get("nbf", now)),
    )
    if not all(sound):
        raise _untrusted(settings)
    early, late = claims.get("nbf", now) - now, now - claims["exp"]
    apart = max(abs(now - claims["iat"]), early, late)
    if apart > LEEWAY_S:
        raise OpenIdError(Reason("openid.clocks", name=settings.name, minutes=round(apart / 60)))
    return claims


def add_people(settings: OpenId, claims: Claims, document: object) -> Claims:
    """Return the claims, completed with those of the userinfo endpoint (Core section 5.3.2).

    An address and whether it is verified always come from the same one of the two.
    """
    if not isinstance(document, dict) or document.get("sub") != claims["sub"]:
        raise _untrusted(settings)
    kept = claims.keys() if claims.keys() >= _EMAIL else claims.keys() - _EMAIL
    return {**document, **{name: claims[name] for name in kept}}


def lacks(settings: OpenId, claims: Claims) -> bool:
    """Whether an ID token lacks a needed claim, which some issuers tell at the userinfo endpoint only."""
    return not claims.keys() >= _EMAIL | {settings.role_claim or "sub"}


def identify(settings: OpenId, provider: Provider, claims: Claims) -> Identity:
    """Return whom the claims are about. Of several roles the highest counts."""
    email, given = claims.get("email"), claims.get(settings.role_claim)
    verified = claims.get("email_verified") is True and isinstance(email, str) and len(email) <= LONGEST_EMAIL
    roles = given if isinstance(given, list) else [given]
    role = next((each for each in Role if each.value in roles), None)
    return Identity(provider.issuer, claims["sub"], str(email) if verified else "", role)


def is_again(claims: Claims, *, began: int, now: int) -> bool:
    """Whether somebody signed in since ``began``, and was not only remembered (Core section 2, auth_time).

    Both times of the issuer are by its own clock, so that it need not agree with ours.
    """
    at = claims.get("auth_time")
    return _is_time(at) and claims["iat"] - at <= now - began + _ROUNDING_S


def _unusable(settings: OpenId) -> OpenIdError:
    return OpenIdError(Reason("openid.unusable", name=settings.name))


def _untrusted(settings: OpenId) -> OpenIdError:
    return OpenIdError(Reason("openid.untrusted", name=settings.name))


def _is_time(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < _LATEST_S
