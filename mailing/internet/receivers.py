"""The receiver of a domain: who takes in its mail, and so whose limits hold. Its rules: ``receivers.toml``.

A receiver is called by a key: one of the rules', ``mx:`` and the organisational domain of an exchanger that
no rule knows, or the domain itself, where it has no other exchanger or nobody could be asked. So domains that
only seem unlike, such as those that Google hosts, share a lane.
"""

from __future__ import annotations

import asyncio
import tomllib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Protocol

from mailing.internet.names import UnansweredError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

AT_ONCE = 10
ALL_S = 20.0  # for the domains that are asked about in one go
SILENT_MAX = 10  # unanswered ones before the first answer: nobody can be asked from here
_HOST = "mx:"
_NEVER = frozenset({"example", "test", "invalid", "localhost", "local", "onion"})  # RFC 6761, 6762, 7686
_COUNTRY = 2  # letters
_SECOND = frozenset({"ac", "co", "com", "edu", "gob", "gov", "gouv", "net", "ne", "or", "org"})


class Exchangers(Protocol):
    """Who knows the mail exchangers of domains."""

    async def exchangers(self, name: str) -> tuple[str, ...]:
        """Return those of a domain, the preferred first. Raises ``UnansweredError``."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of ``receivers.toml``."""

    key: str
    name: str
    domains: Sequence[str]
    exchangers: Sequence[str]
    example: str
    source: str

    def fits(self, host: str) -> bool:
        """Whether an exchanger of this name is theirs."""
        return any(host == end or host.endswith(f".{end}") for end in self.exchangers)


def known(domain: str) -> str | None:
    """Return the receiver of a domain that need not be asked about: itself where no name server has it."""
    return _KNOWN.get(domain) or (domain if domain.rpartition(".")[2] in _NEVER else None)


def receiver(domain: str, hosts: Sequence[str]) -> str:
    """Return the receiver of a domain with these exchangers, the preferred ones first."""
    names = [host.rstrip(".").lower() for host in hosts]
    for host in names:
        if rule := next((rule for rule in RULES if rule.fits(host)), None):
            return rule.key
    own = organisation(domain)
    if not names or not names[0] or organisation(names[0]) == own:
        return domain
    return f"{_HOST}{organisation(names[0])}"


def domains_of(key: str) -> Sequence[str]:
    """Return the domains that a receiver's rule names; none where no rule has it."""
    return next((rule.domains for rule in RULES if rule.key == key), ())


def organisation(name: str) -> str:
    """Return the last labels of a name, as many as tell whose it is in most countries."""
    labels = name.rstrip(".").lower().split(".")
    short = len(labels[-1]) == _COUNTRY and labels[-2:-1] and labels[-2] in _SECOND
    return ".".join(labels[-3:] if short else labels[-2:])


def name_of(key: str) -> str:
    """Return how people call a receiver."""
    return _NAMES.get(key, key.removeprefix(_HOST))


async def look_up(domains: Iterable[str], names: Exchangers) -> Mapping[str, str]:
    """Return the receivers of those domains that gave an answer, within ``ALL_S`` in all."""
    found: dict[str, str] = {}
    waiting, silent = iter(domains), 0

    async def go_on() -> None:
        nonlocal silent
        for domain in waiting:
            if not found and silent >= SILENT_MAX:
                return
            try:
                found[domain] = receiver(domain, await names.exchangers(domain))
            except UnansweredError:
                silent += 1

    try:
        async with asyncio.timeout(ALL_S):
            await asyncio.gather(*(go_on() for _ in range(AT_ONCE)))
    except TimeoutError:
        pass
    return found


_BOOK = tomllib.loads(resources.files(__package__).joinpath("receivers.toml").read_text("utf-8"))
RULES: Sequence[Rule] = tuple(
    Rule(
        row["key"],
        row["name"],
        tuple(row.get("domains", ())),
        tuple(row["exchangers"]),
        row["example"],
        row["source"],
    )
    for row in _BOOK["receiver"]
)
_KNOWN = {domain: rule.key for rule in RULES for domain in rule.domains}
_NAMES = {rule.key: rule.name for rule in RULES}
