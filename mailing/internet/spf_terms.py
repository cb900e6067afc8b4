"""The terms of an SPF record (RFC 7208 sections 4.6, 5 to 7), its macros, and how one is changed. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from ipaddress import IPv4Address, IPv6Address

    Address: TypeAlias = IPv4Address | IPv6Address

NAME_MOST = 253  # characters of an expanded name (section 7.3)
TERMS_MOST = 300
_MECHANISMS = "all|include|a|mx|ptr|ip4|ip6|exists"
_TERM = re.compile(rf"([+?~-]?)({_MECHANISMS})(?:(?=/)|:|\Z)(.*)", re.IGNORECASE | re.DOTALL)
_MODIFIER = re.compile(r"([a-z][a-z0-9._-]*)=(.*)", re.IGNORECASE | re.DOTALL)
_CIDR = re.compile(r"(.*?)(?:/(0|[1-9]\d?))?(?://(0|[1-9]\d{0,2}))?", re.DOTALL)
_MACRO = re.compile(r"%(?:%|_|-|\{([slodiphv])(\d{0,3})(r?)([.\-+,/_=]*)\})", re.IGNORECASE)
_SPEC = re.compile(r"(?:[!-$&-~]|%[%_-]|%\{[slodiphv]\d{0,3}r?[.\-+,/_=]*\})+", re.IGNORECASE)
_ASKING = frozenset({"include", "a", "mx", "ptr", "exists"})
_NAMED = frozenset({"include", "exists"})  # that need a domain
_LITERAL = {"%%": "%", "%_": " ", "%-": "%20"}


class TermError(ValueError):
    """A term is none that the RFC knows; as text it is the term."""


@dataclass(frozen=True, slots=True)
class Term:
    """A mechanism. ``spec`` may have macros; ``prefixes`` are the lengths for IPv4 and IPv6 addresses."""

    qualifier: str
    kind: str
    spec: str = ""
    prefixes: tuple[int, int] = (32, 128)
    network: IPv4Network | IPv6Network | None = None

    @property
    def asks(self) -> bool:
        """Whether it counts as a look-up (section 4.6.4)."""
        return self.kind in _ASKING


@dataclass(frozen=True, slots=True)
class Record:
    """A record as far as it counts: nothing behind ``all``, and no ``redirect`` beside it."""

    terms: Sequence[Term]
    redirect: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """What is asked about: the address that connects, and the envelope sender."""

    address: Address
    local: str
    domain: str
    helo: str


def is_record(text: str) -> bool:
    """Whether a TXT record is one of SPF (section 4.5)."""
    return text.lower().partition(" ")[0] == "v=spf1"


def parse(text: str) -> Record:
    """Read a record. Raises ``TermError`` for a term that makes all of it void."""
    terms: list[Term] = []
    modifiers: dict[str, str] = {}
    words = text.split(" ")[1:]
    if len(words) > TERMS_MOST:
        raise TermError(words[TERMS_MOST])
    for word in filter(None, words):
        if found := _MODIFIER.fullmatch(word):
            name = found[1].lower()
            if name in {"redirect", "exp"} and (name in modifiers or not _SPEC.fullmatch(found[2])):
                raise TermError(word)
            modifiers[name] = found[2]
        else:
            terms.append(_term(word))
    upto = next((n for n, it in enumerate(terms, 1) if it.kind == "all"), None)
    return Record(terms[:upto], modifiers.get("redirect", "") if upto is None else "")


def _term(word: str) -> Term:
    found = _TERM.fullmatch(word)
    if not found:
        raise TermError(word)
    qualifier, kind, rest = found[1] or "+", found[2].lower(), found[3]
    given = ":" in word[: len(word) - len(rest)]
    if kind == "all" and not given and not rest:
        return Term(qualifier, kind)
    if kind in {"ip4", "ip6"} and given:
        return Term(qualifier, kind, network=_network(kind, rest, word))
    if kind in {"a", "mx"}:
        spec, four, six = _CIDR.fullmatch(rest).groups()  # type: ignore[union-attr]  # it fits any text
        prefixes = int(four or 32), int(six or 128)
        if bool(spec) == given and prefixes[0] <= 32 and prefixes[1] <= 128 and _fits(spec):  # noqa: PLR2004
            return Term(qualifier, kind, spec, prefixes)
    named = given if kind in _NAMED else kind == "ptr" and bool(rest) == given
    if named and _fits(rest) and bool(rest) == given:
        return Term(qualifier, kind, rest)
    raise TermError(word)


def _fits(spec: str) -> bool:
    return not spec or _SPEC.fullmatch(spec) is not None


def _network(kind: str, text: str, word: str) -> IPv4Network | IPv6Network:
    prefix = text.partition("/")[2]
    if prefix and not prefix.isdecimal():  # a netmask is none
        raise TermError(word)
    try:
        return IPv4Network(text, strict=False) if kind == "ip4" else IPv6Network(text, strict=False)
    except ValueError:
        raise TermError(word) from None


def expand(spec: str, mail: Mail, domain: str) -> str:
    """Return a name with its macros filled in (section 7); ``domain`` is whose record is read.

    Of the name of the connecting address (``p``), which nobody should use, it is "unknown".
    """
    values = {
        "s": f"{mail.local}@{mail.domain}",
        "l": mail.local,
        "o": mail.domain,
        "d": domain,
        "i": _dotted(mail.address),
        "p": "unknown",
        "v": "in-addr" if mail.address.version == 4 else "ip6",  # noqa: PLR2004
        "h": mail.helo,
    }

    def filled(found: re.Match[str]) -> str:
        if not found[1]:
            return _LITERAL[found[0]]
        value = values[found[1].lower()]
        parts = re.split("[" + re.escape(found[4] or ".") + "]", value)
        if found[3]:
            parts.reverse()
        if found[2] and int(found[2]):
            parts = parts[-int(found[2]) :]
        joined = ".".join(parts)
        return quote(joined, safe="") if found[1].isupper() else joined

    name = _MACRO.sub(filled, spec).removesuffix(".").lower()
    while len(name) > NAME_MOST and "." in name:
        name = name.partition(".")[2]
    return name[:NAME_MOST]


def _dotted(address: Address) -> str:
    if address.version == 4:  # noqa: PLR2004
        return str(address)
    return ".".join(address.exploded.replace(":", ""))


def merged(records: Sequence[str], includes: Iterable[str], addresses: Iterable[str]) -> str:
    """Return the one record that says what these say, and names these includes and addresses too.

    New terms stand before the first ``all``; one that lets everybody send is made ``~all``.
    """
    words = [word for record in records for word in record.split()[1:]]
    ends = [word for word in words if word.lower().lstrip("+-~?") == "all"]
    modifiers = [word for word in words if _MODIFIER.fullmatch(word)]
    own = [word for word in words if word not in ends and word not in modifiers]
    new = [f"include:{each}" for each in includes]
    new += [f"ip{ip_address(each).version}:{each}" for each in addresses]
    there = {word.lower().lstrip("+") for word in own}
    terms = [*own, *(word for word in new if word.lower() not in there)]
    redirects = any(word.lower().startswith("redirect=") for word in modifiers)
    end = [] if redirects and not ends else [ends[0] if ends and ends[0][0] in "-~?" else "~all"]
    return " ".join(dict.fromkeys(("v=spf1", *terms, *end, *modifiers)))


def covers(network: IPv4Network | IPv6Network, address: Address) -> bool:
    """Whether an address is in a network of its own family."""
    return network.version == address.version and address in network


def around(address: str, prefixes: tuple[int, int]) -> IPv4Network | IPv6Network:
    """Return the network of an address that a name has, as long as the term says."""
    version = ip_address(address).version
    return ip_network(f"{address}/{prefixes[0 if version == 4 else 1]}", strict=False)  # noqa: PLR2004
