"""Where people find Volley: its public address, the names it answers to, the proxies it believes.

``split`` is the one way in which an address that somebody else wrote is taken apart: it never raises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from urllib.parse import SplitResult

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST_NAME = 253  # RFC 1035 section 2.3.4, without the root's dot
_PORTS = {"http": 80, "https": 443}
_PORT_MAX = 65535
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@/?#\s]+)(?::(?P<port>[0-9]{0,5}))?")
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")


@dataclass(frozen=True, slots=True)
class Host:
    """A host as an address names it: lower case, A-labels, an IPv6 address without brackets. 0: no port."""

    name: str
    port: int = 0

    def __str__(self) -> str:
        name = f"[{self.name}]" if ":" in self.name else self.name
        return f"{name}:{self.port}" if self.port else name


@dataclass(frozen=True, slots=True)
class Site:
    """An address under which Volley is reached. ``prefix`` is empty or like ``/volley``."""

    scheme: str
    host: Host
    prefix: str = ""

    @property
    def origin(self) -> str:
        """Return what a browser calls the origin of its pages (RFC 6454 section 6.2)."""
        return f"{self.scheme}://{self.host}"

    @property
    def url(self) -> str:
        """The whole of it, without a slash behind it."""
        return self.origin + self.prefix

    def at(self, path: str) -> str:
        """Return the address of ``path``, from the root of the host."""
        return self.prefix + path


def split(url: str) -> SplitResult | None:
    """Take apart an address that somebody else wrote; None if it is none (RFC 3986)."""
    try:
        parts = urlsplit(url)
        parts.port, parts.hostname  # noqa: B018 - each raises for itself
    except ValueError:
        return None
    return parts


def read_host(text: str) -> Host | None:
    """Read a Host field or an authority (RFC 9110 section 7.2); None if it names no host."""
    found = _AUTHORITY.fullmatch(text.strip())
    if not found or int(found["port"] or 0) > _PORT_MAX:
        return None
    name = _name(found["host"])
    return Host(name, int(found["port"] or 0)) if name else None


def read_origin(text: str) -> str:
    """Return an Origin field as ``Site.origin`` writes it; empty if it is none, or of a page without one."""
    parts = split(text.strip())
    host = read_host(parts.netloc) if parts and parts.scheme in _PORTS else None
    return origin(parts.scheme, host) if parts and host else ""


def origin(scheme: str, host: Host) -> str:
    """Return the origin of a host under ``scheme``."""
    return Site(scheme, plain(scheme, host)).origin


def plain(scheme: str, host: Host) -> Host:
    """Return a host without the port that ``scheme`` has anyway."""
    return Host(host.name, 0 if host.port == _PORTS.get(scheme) else host.port)


def read_site(value: str) -> Site:
    """Read a public address; raise ``ValueError`` with what is wrong with it."""
    example = "use a URL such as https://mail.example.com or https://example.com/volley"
    parts = split(value)
    host = read_host(parts.netloc) if parts else None
    if not parts or parts.scheme not in _PORTS or not host:
        raise ValueError(f"{value!r} is not the URL of a site; {example}")
    if parts.query or parts.fragment or not _PREFIX.fullmatch(parts.path.rstrip("/")):
        raise ValueError(f"{value!r} has an invalid path; use letters, digits, dots and hyphens")
    if {".", ".."} & set(parts.path.split("/")):
        raise ValueError(f"{value!r} has a path with . or ..; {example}")
    return Site(parts.scheme, plain(parts.scheme, host), parts.path.rstrip("/"))


def read_names(value: str) -> frozenset[str]:
    """Read host names with commas or spaces between them; raise ``ValueError`` at what is none."""
    names = set()
    for text in _listed(value):
        host = read_host(text)
        if host is None or host.port:
            raise ValueError(
                f"{text!r} is not a host name; use names only, such as mail.example.com 192.0.2.7"
            )
        names.add(host.name)
    return frozenset(names)


def read_networks(value: str) -> tuple[Network, ...]:
    """Read addresses and networks, commas or spaces between them; raise ``ValueError`` at what is none."""
    try:
        return tuple(ip_network(text) for text in _listed(value))
    except ValueError as error:
        raise ValueError(f"{error}; use addresses or networks, such as 127.0.0.1 10.0.0.0/8") from None


def read_address(text: str) -> Address | None:
    """Read an IP address; None if it is none. An IPv4 address in IPv6's clothes is one of IPv4."""
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (isinstance(found, IPv6Address) and found.ipv4_mapped) or found


def within(address: Address, networks: Iterable[Network]) -> bool:
    """Whether one of ``networks`` holds ``address``."""
    return any(address in network for network in networks)


def _listed(value: str) -> list[str]:
    return [text for text in re.split(r"[,\s]+", value) if text]


def _name(text: str) -> str:
    """Return a host's name in the one way to write it; empty if it is none."""
    if text.startswith("["):
        address = read_address(text[1:-1])
        return address.compressed if isinstance(address, IPv6Address) else ""
    try:
        name = text.rstrip(".") if text.isascii() else text.encode("idna").decode()
    except UnicodeError:
        return ""
    name = name.lower()
    return name if len(name) <= LONGEST_NAME and _NAME.fullmatch(name) else ""
