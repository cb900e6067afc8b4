"""Consent of an account elsewhere (OAuth 2.0): codes and refresh tokens exchanged for access tokens.

An access token is kept in the memory of one process until it is about to expire, and nowhere else. What goes
wrong is one sentence that names the sender and says what to do. No token is ever logged.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import orjson
import structlog

from mailing.core.reasons import Reason
from mailing.credentials.providers import PROVIDERS
from mailing.smtp.account import TokenError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.core.database import Database
    from mailing.credentials.holders import Holder
    from mailing.credentials.providers import Provider

PATIENCE_S = 10.0
LONGEST = 64 * 1024  # bytes of an answer
EARLY_S = (
    660.0  # so long before it expires a token is replaced: Microsoft refuses one in its last ten minutes
)
USUAL_S = 3_600.0  # how long it is good for, where the provider does not say (RFC 6749 section 5.1)
FRESH_S = 60.0  # a younger token that is refused is not at fault
QUIET_S = 5.0  # how long a provider that did not answer is not asked again
STOPPED_S = 60.0  # and one that said no
KEPT = 200  # tokens of one process
_ASKS = {"Accept": "application/json", "Accept-Encoding": "identity"}  # so that its length is what arrives
_OK, _FAULTY, _TOO_MANY = 200, 500, 429
_PASSING = frozenset({"temporarily_unavailable", "server_error"})
_AGAIN = frozenset({"invalid_grant", "interaction_required", "consent_required", "login_required"})
_OUR_APPLICATION = frozenset({"invalid_client", "unauthorized_client"})
log = structlog.get_logger(__name__)


A = TypeVar("A", bound="Holder")


class Replace(Protocol[A]):
    """Keeps the successor of a refresh token; returns who has it then."""

    def __call__(self, connection: Connection, seen: A, token: str, secret_key: str, /) -> A:
        """Keep it, unless the account gave another consent meanwhile."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a provider gave. ``refresh_token`` is empty where the one that was used stays."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    seconds: float


@dataclass(slots=True)
class _Held:
    """What one process knows of one consent: its access token, or why there is none. Monotonic s."""

    token: str = field(default="", repr=False)
    since: float = 0.0
    until: float = 0.0
    trouble: TokenError | None = None
    quiet_until: float = 0.0


_held: OrderedDict[str, _Held] = OrderedDict()


class Consent(Generic[A]):
    """The access tokens of one sender or mailbox, for the connections of one process.

    Of several that want one at the same moment one asks. A ``database`` keeps the refresh token's successor.
    """

    def __init__(
        self,
        account: A,
        secret_key: str,
        *,
        client_secret: str,
        refresh_token: str,
        database: Database | None = None,
        replace: Replace[A],
    ) -> None:
        self._replace = replace
        self._account, self._secret_key, self._database = account, secret_key, database
        self._client_secret, self._refresh_token = client_secret, refresh_token
        told = f"{type(account).__name__}:{account.id}:{account.client_id}:{client_secret}:{refresh_token}"
        self._key = hashlib.sha256(told.encode()).hexdigest()
        self._asking = asyncio.Lock()

    def __eq__(self, other: object) -> bool:
        """Whether these are tokens of the same consent: connections made with one do for the other."""
        return isinstance(other, Consent) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    async def get(self, *, instead_of: str = "") -> str:
        """Return an access token that can be used now, and another ``instead_of`` one that was refused.

        Raises ``TokenError``.
        """
        async with self._asking:
            held = _of(self._key)
            now = monotonic()
            good = held.token and now < held.until
            if good and (held.token != instead_of or now < held.since + FRESH_S):
                return held.token
            if held.trouble and now < held.quiet_until:
                raise held.trouble
            try:
                grant = await refresh(self._account, self._client_secret, self._refresh_token)
            except TokenError as trouble:
                held.trouble = trouble
                held.quiet_until = monotonic() + (STOPPED_S if trouble.lasts else QUIET_S)
                held.token = ""
                raise
            held.trouble, held.token, held.since = None, grant.access_token, now
            held.until = now + max(grant.seconds - EARLY_S, grant.seconds / 2)
            if grant.refresh_token not in {"", self._refresh_token}:
                self._refresh_token = grant.refresh_token
                await asyncio.to_thread(self._keep)
            return held.token

    def _keep(self) -> None:
        """Keep the refresh token that replaced ours, unless the account gave another consent meanwhile."""
        if self._database is None:
            return
        with self._database.write() as connection:
            self._account = self._replace(connection, self._account, self._refresh_token, self._secret_key)


async def refresh(account: Holder, client_secret: str, refresh_token: str) -> Grant:
    """Exchange a refresh token for an access token (RFC 6749 section 6). Raises ``TokenError``."""
    provider = PROVIDERS[account.provider]
    sent = {"grant_type": "refresh_token", "refresh_token": refresh_token, "scope": account.scope}
    return await _exchange(provider, account, client_secret, sent)


async def redeem(account: Holder, client_secret: str, *, code: str, back: str, verifier: str) -> Grant:
    """Exchange the code that the browser brought (RFC 6749 section 4.1.3). Raises ``TokenError``."""
    sent = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
    return await _exchange(PROVIDERS[account.provider], account, client_secret, sent)


async def _exchange(provider: Provider, account: Holder, client_secret: str, sent: dict[str, str]) -> Grant:
    form = {**sent, "client_id": account.client_id}
    if client_secret:
        form["client_secret"] = client_secret
    try:
        async with asyncio.timeout(PATIENCE_S):
            status, told = await _post(provider.token_url(tenant=account.tenant), form)
    except (OSError, TimeoutError, ValueError) as error:
        log.warning("no access token", sender=account.name, reason=str(error) or type(error).__name__)
        raise _unreachable(provider, account) from None
    token = told.get("access_token")
    if status == _OK and isinstance(token, str) and token.isprintable() and token.isascii():
        again, seconds = told.get("refresh_token"), told.get("expires_in")
        return Grant(
            token,
            again if isinstance(again, str) else "",
            float(seconds) if isinstance(seconds, int | float) and 0 < seconds < 10**8 else USUAL_S,
        )
    raise _refused(provider, account, status, str(told.get("error", ""))[:100])


async def _post(url: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Return the status and the object that a token endpoint answers. Raises ``OSError``, ``ValueError``."""
    import httpx  # noqa: PLC0415 - loading it takes a tenth of a second, and few senders need it

    try:
        async with (
            httpx.AsyncClient(timeout=PATIENCE_S, headers=_ASKS) as client,
            client.stream("POST", url, data=form) as response,
        ):
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) > LONGEST:
                    raise ValueError("the answer is too long")
    except httpx.HTTPError as error:
        raise OSError(str(error)) from None
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = {}
    return response.status_code, told if isinstance(told, dict) else {}


def _refused(provider: Provider, account: Holder, status: int, error: str) -> TokenError:
    log.warning("no access token", sender=account.name, status=status, error=error)
    if status >= _FAULTY or status == _TOO_MANY or error in _PASSING:
        return _unreachable(provider, account)
    code = "refused"
    if error in _AGAIN:
        code = "withdrawn"
    elif error in _OUR_APPLICATION:
        code = "application"
    told = {"error": error or str(status)} if code == "refused" else {}
    return TokenError(Reason(f"oauth.{code}", name=account.name, provider=provider.name, **told), lasts=True)


def _unreachable(provider: Provider, account: Holder) -> TokenError:
    return TokenError(Reason("oauth.unreachable", name=account.name, provider=provider.name), lasts=False)


def _of(key: str) -> _Held:
    """Return what this process holds of a consent; the one that was not used for longest makes room."""
    held = _held.setdefault(key, _Held())
    _held.move_to_end(key)
    while len(_held) > KEPT:
        _held.popitem(last=False)
    return held
