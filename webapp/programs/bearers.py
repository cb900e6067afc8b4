"""What a program shows with a request: ``Authorization: Bearer`` and a key or a token (RFC 6750).

Whatever is not good is answered with 401, also where nobody needs a key. What was found is believed for a
second (``doorkeeper``), whether good or not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from quart import after_this_request, request

from mailing.accounts import tokens
from mailing.core.reasons import Reason
from mailing.programs import access_tokens, api_keys
from mailing.programs.access_tokens import LONGEST, OURS, OUTSIDE, Expected
from mailing.programs.api_keys import SHAPE, Bearer, BearerError
from tasks.commands.accounts import keys
from webapp.programs.issuer import AwayError, Issuer
from webapp.programs.limits import LIMIT, Limits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joserfc.jwk import Key
    from quart import Response as QuartResponse
    from sqlalchemy import Connection
    from werkzeug.wrappers import Response

    from mailing.accounts.roles import Permission
    from mailing.redis.limits import Taken
    from mailing.settings import Settings
    from webapp.http.doorkeeper import Doorkeeper

    AnyResponse: TypeAlias = QuartResponse | Response

_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")
_POLICY = f'"key";q={LIMIT.burst};w={LIMIT.burst * LIMIT.every_ms // 1000}'


class NotAdmittedError(Exception):
    """A program is not let in: the status, the sentence and the code of the answer, and its headers.

    ``bearer`` is who it is, if that is known.
    """

    def __init__(
        self,
        status: int,
        said: str,
        code: str,
        headers: Mapping[str, str] | None = None,
        bearer: Bearer | None = None,
    ) -> None:
        super().__init__(said)
        self.status, self.code, self.headers, self.bearer = status, code, headers or {}, bearer


class Bearers:
    """Lets programs in."""

    def __init__(self, settings: Settings, doors: Doorkeeper, limits: Limits) -> None:
        self._settings, self._doors, self._limits = settings, doors, limits
        self._issuer = Issuer(settings.jwt_issuer) if settings.jwt_issuer else None

    async def admit(
        self, needed: Permission | None, *, itself: bool, person: bool, session: bool
    ) -> Bearer | None:
        """Return the program that asks, None if nothing is shown. Raises ``NotAdmittedError``.

        ``needed`` is what it must be allowed, ``itself``: it must show a key, and ``person``: it must be one.
        ``session``: a person's browser asks; what it shows to a proxy (Basic, RFC 7617) is not for Volley.
        """
        if SHAPE.search(request.query_string.decode("latin1")) or "access_token" in request.args:
            said = "A key in a URL ends up in logs. Revoke it, and send another in the header Authorization."
            raise NotAdmittedError(400, said, "request.key-in-url")
        fields = request.headers.getlist("Authorization")
        if session:
            fields = [it for it in fields if not it.lower().startswith("basic ")]
        if not fields:
            return None
        try:
            bearer = await self._read(_only(fields))
        except BearerError as refusal:
            headers = {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{refusal}"'}
            raise NotAdmittedError(401, str(refusal), refusal.reason.code, headers) from None
        except AwayError:
            away = Reason("bearer.issuer-away", issuer=self._settings.jwt_issuer)
            raise NotAdmittedError(503, str(away), away.code, {"Retry-After": "10"}) from None
        await self._count(f"key:{bearer.key.id}" if bearer.key else tokens.digest(bearer.name))
        if itself and bearer.token:
            raise NotAdmittedError(
                403, "No token is made for a token. Send the API key.", "request.needs-key"
            )
        if needed and needed not in bearer.permissions:
            raise _lacks(bearer, needed)
        if person and not needed:
            raise NotAdmittedError(403, "Only a person who is signed in may do this.", "request.needs-person")
        return bearer

    async def _read(self, text: str) -> Bearer:
        if self._issuer and "." in text:
            unread = access_tokens.peek(text)
            if unread.issuer == self._settings.jwt_issuer:
                return self._of_outside(text, await self._issuer.key(unread.kid))
        what = ("bearer", tokens.digest(text))
        found = await self._doors.ask(what, lambda connection: self._look(connection, text))
        if isinstance(found, BearerError):
            raise BearerError(*found.reasons)  # a new one: the other is kept, and raised again
        assert isinstance(found, Bearer)
        key = found.key
        if key and api_keys.to_touch(key):
            await self._doors.touch(what, keys.touch, key)
        return found

    def _look(self, connection: Connection, text: str) -> Bearer | BearerError:
        try:
            if "." in text:
                return self._of_token(connection, text)
            key = api_keys.shown(connection, text)
        except BearerError as error:
            return error
        return Bearer(key.name, key.permissions, key, False, key.expires_at)

    def _of_token(self, connection: Connection, text: str) -> Bearer:
        signing = access_tokens.find(connection, self._settings.secret_key, access_tokens.peek(text).kid)
        ours = self._settings.site.url
        claims = access_tokens.read(text, signing, Expected(ours, ours, OURS, ("client_id",)))
        key = api_keys.named(connection, claims["client_id"])
        allowed = key.permissions & access_tokens.scopes(claims)
        return Bearer(key.name, allowed, key, True, int(claims["exp"] * 1000))

    def _of_outside(self, text: str, key: Key | None) -> Bearer:
        expected = Expected(self._settings.jwt_issuer, self._settings.jwt_audience, OUTSIDE)
        claims = access_tokens.read(text, key, expected)
        name = f"{claims['sub']}"[: api_keys.LONGEST_NAME]
        return Bearer(name, access_tokens.scopes(claims), None, True, int(claims["exp"] * 1000))

    async def _count(self, name: str) -> None:
        """Count the request, and tell the program how many more it may send (RateLimit fields, draft 10)."""
        taken = await self._limits.take(name)

        @after_this_request
        async def tell(response: AnyResponse) -> AnyResponse:
            response.headers.update(_told(taken))
            return response

        if taken.wait_ms:
            seconds = -(-taken.wait_ms // 1000)
            said = f"Too many requests: a key may send {_PER_MINUTE} a minute, in bursts of {LIMIT.burst}."
            again = {"Retry-After": str(seconds)}
            raise NotAdmittedError(429, f"{said} Try again in {seconds} s.", "request.too-many", again)


_PER_MINUTE = 60_000 // LIMIT.every_ms


def _only(fields: list[str]) -> str:
    """Return the key or token of a request, which is sent once and as it should."""
    if len(fields) > 1:
        raise BearerError(Reason("bearer.several"))
    found = _BEARER.fullmatch(fields[0].strip())
    if not found:
        raise BearerError(Reason("bearer.scheme"))
    if len(found[1]) > LONGEST:
        raise BearerError(Reason("bearer.malformed"))
    return found[1]


def _lacks(bearer: Bearer, needed: Permission) -> NotAdmittedError:
    shown = "token" if bearer.token else "key"
    said = f"This {shown} does not have the scope {needed}, which the request needs."
    headers = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed}"'}
    return NotAdmittedError(403, said, "request.scope", headers, bearer)


def _told(taken: Taken) -> dict[str, str]:
    left = f'"key";r={taken.left};t={-(-taken.full_ms // 1000)}'
    return {"RateLimit-Policy": _POLICY, "RateLimit": left}
