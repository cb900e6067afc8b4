"""A list that is added to the one that a draft has: what of it is new, and what is there already.

Reads in pieces, and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import func, select

from mailing.addresses.findings import Duplicate, Note
from mailing.core.reasons import Reason
from mailing.core.tables import recipients
from mailing.lists import domain_counts

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from sqlalchemy import Connection

    from mailing.addresses.findings import ParsedList

Remark = TypeVar("Remark", Duplicate, Note)

AT_ONCE = 500  # addresses or domains that one query looks for


@dataclass(frozen=True, slots=True)
class Known:
    """What a stored list has of another: ``emails`` by their lower case, recipients by ``domains``."""

    emails: dict[str, set[str]] = field(default_factory=dict)
    domains: dict[str, int] = field(default_factory=dict)


def look_up(connection: Connection, campaign_id: int, parsed: ParsedList, counted: Container[str]) -> Known:
    """Find what a campaign's list has of ``parsed``; of its domains, those that are not ``counted``."""
    known = Known()
    mine, lowered, domain = recipients.c.campaign_id == campaign_id, _LOWERED, recipients.c.domain
    for some in _pieces([_lower(entry.email) for entry in parsed.entries]):
        for email in connection.execute(select(recipients.c.email).where(mine, lowered.in_(some))).scalars():
            known.emails.setdefault(_lower(email), set()).add(email)
    domains = domain_counts.count(entry.email for entry in parsed.entries)
    for some in _pieces([each for each in domains if each not in counted]):
        counts = select(domain, func.count()).where(mine, domain.in_(some)).group_by(domain)
        known.domains.update((row[0], row[1]) for row in connection.execute(counts))
    return known


def new_of(parsed: ParsedList, known: Known) -> ParsedList:
    """Return what is to be stored of ``parsed``: an address that is in the list already is a duplicate."""
    fresh, present, noted = [], [], []
    for entry in parsed.entries:
        alike = known.emails.get(_lower(entry.email), set())
        if entry.email in alike:
            present.append(Duplicate(entry.line, entry.email, 0, Reason("note.present")))
            continue
        fresh.append(entry)
        if alike:
            noted.append(Note(entry.line, entry.email, Reason("note.present-in-case", address=min(alike))))
    return replace(
        parsed,
        entries=tuple(fresh),
        duplicates=_by_line(parsed.duplicates, present),
        noted=_by_line(parsed.noted, noted),
    )


def _pieces(wanted: Sequence[str]) -> Iterator[Sequence[str]]:
    return (wanted[at : at + AT_ONCE] for at in range(0, len(wanted), AT_ONCE))


def _by_line(*remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    return tuple(sorted((one for some in remarks for one in some), key=lambda one: one.line))


def _lower(email: str) -> str:
    """Return what ``lower`` of both databases makes of an address: it knows ASCII only."""
    return email.encode().lower().decode()


_LOWERED = func.lower(recipients.c.email)
