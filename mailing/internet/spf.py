"""A domain's SPF record (RFC 7208), and how many look-ups it takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.internet.findings import Finding, Light

if TYPE_CHECKING:
    from mailing.internet.names import Names

LOOKUPS_MOST = 10  # RFC 7208 section 4.6.4
_ASKS = re.compile(r"(?:a|mx|ptr|exists)(?:[:/].*)?")
_EVERYBODY = frozenset({"all", "+all"})


class _FaultyError(Exception):
    """The record, or one that it includes, cannot be used."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


async def finding(domain: str, names: Names) -> Finding:
    """Return what the SPF record of a domain is worth. Raises ``UnansweredError``."""
    records = await _records(domain, names)
    if not records:
        return Finding(Light.AMBER, Reason("spf.none", domain=domain), Reason("spf.add"))
    if len(records) > 1:
        return Finding(Light.RED, Reason("spf.several", domain=domain, n=len(records)), Reason("spf.join"))
    terms = records[0].lower().split()
    if _EVERYBODY & set(terms):
        return Finding(Light.RED, Reason("spf.everybody", domain=domain), Reason("spf.narrow"))
    try:
        await _Count(names).of(records[0])
    except _FaultyError as fault:
        return Finding(Light.RED, fault.reason, Reason("spf.repair"))
    return Finding(Light.GREEN, Reason("spf.there", domain=domain), Reason("spf.compare"))


async def _records(domain: str, names: Names) -> list[str]:
    return [text for text in await names.texts(domain) if text.lower().partition(" ")[0] == "v=spf1"]


class _Count:
    """The look-ups of a record and of all that it includes."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._n = 0

    async def of(self, record: str) -> None:
        for term in record.split()[1:]:
            word = term.lower().lstrip("+-~?")
            kind, mark, target = word.partition(":" if word.startswith("include:") else "=")
            if mark and kind in {"include", "redirect"}:
                self._one_more()
                if "%" not in target:  # a macro stands for something else at each mail
                    await self._included(target)
            elif _ASKS.fullmatch(word):
                self._one_more()

    async def _included(self, target: str) -> None:
        found = await _records(target, self._names)
        if len(found) != 1:
            raise _FaultyError(Reason("spf.broken-include", domain=target))
        await self.of(found[0])

    def _one_more(self) -> None:
        self._n += 1
        if self._n > LOOKUPS_MOST:
            raise _FaultyError(Reason("spf.too-many-lookups", most=LOOKUPS_MOST))
