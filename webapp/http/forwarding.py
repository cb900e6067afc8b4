"""What a trusted proxy tells about a request that it passes on: who asked, under which scheme and host.

``X-Forwarded-For``, ``-Proto`` and ``-Host`` are read, and ``Forwarded`` (RFC 7239) where none of them came.
Anybody may write such fields, and proxies add to what they got. So only what trusted proxies wrote is
believed: the list is read from its end, where each proxy names the one that it heard, until one that is not
trusted. That one is who asked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.sites import read_address, read_host, within

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mailing.sites import Host, Network

MOST_HOPS = 50
_SCHEMES = frozenset({"http", "https"})
_VALUE = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s",;]*)')


@dataclass(frozen=True, slots=True)
class Asked:
    """By which address a request was made, and how. ``scheme`` and ``host`` are None if nobody said so."""

    client: str
    scheme: str | None = None
    host: Host | None = None


def read(peer: str, fields: Iterable[tuple[str, str]], trusted: Sequence[Network]) -> Asked:
    """Return who asked and how. ``fields``: the header's, names in lower case; ``peer``: who connected."""
    address = read_address(peer)
    if address is None or not within(address, trusted):
        return Asked(peer)
    chains: dict[str, list[str]] = {"for": [], "proto": [], "host": []}
    standard: list[str] = []
    for name, value in fields:
        if name.startswith("x-forwarded-") and (kind := name.removeprefix("x-forwarded-")) in chains:
            chains[kind] += value.split(",")
        elif name == "forwarded":
            standard.append(value)
    if not any(chains.values()) and standard:
        chains = _standard(",".join(standard))
    client, hops = _walk(peer, chains["for"], trusted)
    scheme = _told(chains["proto"], hops).lower()
    return Asked(client, scheme if scheme in _SCHEMES else None, read_host(_told(chains["host"], hops)))


def _walk(peer: str, chain: Sequence[str], trusted: Sequence[Network]) -> tuple[str, int]:
    """Return the nearest address that is no trusted proxy's, and how many trusted proxies stand before it."""
    client, hops = peer, 1
    for text in reversed(chain[-MOST_HOPS:]):
        address = read_address(_bare(text))
        if address is None:  # "unknown" or hidden: it goes no further back
            break
        client = str(address)
        if not within(address, trusted):
            break
        hops += 1
    return client, hops


def _told(chain: Sequence[str], hops: int) -> str:
    """Return what the farthest trusted proxy wrote; one may overwrite where others add."""
    return chain[-min(hops, len(chain))].strip() if chain else ""


def _bare(text: str) -> str:
    """Return the address in ``192.0.2.1:80`` or ``[2001:db8::1]:80``."""
    text = text.strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _standard(value: str) -> dict[str, list[str]]:
    """Read a Forwarded field (RFC 7239 section 4): an element for each proxy. What it left out is empty."""
    elements = [_pairs(element) for element in _split(value, ",")[-MOST_HOPS:]]
    return {kind: [pairs.get(kind, "") for pairs in elements] for kind in ("for", "proto", "host")}


def _pairs(element: str) -> dict[str, str]:
    """Return what an element says; nothing if it is ill formed, as an open quote may hide a proxy."""
    pairs = {}
    for part in _split(element, ";"):
        name, _is, text = part.strip().partition("=")
        found = _VALUE.fullmatch(text)
        if not found:
            return {}
        pairs[name.lower()] = found[1] or found[2] or ""
    return pairs


def _split(value: str, sign: str) -> list[str]:
    """Divide at each ``sign`` that stands in no quotes."""
    parts, quoted, escaped, begun = [], False, False, 0
    for at, each in enumerate(value):
        if escaped:
            escaped = False
        elif each == "\\":
            escaped = quoted
        elif each == '"':
            quoted = not quoted
        elif each == sign and not quoted:
            parts.append(value[begun:at])
            begun = at + 1
    return [*parts, value[begun:]]
