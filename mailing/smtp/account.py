"""An SMTP account: where mail is handed over, how the line is protected, and how widely."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import unquote, urlsplit

from mailing.core.reasons import ReasonError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from mailing.core.reasons import Reason

TlsMode = Literal["none", "opportunistic", "starttls", "tls"]
"""``starttls`` requires it; ``opportunistic`` secures the line where the server offers to."""
AuthWay = Literal["", "plain", "login", "cram-md5", "xoauth2"]

_SCHEMES: dict[str, tuple[TlsMode, int]] = {
    "smtp": ("none", 25),
    "smtp+starttls": ("starttls", 587),
    "smtps": ("tls", 465),
}
_WAYS: tuple[AuthWay, ...] = ("plain", "login", "cram-md5")
REHEARSALS = "rehearsals"  # the account of what is rehearsed: no ``host:port`` is called so
DEMO_INBOX = "XVOLLEYDEMO"  # what the demo inbox alone says in EHLO (RFC 5321 section 4.1.1.1: private use)


class TokenError(ReasonError):
    """No access token can be had. ``lasts``: not before a person acts."""

    def __init__(self, reason: Reason, *, lasts: bool) -> None:
        super().__init__(reason)
        self.lasts = lasts


class Tokens(Protocol):
    """Where a sender that signs in by OAuth gets its access tokens."""

    async def get(self, *, instead_of: str = "") -> str:
        """Return one that can be used now, and another ``instead_of`` one that was refused.

        Raises ``TokenError``.
        """


@dataclass(frozen=True, slots=True)
class Sender:
    """One SMTP account. ``connections`` is the most that one worker process opens to it.

    ``auth`` is the way to sign in; empty: the best that the server offers. ``ca`` are certificates (PEM) that
    are trusted instead of the system's; without ``verify`` any certificate will do. Of a ``demo`` nothing
    leaves before the server has said that it is the demo inbox. ``id`` is that of its row; 0: it has none.
    One of the ``settings`` is known by its server, also before it has a row. What leaves by one that
    ``signs`` has our DKIM signature; else its server signs.
    """

    host: str
    port: int
    tls: TlsMode = "none"
    username: str = ""
    password: str = field(default="", repr=False)
    connections: int = 10
    auth: AuthWay = ""
    demo: bool = False
    id: int = 0
    settings: bool = True
    verify: bool = True
    ca: str = field(default="", repr=False)
    tokens: Tokens | None = field(default=None, repr=False)
    signs: bool = True

    @property
    def account(self) -> str:
        """By what its rests and its share of the work are known: they are those of one sender."""
        if self.demo:
            return REHEARSALS
        return account_of(self.username, self.server) if self.settings else kept_as(self.id)

    @property
    def server(self) -> str:
        """``host:port``, as written into each attempt; an IPv6 address stands in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def account_of(username: str, server: str) -> str:
    """Return ``user@host:port``."""
    return f"{username}@{server}" if username else server


def kept_as(sender_id: int) -> str:
    """Return the account of a sender with a row of its own; no host has a space in its name."""
    return f"sender {sender_id}"


def parse_sender(url: str, *, connections: int = 10) -> Sender:
    """Read ``smtp://``, ``smtp+starttls://`` or ``smtps://``, with ``user:password@`` where needed.

    ``?auth=plain``, ``login`` or ``cram-md5`` chooses how to sign in (RFC 4954).
    User and password are percent-decoded as UTF-8 (RFC 3986 section 2.1). Raises ``ValueError`` with the
    fix; its text never quotes the password.
    """
    if not re.fullmatch(r"[!-~\x80-\U0010ffff]*", url):  # urlsplit would drop a line break in silence
        raise ValueError("has a space or a line break; percent-encode it")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(
            "cannot be read; percent-encode the special characters in user and password"
        ) from None
    if parts.scheme not in _SCHEMES:
        raise ValueError("must start with smtp://, smtp+starttls:// or smtps://")
    if not parts.hostname:
        raise ValueError("has no host; use a URL such as smtp://mail.example.com:25")
    if parts.path not in {"", "/"} or parts.fragment or "@" in parts.query:
        raise ValueError("must end after host and port; percent-encode /, ? and # in a password")
    auth = _auth(parts.query)
    tls, default_port = _SCHEMES[parts.scheme]
    try:
        port = default_port if parts.port is None else parts.port
    except ValueError:
        port = 0
    if not port:
        raise ValueError("has a port outside 1 to 65535")
    username, password = _credentials(parts)
    if auth and not username:
        raise ValueError(f"has ?auth={auth} but no user and password to sign in with")
    return Sender(parts.hostname, port, tls, username, password, connections, auth)


def _auth(query: str) -> AuthWay:
    if not query:
        return ""
    name, _, way = query.lower().partition("=")
    if name != "auth":
        raise ValueError(
            "must end after host and port, or with ?auth=; percent-encode /, ? and # in a password"
        )
    for known in _WAYS:
        if way == known:
            return known
    raise ValueError(f"has an unknown ?auth=; use one of {', '.join(_WAYS)}")


def _credentials(parts: SplitResult) -> tuple[str, str]:
    try:
        username, password = (
            unquote(part or "", errors="strict") for part in (parts.username, parts.password)
        )
    except UnicodeDecodeError:
        raise ValueError("has a user or password that is not UTF-8; percent-encode its UTF-8 bytes") from None
    if "\0" in username + password:  # RFC 4616: PLAIN parts them by it
        raise ValueError("has a %00 in user or password, which no server accepts")
    if bool(username) != bool(password):
        raise ValueError("needs both a user and a password, or neither")
    return username, password
