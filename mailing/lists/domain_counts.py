"""The domains of a list: how many recipients the most frequent have, and how many other domains there are.

Pure. The counts are exact, also after recipients were added: of a domain that is not among the most frequent,
whoever adds says how many recipients it had.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mailing.addresses.mailbox import domain_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TOP = 100  # domains whose recipients are counted


@dataclass(frozen=True, slots=True)
class DomainCounts:
    """``top`` has the recipients of each of the most frequent domains, the most frequent first."""

    top: Mapping[str, int] = field(default_factory=dict)
    others: int = 0  # domains that are not among them

    def plus(self, more: Mapping[str, int], before: Mapping[str, int]) -> DomainCounts:
        """Return the counts with ``more`` recipients of each domain.

        ``before`` has how many there were of each domain in ``more`` that is not in ``top``.
        """
        counts = Counter(self.top)
        for domain, n in more.items():
            counts[domain] += n + (0 if domain in self.top else before.get(domain, 0))
        fresh = sum(domain not in self.top and not before.get(domain) for domain in more)
        top = _most_frequent(counts)
        return DomainCounts(top, len(self.top) + self.others + fresh - len(top))


def count(emails: Iterable[str]) -> Counter[str]:
    """Return how many of the addresses each domain has."""
    return Counter(map(domain_of, emails))


def dump(counts: DomainCounts) -> dict[str, Any]:
    """Return the counts as JSON."""
    return {"top": [[domain, n] for domain, n in counts.top.items()], "others": counts.others}


def load(stored: Mapping[str, Any]) -> DomainCounts:
    """Return what ``dump`` made JSON of."""
    return DomainCounts({domain: n for domain, n in stored["top"]}, stored["others"])  # noqa: C416 - lists of two


def _most_frequent(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the first ``TOP``; those with as many recipients are in the order of their names."""
    return dict(heapq.nsmallest(TOP, counts.items(), key=lambda one: (-one[1], one[0])))
