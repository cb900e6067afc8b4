"""What a list holds in sum, counted when it is stored: so no page depends on how long a list is.

All functions that take a connection take an open one; those that write belong to the transaction of their
caller.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from mailing.core.tables import surveys
from mailing.ledger import receivers
from mailing.lists import domain_counts, shapes
from mailing.lists.domain_counts import DomainCounts
from mailing.lists.shapes import Shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from mailing.addresses.findings import ParsedList

NO_REMARKS = {"refused": 0, "duplicate": 0, "noted": 0, "column": 0}


@dataclass(frozen=True, slots=True)
class Survey:
    """The shapes of a list's recipients, their domains, and how many remarks of each kind there are."""

    shapes: Shapes = field(default_factory=Shapes)
    domains: DomainCounts = field(default_factory=DomainCounts)
    remarks: Mapping[str, int] = field(default_factory=lambda: dict(NO_REMARKS))

    def plus(self, parsed: ParsedList, domains: Mapping[str, int], *, gone: int = 0) -> Survey:
        """Return the survey of a list to which ``parsed`` is added, and that loses ``gone`` refused lines.

        ``domains`` has how many recipients the list has of the domains in ``parsed``.
        """
        remarks = {kind: n + self.remarks[kind] for kind, n in _remarks(parsed).items()}
        return Survey(
            self.shapes.plus(shapes.survey((it.email, it.name, it.fields) for it in parsed.entries)),
            self.domains.plus(domain_counts.count(it.email for it in parsed.entries), domains),
            {**remarks, "refused": remarks["refused"] - gone},
        )


def survey(parsed: ParsedList) -> Survey:
    """Count what a list holds. Takes a second or two for 1,000,000 recipients."""
    return Survey().plus(parsed, {})


def load(connection: Connection, campaign_id: int) -> Survey:
    """Return what a campaign's list holds in sum; nothing while it is not complete."""
    columns = surveys.c.shapes, surveys.c.domains, surveys.c.remarks
    row = connection.execute(select(*columns).where(surveys.c.campaign_id == campaign_id)).one_or_none()
    if row is None:
        return Survey()
    domains = domain_counts.load(row.domains) if row.domains else DomainCounts()
    return Survey(shapes.load(row.shapes), domains, NO_REMARKS | row.remarks)


def store(connection: Connection, campaign_id: int, found: Survey) -> None:
    """Store what a campaign's list holds now, in place of what it held; note whose receivers matter."""
    connection.execute(delete(surveys).where(surveys.c.campaign_id == campaign_id))
    connection.execute(
        insert(surveys).values(
            campaign_id=campaign_id,
            shapes=shapes.dump(found.shapes),
            domains=domain_counts.dump(found.domains),
            remarks=dict(found.remarks),
        )
    )
    receivers.note(connection, found.domains.top)


def _remarks(parsed: ParsedList) -> dict[str, int]:
    given = (parsed.refused, parsed.duplicates, parsed.noted, parsed.columns)
    return dict(zip(NO_REMARKS, map(len, given), strict=True))
