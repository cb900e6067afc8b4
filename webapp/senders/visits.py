"""A browser goes to an account's provider, where consent is given, and comes back (RFC 6749 section 4.1).

A sealed cookie of its own, for the address of the way back alone, holds what only this browser knows: the
state, the verifier of PKCE (RFC 7636), and for which sender or mailbox and in whose session it was begun.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import asdict, dataclass
from time import time
from typing import TYPE_CHECKING, Any

import orjson
from quart import redirect, request

from mailing.accounts import sealing
from mailing.accounts.sealing import SealedElsewhereError
from mailing.senders import providers
from mailing.senders.providers import PROVIDERS
from webapp.http import auth, origins
from webapp.http.services import services

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

VISIT_S = 600


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of a browser to a provider. ``began`` is in seconds since 1970, ``session`` an id or 0."""

    sender: int
    state: str
    verifier: str
    session: int
    began: int


@dataclass(frozen=True, slots=True)
class Way:
    """A way there and ``back``; its cookie is sealed for a ``place``."""

    back: str
    cookie: str
    place: str

    @property
    def address(self) -> str:
        """The whole address of the way back, as the provider must know it."""
        svc = services()
        origin = svc.settings.url.origin if svc.settings.url else f"{request.scheme}://{request.host}"
        return origin + svc.at(self.back)

    def leave(
        self, of: int, provider: str, *, tenant: str, client_id: str, user: str, scope: str
    ) -> Response:
        """Send the browser to a provider, for the sender or mailbox with this id."""
        visit = Visit(of, secrets.token_urlsafe(32), secrets.token_urlsafe(48), _session(), round(time()))
        url = providers.consent_url(
            PROVIDERS[provider],
            tenant=tenant,
            client_id=client_id,
            user=user,
            back=self.address,
            state=visit.state,
            verifier=visit.verifier,
            scope=scope,
        )
        response = redirect(url, 303)
        sealed = sealing.seal(services().settings.secret_key, self.place, orjson.dumps(asdict(visit)))
        response.set_cookie(self._name(), sealed, max_age=VISIT_S, **self._rights())
        return response

    def visit(self) -> Visit | None:
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

    def end(self, response: Response) -> Response:
        """Have the browser forget the visit."""
        response.delete_cookie(self._name(), **self._rights())
        return response

    def _name(self) -> str:
        return f"__Secure-{self.cookie}" if origins.secure() else self.cookie

    def _rights(self) -> dict[str, Any]:
        path = services().at(self.back)
        return {"path": path, "secure": origins.secure(), "httponly": True, "samesite": "Lax"}


def _session() -> int:
    """Return the id of the session of whoever asks; 0 where nobody needs to sign in."""
    mine = auth.viewer().session
    return mine.id if mine else 0
