"""A list that is added to the one that a draft has: what of it is new, and what is there already.

Reads in pieces, and changes nothing in the database.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import func, select

from mailing.addresses.findings import Duplicate, Note
from mailing.core.reasons import Reason
from mailing.core.tables import recipients
from mailing.lists import domain_counts

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from sqlalchemy import Connection

    from mailing.addresses.findings import Entry, ParsedList
    from mailing.lists.spools import Spool

Remark = TypeVar("Remark", Duplicate, Note)
Each = TypeVar("Each")

AT_ONCE = 500  # addresses or domains that one query looks for


def domains(
    connection: Connection, campaign_id: int, parsed: ParsedList, counted: Container[str]
) -> dict[str, int]:
    """Return how many recipients of a campaign have a domain of ``parsed`` that is not ``counted`` yet."""
    wanted = iter(domain_counts.count(it.email for it in parsed.entries))
    domain, found = recipients.c.domain, dict[str, int]()
    for some in _pieces(each for each in wanted if each not in counted):
        counts = select(domain, func.count()).where(recipients.c.campaign_id == campaign_id, domain.in_(some))
        found.update((row[0], row[1]) for row in connection.execute(counts.group_by(domain)))
    return found


def new_of(connection: Connection, campaign_id: int, parsed: ParsedList, fresh: Spool) -> ParsedList:
    """Return what is to be stored of ``parsed``, its recipients in ``fresh``.

    An address that the campaign's list has already is a duplicate.
    """
    present, noted = list[Duplicate](), list[Note]()
    fresh.fill(_new(connection, campaign_id, parsed.entries, present, noted))
    return replace(
        parsed,
        entries=fresh,
        duplicates=_by_line(parsed.duplicates, present),
        noted=_by_line(parsed.noted, noted),
    )


def _new(
    connection: Connection,
    campaign_id: int,
    entries: Iterable[Entry],
    present: list[Duplicate],
    noted: list[Note],
) -> Iterator[Entry]:
    """Yield the new ones, and keep what is to be said of them and of the others."""
    said = Reason("note.present")
    for some in _pieces(entries):
        known: dict[str, set[str]] = {}
        wanted = recipients.c.campaign_id == campaign_id, _LOWERED.in_([_lower(it.email) for it in some])
        for email in connection.execute(select(recipients.c.email).where(*wanted)).scalars():
            known.setdefault(_lower(email), set()).add(email)
        for entry in some:
            alike = known.get(_lower(entry.email), set())
            if entry.email in alike:
                present.append(Duplicate(entry.line, entry.email, 0, said))
                continue
            if alike:
                differs = Reason("note.present-in-case", address=min(alike))
                noted.append(Note(entry.line, entry.email, differs))
            yield entry


def _pieces(wanted: Iterable[Each]) -> Iterator[Sequence[Each]]:
    given = iter(wanted)
    while some := list(islice(given, AT_ONCE)):
        yield some


def _by_line(*remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    return tuple(sorted((one for some in remarks for one in some), key=lambda one: one.line))


def _lower(email: str) -> str:
    """Return what ``lower`` of both databases makes of an address: it knows ASCII only."""
    return email.encode().lower().decode()


_LOWERED = func.lower(recipients.c.email)
