"""OpenID Connect, as the settings have it: who the issuer is, and how Volley is known to it.

Pure. Every process reads the settings; what proves tokens is loaded only by the one that signs people in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from mailing.accounts.roles import Role

_LONGEST_NAME = 40
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class OpenId:
    """How people sign in elsewhere, from the settings. ``name`` is what people call the issuer.

    ``default_role`` is that of accounts made at the first sign-in; without it none are made.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str
    role_claim: str
    default_role: Role | None

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", urlsplit(self.issuer).hostname)


def read_issuer(text: str) -> str:
    """Read an issuer's address as the settings name it. Raises ``ValueError``."""
    if text and (not safe(text) or "?" in text):
        raise ValueError(f"{text!r} is not an issuer; use a URL such as https://login.example.com")
    return text


def read_name(text: str) -> str:
    """Read what a button calls the issuer. Raises ``ValueError``."""
    if len(text) > _LONGEST_NAME or not text.isprintable():
        raise ValueError(f"must be one line of at most {_LONGEST_NAME} characters")
    return text


def read_role(text: str) -> Role | None:
    """Read a role; None if there is none. Raises ``ValueError``."""
    if text and text not in set(Role):
        raise ValueError(f"{text!r} must be one of {', '.join(Role)}")
    return Role(text) if text else None


def safe(url: object) -> str:
    """Return an address to which nobody can read or change what is sent; empty if it is not such an address.

    Such are addresses with TLS, and those of this machine.
    """
    if not isinstance(url, str):
        return ""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        return ""
    plain = url.isprintable() and " " not in url and "@" not in parts.netloc and not parts.fragment
    private = parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    return url if host and plain and private else ""
