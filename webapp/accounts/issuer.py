"""The issuer by which people sign in (OpenID Connect), over HTTP: its addresses, its keys, who has signed in.

Whatever it answers, or if nothing comes, the caller gets ``OpenIdError`` within ``PATIENCE_S``; the log has
the details. ``mailing.accounts.openid`` judges what it says.
"""

from __future__ import annotations

import asyncio
import ssl
import warnings
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic, time
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import structlog
from authlib.deprecate import AuthlibDeprecationWarning

from mailing.accounts import openid
from mailing.accounts.openid import SCOPE, OpenIdError, UnknownKeyError
from mailing.core.reasons import Reason

with warnings.catch_warnings():  # it would rather have httpx2
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.base_client import OAuthError
    from authlib.integrations.httpx_client import AsyncOAuth2Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from joserfc.jwk import KeySet

    from mailing.accounts.openid import Claims, Provider, Visit
    from mailing.accounts.openid_settings import OpenId

PATIENCE_S = 10.0
KEPT_S = 3600.0  # what an issuer says of itself
QUIET_S = 5.0  # how long an issuer that did not answer is not asked again
LONGEST = 1024 * 1024  # bytes of an answer
_AGAIN = {"prompt": "login", "max_age": 0}
_OK = 200
log = structlog.get_logger(__name__)


class Issuer:
    """One issuer, as this process knows it."""

    def __init__(self, settings: OpenId) -> None:
        self.settings = settings
        self._known: tuple[Provider, KeySet] | None = None
        self._until = self._quiet_until = 0.0
        self._trouble: OpenIdError | None = None
        self._asking = asyncio.Lock()
        self._tls: ssl.SSLContext | None = None

    async def address(self, visit: Visit, back: str) -> str:
        """Return where the browser goes to sign in; it comes back to ``back``."""
        provider, _keys = await self._introduction()
        async with self._client() as client:
            url, _state = client.create_authorization_url(
                provider.authorization,
                state=visit.state,
                code_verifier=visit.verifier,
                nonce=visit.nonce,
                redirect_uri=back,
                **(_AGAIN if visit.session else {}),
            )
        return str(url)

    async def claims(self, visit: Visit, answer: Mapping[str, str], back: str) -> tuple[Provider, Claims]:
        """Return who has signed in, for what the browser brought back, and who says so."""
        provider, _keys = await self._introduction()
        code = openid.read_code(self.settings, provider, answer)
        async with self._client() as client:
            client.token_endpoint_auth_method = provider.client_auth
            token = await client.fetch_token(
                provider.token,
                grant_type="authorization_code",
                code=code,
                redirect_uri=back,
                code_verifier=visit.verifier,
            )
            claims = await self._prove(client, token.get("id_token"), visit.nonce)
            if provider.people and openid.lacks(self.settings, claims):
                bearer = f"Bearer {token['access_token']}"
                people = await self._get(client, provider.people, Authorization=bearer)
                claims = openid.add_people(self.settings, claims, people)
        return provider, claims

    async def _prove(self, client: AsyncOAuth2Client, token: object, nonce: str) -> Claims:
        provider, keys = await self._introduction()
        read = partial(openid.read_token, self.settings, provider, token, nonce=nonce, now=round(time()))
        try:
            return read(keys)
        except UnknownKeyError:
            keys = await self._fetch_keys(client, provider)
            self._known = provider, keys
            return read(keys)

    async def _introduction(self) -> tuple[Provider, KeySet]:
        """Return what the issuer says of itself, asked once an hour, by one request at a time."""
        async with self._asking:
            if self._known is None or self._until < monotonic():
                if self._trouble and monotonic() < self._quiet_until:
                    raise OpenIdError(self._trouble.reason)
                try:
                    self._known = await self._introduce()
                except OpenIdError as trouble:
                    self._trouble, self._quiet_until = trouble, monotonic() + QUIET_S
                    raise
                self._until = monotonic() + KEPT_S
            return self._known

    async def _introduce(self) -> tuple[Provider, KeySet]:
        url = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        async with self._client() as client:
            document = await self._get(client, url)
            provider = openid.read_provider(self.settings, document)
            return provider, await self._fetch_keys(client, provider)

    async def _fetch_keys(self, client: AsyncOAuth2Client, provider: Provider) -> KeySet:
        return openid.read_keys(self.settings, await self._get(client, provider.keys))

    @staticmethod
    async def _get(client: AsyncOAuth2Client, url: str, **headers: str) -> object:
        response = await client.request("GET", url, withhold_token=True, headers=headers)
        if response.status_code != _OK:
            raise ValueError(f"{url} answered {response.status_code}")
        return orjson.loads(response.content)

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Any]:
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        name = self.settings.name
        try:
            async with (
                asyncio.timeout(PATIENCE_S),
                AsyncOAuth2Client(
                    self.settings.client_id,
                    self.settings.client_secret or None,
                    scope=SCOPE,
                    code_challenge_method="S256",
                    headers={"Accept-Encoding": "identity"},
                    timeout=PATIENCE_S,
                    transport=_Bounded(verify=self._tls),
                ) as client,
            ):
                yield client
        except OpenIdError as error:
            log.warning("the issuer's answer was not used", issuer=name, reason=str(error))
            raise
        except OAuthError as error:  # a code that was used before, or a wrong client secret
            log.warning("the issuer refused", issuer=name, error=error.error, reason=error.description)
            code = "openid.over" if error.error == "invalid_grant" else "openid.unusable"
            raise OpenIdError(Reason(code, name=name)) from None
        except (httpx.TransportError, TimeoutError, OSError) as error:
            log.warning(
                "the issuer cannot be reached", issuer=name, reason=str(error) or type(error).__name__
            )
            raise OpenIdError(Reason("openid.unreachable", name=name)) from None
        except Exception as error:  # noqa: BLE001 - whatever a foreign server sends
            log.warning("the issuer's answer cannot be read", issuer=name, reason=str(error))
            raise OpenIdError(Reason("openid.unusable", name=name)) from None


class _Bounded(httpx.AsyncHTTPTransport):
    """HTTP whose answers have an end."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _End(response.stream)
        return response


class _End(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = LONGEST
        async for part in self._stream:
            left -= len(part)
            if left < 0:
                raise ValueError(f"longer than {LONGEST} bytes")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()
