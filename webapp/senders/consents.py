"""A browser goes to an account's provider, where consent is given, and comes back (RFC 6749 section 4.1).

Senders and mailboxes have a way each. A sealed cookie of its own, for the address of the way back alone,
holds what only this browser knows: the state, the verifier of PKCE (RFC 7636), and for which sender or
mailbox and in whose session it was begun.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import asdict, dataclass
from time import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson
from quart import abort, redirect, request

from mailing.accounts import sealing
from mailing.accounts.sealing import SealedElsewhereError
from mailing.core.reasons import Reason, ReasonError
from mailing.credentials import consent, providers
from mailing.credentials.providers import PROVIDERS
from mailing.smtp.account import TokenError
from webapp.http import auth, origins
from webapp.http.services import services
from webapp.i18n.domain_texts import say, say_why
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection
    from werkzeug.wrappers import Response

    from mailing.core.actors import Actor
    from mailing.credentials.holders import Holder
    from tasks.commands.backend import Backend

VISIT_S = 600
A = TypeVar("A", bound="Holder")


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of a browser to a provider. ``began`` is in seconds since 1970, ``session`` an id or 0."""

    sender: int
    state: str
    verifier: str
    session: int
    began: int


@dataclass(frozen=True, slots=True)
class Way(Generic[A]):
    """The way of senders, or of mailboxes: their pages are below ``home``."""

    home: str
    cookie: str
    place: str  # for which the cookie is sealed
    get: Callable[[Connection, int], A | None]
    open_secret: Callable[[A, str, str], str]
    connect: Callable[[Backend, Actor, A, str, str], None]
    missing: str  # the code of the reason where there is none

    @property
    def back(self) -> str:
        """The way back, below the site."""
        return f"{self.home}/connected"

    @property
    def address(self) -> str:
        """The whole address of the way back, as the provider must know it."""
        svc = services()
        origin = svc.settings.url.origin if svc.settings.url else f"{request.scheme}://{request.host}"
        return origin + svc.at(self.back)

    async def begin(self, holder_id: int) -> Response:
        """Send the browser to the provider of an account."""
        svc = services()
        it = await svc.read(self.get, holder_id)
        if it is None or it.provider not in PROVIDERS:
            return redirect(svc.at(self.home), 303)
        visit = Visit(it.id, secrets.token_urlsafe(32), secrets.token_urlsafe(48), _session(), round(time()))
        url = providers.consent_url(
            PROVIDERS[it.provider],
            tenant=it.tenant,
            client_id=it.client_id,
            user=it.username,
            back=self.address,
            state=visit.state,
            verifier=visit.verifier,
            scope=it.scope,
        )
        response = redirect(url, 303)
        sealed = sealing.seal(svc.settings.secret_key, self.place, orjson.dumps(asdict(visit)))
        response.set_cookie(self._name(), sealed, max_age=VISIT_S, **self._rights())
        return response

    async def finish(self, told: str) -> Response:
        """Keep the consent that the browser brings back, and tell so on the page of the account."""
        svc, visit = services(), self._visit()
        if visit is None:
            abort(400, say(Reason("oauth.over")))
        it = await svc.read(self.get, visit.sender)
        if it is None or not it.provider:
            abort(404, say(Reason(self.missing)))
        try:
            token = await self._redeem(it, visit)
            await svc.do(self.connect, auth.person(), it, token, svc.settings.secret_key)
        except TokenError as trouble:
            abort(409 if trouble.lasts else 503, say_why(trouble))
        except ReasonError as refusal:
            abort(409, say_why(refusal))
        receipts.tell(told)
        response = redirect(svc.at(f"{self.home}/{it.id}"), 303)
        response.delete_cookie(self._name(), **self._rights())
        return response

    async def _redeem(self, it: A, visit: Visit) -> str:
        """Return the refresh token for the code that the browser brings. Raises ``ReasonError``."""
        code = request.args.get("code", "")
        if not code:
            raise ReasonError(Reason("oauth.denied", name=it.name))
        client_secret = self.open_secret(it, "client_secret", services().settings.secret_key)
        grant = await consent.redeem(it, client_secret, code=code, back=self.address, verifier=visit.verifier)
        if not grant.refresh_token:
            name = PROVIDERS[it.provider].name
            raise ReasonError(Reason("oauth.no-refresh", name=it.name, provider=name))
        return grant.refresh_token

    def _visit(self) -> Visit | None:
        """Return the visit from which this browser comes back; None if it began none, or another did."""
        try:
            sealed = request.cookies.get(self._name(), "")
            opened = sealing.unseal(services().settings.secret_key, self.place, sealed)
        except SealedElsewhereError:
            return None
        visit = Visit(**orjson.loads(opened))
        state = request.args.get("state", "").encode("utf-8", "surrogatepass")
        same = hmac.compare_digest(state, visit.state.encode()) and visit.session == _session()
        return visit if same and abs(time() - visit.began) <= VISIT_S else None

    def _name(self) -> str:
        return f"__Secure-{self.cookie}" if origins.secure() else self.cookie

    def _rights(self) -> dict[str, Any]:
        path = services().at(self.back)
        return {"path": path, "secure": origins.secure(), "httponly": True, "samesite": "Lax"}


def _session() -> int:
    """Return the id of the session of whoever asks; 0 where nobody needs to sign in."""
    mine = auth.viewer().session
    return mine.id if mine else 0
