"""The keys of an issuer outside whose tokens are taken (OpenID Connect Discovery 1.0, RFC 7517).

They are fetched when a token comes that names one we do not know, and once an hour. While the issuer is
away, those that we know are good.
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

import httpx
import orjson
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from mailing.sites import split

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joserfc.jwk import Key

TIMEOUT_S = 5.0  # for all of it
GOOD_FOR_S = 3600.0
PAUSE_S = 60.0  # between two fetches, whatever unknown keys are named
RETRY_S = 10.0  # after one that failed
LONGEST = 256 * 1024  # bytes of a document
MOST = 100  # keys
_KINDS = frozenset({"RSA", "EC", "OKP"})
log = structlog.get_logger(__name__)


class AwayError(Exception):
    """The issuer's keys were never fetched yet, and cannot be now."""


class Issuer:
    """An issuer, and those of its keys that we know."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: Mapping[str, Key] | None = None
        self._stale_at = self._not_before = 0.0
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> Key | None:
        """Return the key that a token names, or the only one if it names none. Raises ``AwayError``."""
        if self._is_due(kid):
            async with self._lock:
                if self._is_due(kid):  # nobody else was faster
                    await self._fetch()
        if self._keys is None:
            raise AwayError
        if not kid and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    def _is_due(self, kid: str) -> bool:
        now = monotonic()
        wanted = now >= self._stale_at or (bool(kid) and kid not in (self._keys or {}))
        return wanted and now >= self._not_before

    async def _fetch(self) -> None:
        try:
            trust = await asyncio.to_thread(httpx.create_ssl_context)
            async with asyncio.timeout(TIMEOUT_S), httpx.AsyncClient(verify=trust) as client:
                where = f"{self._url.rstrip('/')}/.well-known/openid-configuration"
                about = await _document(client, where)
                if about.get("issuer") != self._url:
                    raise ValueError(f"{where} is about another issuer")  # noqa: TRY301
                keys = await _document(client, self._jwks(str(about.get("jwks_uri"))))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            self._not_before = monotonic() + RETRY_S
            log.warning("the issuer's keys cannot be fetched", issuer=self._url, reason=repr(error)[:200])
        else:
            self._keys = _read(keys)
            self._not_before = monotonic() + PAUSE_S
            self._stale_at = monotonic() + GOOD_FOR_S

    def _jwks(self, url: str) -> str:
        """Return where the keys are: nowhere less safe than the issuer."""
        parts, ours = split(url), split(self._url)
        if not parts or not ours or (parts.scheme != "https" and parts.netloc != ours.netloc):
            raise ValueError(f"{url[:200]} is not safe to fetch keys from")
        return url


async def _document(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response:
        response.raise_for_status()  # a redirect, too: it is not followed
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) > LONGEST:
                raise ValueError(f"{url} is too long")
    found = orjson.loads(body)
    if not isinstance(found, dict):
        raise ValueError(f"{url} is not an object")  # noqa: TRY004 - a document, not an argument
    return found


def _read(document: Mapping[str, Any]) -> Mapping[str, Key]:
    """Return the public keys that we can use, by their names; a secret one could be anybody's."""
    listed = document.get("keys")
    keys: dict[str, Key] = {}
    for each in listed[:MOST] if isinstance(listed, list) else ():
        if isinstance(each, dict) and str(each.get("kty")) in _KINDS and each.get("use", "sig") == "sig":
            try:
                keys[str(each.get("kid", ""))] = import_key(each)
            except (JoseError, ValueError):
                log.warning("a key of the issuer cannot be used", kid=str(each.get("kid"))[:40])
    return keys
