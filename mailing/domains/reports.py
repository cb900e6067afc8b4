"""Aggregate reports of DMARC as they are kept: each once, for some months, and only about domains of ours.

All functions take an open connection; those that write belong to the transaction of their caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from mailing.core.clock import now_ms
from mailing.domains import keys, names
from mailing.domains.tables import dmarc_reports, dmarc_sources

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sqlalchemy import Connection

    from mailing.domains.aggregates import Aggregate

DAY_MS = 86_400_000
KEPT_DAYS = 180
SHOWN_DAYS = 30
REPORTS_MOST = 5_000  # of one domain that are kept: whoever sends more of them makes no room for others
ROWS_MOST = 5_000  # groups that are read to be shown
SHOWN_MOST = 100  # sources
_UNIQUE = ["domain", "reporter", "report_id"]


@dataclass(slots=True)
class Sent:
    """What one machine sent with a domain in From, as receivers say; an empty ``source``: all others.

    ``spf`` and ``dkim`` are how many emails passed and were aligned, ``passed`` how many did so by either.
    ``ours``: it is an address of ours, or it signs with a key of ours.
    """

    source: str
    n: int = 0
    spf: int = 0
    dkim: int = 0
    passed: int = 0
    quarantined: int = 0
    rejected: int = 0
    ours: bool = False
    spf_domain: str = ""
    dkim_domain: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """The reports about a domain of the last ``SHOWN_DAYS``: how many, by whom, and what was sent."""

    reports: int
    reporters: Sequence[str]
    last_at: int | None
    sources: Sequence[Sent]


def keep(connection: Connection, found: Aggregate) -> bool:
    """Keep a report; return whether it is new, and about a domain of ours."""
    if not _is_ours(connection, found.domain):
        return False
    there = select(func.count()).where(dmarc_reports.c.domain == found.domain)
    if connection.execute(there).scalar_one() >= REPORTS_MOST:
        return False
    values = {
        "domain": found.domain,
        "reporter": found.reporter,
        "report_id": found.report_id,
        "begin_at": found.begin_at,
        "end_at": found.end_at,
        "received_at": now_ms(),
        "policy": found.policy,
    }
    kind = postgresql if connection.dialect.name == "postgresql" else sqlite
    made = kind.insert(dmarc_reports).values(values).on_conflict_do_nothing(index_elements=_UNIQUE)
    report_id = connection.execute(made.returning(dmarc_reports.c.id)).scalar()
    if report_id is None:
        return False
    rows = [{"report_id": report_id, "n": n, **it._asdict()} for it, n in found.sources.items()]
    if rows:
        connection.execute(insert(dmarc_sources), rows)
    return True


def summary(connection: Connection, domain: str, addresses: Collection[str]) -> Summary:
    """Return what receivers reported about a domain; ``addresses`` are those of our own mail server."""
    since = now_ms() - SHOWN_DAYS * DAY_MS
    r, s = dmarc_reports, dmarc_sources
    joined = r.outerjoin(s, s.c.report_id == r.c.id)
    about = or_(r.c.domain == domain, s.c.header_from == domain), r.c.received_at >= since
    n, last = func.count(r.c.id.distinct()).label("n"), func.max(r.c.end_at).label("last")
    counted = select(r.c.reporter, n, last)
    by = connection.execute(counted.select_from(joined).where(*about).group_by(r.c.reporter)).all()
    groups = [it for it in s.c if it.name not in {"id", "report_id", "n", "header_from"}]
    total = func.sum(s.c.n).label("n")
    statement = select(*groups, total).select_from(joined).where(*about, s.c.n.is_not(None))
    statement = statement.group_by(*groups).order_by(total.desc()).limit(ROWS_MOST)
    selectors = {(it.domain, it.selector) for it in keys.every(connection)}
    sent: dict[str, Sent] = {}
    for row in connection.execute(statement):
        it, emails = sent.setdefault(row.source, Sent(row.source)), int(row.n)
        it.n += emails
        it.spf += emails * row.spf
        it.dkim += emails * row.dkim
        it.passed += emails * (row.spf or row.dkim)
        it.quarantined += emails * (row.disposition == "quarantine")
        it.rejected += emails * (row.disposition == "reject")
        it.ours |= row.source in addresses or (row.dkim_domain, row.selector) in selectors
        it.spf_domain, it.dkim_domain = it.spf_domain or row.spf_domain, it.dkim_domain or row.dkim_domain
    ordered = sorted(sent.values(), key=lambda it: -it.n)[:SHOWN_MOST]
    reporters = [row.reporter for row in sorted(by, key=lambda row: -row.n)]
    return Summary(sum(row.n for row in by), reporters, max((row.last for row in by), default=None), ordered)


def forget(connection: Connection, rows: int) -> int:
    """Delete at most ``rows`` reports that came more than ``KEPT_DAYS`` ago; return how many."""
    until = now_ms() - KEPT_DAYS * DAY_MS
    old = select(dmarc_reports.c.id).where(dmarc_reports.c.received_at <= until).limit(rows)
    return connection.execute(delete(dmarc_reports).where(dmarc_reports.c.id.in_(old))).rowcount


def _is_ours(connection: Connection, domain: str) -> bool:
    """Whether mail of ours comes from a domain, or from one below it, for which its policy counts."""
    ours = {*names.of_campaigns(connection), *(it.domain for it in keys.every(connection))}
    return any(each == domain or each.endswith(f".{domain}") for each in ours)
