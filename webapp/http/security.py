"""What a request must prove before anything happens, and what every answer forbids the browser.

* Only the names of ``Settings.names`` are answered, so that no page on the internet can reach it by
  pointing its own name here (DNS rebinding).
* No request comes from another site's page, but that a link there may lead here. An unsafe one carries the
  token of its session, or belongs to a blueprint that is named exempt with its reason; then it is JSON or
  without a body, as no form can be. What costs least is looked at first, and a body is read last, within
  limits (``forms``). A file brings its token before its bytes, and ``upload`` looks at it there.
* Every answer has a strict Content-Security-Policy: no inline script or style, no framing.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Any

from markupsafe import Markup
from quart import abort, current_app, g, render_template, request, session
from quart.sessions import SecureCookieSessionInterface
from werkzeug.exceptions import Unauthorized

from mailing.sites import LONGEST_NAME, read_host, read_origin
from webapp.http import auth, forms, origins
from webapp.http.door import Door
from webapp.http.forms import Connection, FormRequest
from webapp.http.services import services
from webapp.i18n.languages import N_, _

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from collections.abc import Set as AbstractSet

    from quart import Quart, Response
    from quart.typing import ResponseReturnValue

    from mailing.settings import Settings
    from webapp.http.forms import Upload

    Again = Callable[..., Awaitable[ResponseReturnValue]]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
TOKEN_FIELD = "csrf_token"  # noqa: S105 - the name of a form field
_SESSION_KEY = "csrf"
_TOKEN_BYTES = 32

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
ASSET_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""For scripts and styles, which are no documents: a first view fetches a dozen of them."""
_ASSETS = frozenset({"text/javascript", "text/css"})

EDITOR_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'").replace(
        "frame-ancestors 'none'", "frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}
"""For the visual editor, in a frame: the elements of a message have styles. Scripts stay as strict."""

HSTS = "max-age=31536000"  # a year by HTTPS alone (RFC 6797)

_ENDED = N_(
    "This form has expired: your session ended or cookies are off. Nothing was changed. Reload the "
    "page and try again."
)
_UNKEPT = N_(
    "The browser keeps no session here, because this page was opened without HTTPS. Nothing was changed. "
    "Open Volley at %(url)s."
)
MESSAGE_HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'",
    "X-Frame-Options": "SAMEORIGIN",
}
"""For the HTML of a message, in a frame. It is a stranger's page: no scripts, no forms, nothing loaded, and
an origin of its own."""


def install(
    app: Quart,
    settings: Settings,
    *,
    exempt: Mapping[str, str],
    by_link: Mapping[str, str],
    long_forms: Mapping[str, Again],
    uploads: Mapping[str, int],
    long_bodies: Mapping[str, int],
) -> None:
    """Guard ``app``. ``exempt`` names the blueprints whose unsafe routes take no token, with the reason.

    ``by_link`` names those whose routes are open to whoever has the link, with the reason: their forms come
    from anywhere, and change nothing else. ``long_bodies`` says how many bytes such a blueprint takes, where
    that is more than a form's.
    ``long_forms`` names the endpoints whose forms hold a list or a message, with what shows such a form
    again where its session ended, so that nothing typed is lost. ``uploads`` names those that take a file,
    each with its most bytes: they get it from ``upload``.
    """
    app.extensions["csrf_exempt"], app.extensions["by_link"] = dict(exempt), dict(by_link)
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SESSION_COOKIE_NAME="volley",
        SESSION_COOKIE_PATH=settings.site.prefix or "/",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
    )
    app.session_interface = _Sessions()
    app.request_class = FormRequest
    app.asgi_http_class = Connection
    app.asgi_app = Door(app.asgi_app, settings)  # type: ignore[method-assign]
    names = settings.names

    async def check() -> ResponseReturnValue | None:
        _check_host(names)
        if request.routing_exception:  # it does nothing
            return None
        if request.method not in SAFE_METHODS and request.blueprint in by_link:
            request.max_content_length = long_bodies.get(request.blueprint or "", forms.SHORT)
            return await auth.guard()
        most = uploads.get(request.endpoint or "")
        if request.method not in SAFE_METHODS and most is not None:
            return await _check_upload(most)
        if request.method not in SAFE_METHODS and request.blueprint not in exempt:
            return await _check_form(long_forms.get(request.endpoint or ""))
        if request.method not in SAFE_METHODS:
            _check_origin("Origin", "Referer")
            _check_json()
        elif request.headers.get("Sec-Fetch-Mode") != "navigate":  # a link may lead here from anywhere
            _check_origin("Origin")
        return await auth.guard()

    app.before_request(check)
    app.after_request(_seal)
    app.jinja_env.globals["csrf_field"] = csrf_field


async def _check_form(again: Again | None) -> ResponseReturnValue | None:
    """Look where a form comes from, then at its token; a long one is read only for those who may send it."""
    ours, known = _check_origin("Origin"), _known_token()
    request.max_content_length = forms.LONGEST if again and (ours or known) else forms.SHORT
    if again is None:
        if not (known and await _has_token(known)):
            abort(403, _ended())
        return await auth.guard()
    try:
        answer = await auth.guard()
    except Unauthorized:
        if ours and (typed := await request.form):
            return await render_template("accounts/ended.html", typed=typed, path=request.path), 401
        raise
    if answer is not None or (known and await _has_token(known)):
        return answer
    if (request.content_length or 0) > request.max_content_length:
        abort(403, _ended())
    typed = await request.form
    return await again(typed, **(request.view_args or {})) if typed else abort(403, _ended())


def _ended() -> str:
    """Return why a form came without its session, and what to do."""
    if origins.secure() and request.headers.get("Origin", "").startswith("http:"):
        return _(_UNKEPT, url=services().settings.site.origin)
    return _(_ENDED)


async def _check_upload(most: int) -> ResponseReturnValue | None:
    """Look where a file comes from, and at the token before it; its bytes are still to come."""
    _check_origin("Origin")
    known = _known_token() or abort(403, _ended())
    if answer := await auth.guard():
        return answer
    g.upload = found = await forms.upload(most)
    if not hmac.compare_digest(known, _unmasked(found.fields.get(TOKEN_FIELD, ""))):
        abort(403, _ended())
    return None


def upload() -> Upload:
    """Return the file that this request brings."""
    found: Upload = g.upload
    return found


async def _has_token(known: bytes) -> bool:
    return hmac.compare_digest(known, _unmasked((await request.form).get(TOKEN_FIELD, "")))


class _Sessions(SecureCookieSessionInterface):
    """Keeps the token of forms in a cookie that, on HTTPS, no other host can set (RFC 6265bis 4.1.3.2)."""

    def get_cookie_name(self, app: Quart) -> str:
        name = super().get_cookie_name(app)
        return f"__Host-{name}" if origins.secure() else name

    def get_cookie_path(self, app: Quart) -> str:
        return "/" if origins.secure() else super().get_cookie_path(app)

    def get_cookie_secure(self, _app: Quart) -> bool:
        return origins.secure()


def cookie_rights() -> dict[str, Any]:
    """Return with what a cookie of ours is set: for our own pages only, out of reach of scripts."""
    path = services().settings.site.prefix or "/"
    return {"path": path, "secure": origins.secure(), "samesite": "Lax", "httponly": True}


def csrf_token() -> str:
    """Return the session's token, made at its first use, under a mask of its own.

    No two pages hold the same characters, so the length of a compressed page tells nothing of it. The forms
    of one page do, or a page of many would be mostly masks.
    """
    if _SESSION_KEY not in session:
        session[_SESSION_KEY] = secrets.token_hex(_TOKEN_BYTES)
    known = session[_SESSION_KEY]
    if g.get("csrf", ("", ""))[0] != known:
        mask = secrets.token_bytes(_TOKEN_BYTES)
        g.csrf = known, (mask + _crossed(mask, bytes.fromhex(known))).hex()
    return str(g.csrf[1])


def _unmasked(sent: str) -> bytes:
    """Return the token that was sent under a mask; empty if it is none."""
    try:
        data = bytes.fromhex(sent)
    except ValueError:
        return b""
    return _crossed(data[:_TOKEN_BYTES], data[_TOKEN_BYTES:]) if len(data) == 2 * _TOKEN_BYTES else b""


def _crossed(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def csrf_field() -> Markup:
    """Return the hidden field that every form carries."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(TOKEN_FIELD, csrf_token())


def _check_host(names: AbstractSet[str]) -> None:
    """Refuse a request for somebody else's name (RFC 9110 section 7.4)."""
    host = read_host(request.host)
    if host is None or host.name not in names:
        abort(
            421,
            _(
                "Volley doesn't answer to the host name %(name)s. Open %(url)s, or add this host to "
                "VOLLEY_URL or VOLLEY_HOSTS.",
                name=repr(request.host[:LONGEST_NAME]),
                url=services().settings.site.origin + services().at("/"),
            ),
        )


def _check_origin(*fields: str) -> bool:
    """Refuse what another site's page asks for; return whether one of ours did: a program says nothing.

    Fetch Metadata (W3C, section 2.4), which no page can write, then the first of ``fields`` that came: Origin
    (RFC 6454 section 7.3), and where no token will follow Referer, which proxies may change.
    """
    sites = set(request.headers.getlist("Sec-Fetch-Site"))
    pages: list[str] = next(filter(None, map(request.headers.getlist, fields)), [])
    known = origins.ours()
    foreign = next((page for page in pages if read_origin(page) not in known), "")
    if foreign or sites - {"same-origin", "none"}:
        abort(
            403,
            _(
                "This request came from another site, %(page)s. Nothing was changed. If that is Volley "
                "behind a proxy, set VOLLEY_URL to its public address.",
                page=repr(foreign[:LONGEST_NAME]),
            ),
        )
    return bool(pages) or "same-origin" in sites


def _check_json() -> None:
    has_body = request.mimetype or request.content_length or "Transfer-Encoding" in request.headers
    description = getattr(current_app.view_functions.get(request.endpoint or ""), "description", None)
    takes_file = bool(getattr(description, "upload", ()))
    if has_body and not (request.is_json or (takes_file and request.mimetype == forms.MULTIPART)):
        abort(415, "Send the body as JSON, with the header Content-Type: application/json.")


def _known_token() -> bytes:
    """Return the token of this session; empty if there is none, and then no form can be good."""
    return bytes.fromhex(session.get(_SESSION_KEY, ""))


async def _seal(response: Response) -> Response:
    for name, value in (ASSET_HEADERS if response.mimetype in _ASSETS else HEADERS).items():
        response.headers.setdefault(name, value)
    if origins.secure():
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    response.headers.setdefault(
        "Cache-Control", "no-store"
    )  # a page holds addresses, and its session's token
    return response
