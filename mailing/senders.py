"""An SMTP account: where mail is handed over, how the line is protected, and how widely."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

TlsMode = Literal["none", "starttls", "tls"]

_SCHEMES: dict[str, tuple[TlsMode, int]] = {
    "smtp": ("none", 25),
    "smtp+starttls": ("starttls", 587),
    "smtps": ("tls", 465),
}


@dataclass(frozen=True, slots=True)
class Sender:
    """One SMTP account. ``connections`` is the most that one worker process opens to it."""

    host: str
    port: int
    tls: TlsMode = "none"
    username: str = ""
    password: str = field(default="", repr=False)
    connections: int = 10

    @property
    def server(self) -> str:
        """``host:port``, as written into each attempt."""
        return f"{self.host}:{self.port}"


def parse_sender(url: str, *, connections: int = 10) -> Sender:
    """Read ``smtp://``, ``smtp+starttls://`` or ``smtps://``, with ``user:password@`` where needed.

    The password is percent-decoded (RFC 3986 section 2.1). Raises ``ValueError`` with the fix.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        raise ValueError("must start with smtp://, smtp+starttls:// or smtps://")
    if not parts.hostname:
        raise ValueError("names no host; write it like smtp://mail.example.com:25")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("must end after host and port; percent-encode /, ? and # in a password")
    tls, default_port = _SCHEMES[parts.scheme]
    try:
        port = parts.port or default_port
    except ValueError:
        raise ValueError("has a port that is no number from 1 to 65535") from None
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if bool(username) != bool(password):
        raise ValueError("needs both a user and a password, or neither")
    return Sender(parts.hostname, port, tls, username, password, connections)
