"""Reports and what they count for, to read; and how they are forgotten after some days."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, or_, select

from mailing.addresses import address_search
from mailing.bounces.causes import BounceClass, Cause
from mailing.bounces.following import COMPLAINED, DAY_MS
from mailing.bounces.reading import Kind
from mailing.bounces.tables import bounce_tallies, report_texts, reports
from mailing.core.clock import now_ms
from mailing.core.tables import campaigns, recipients

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

_COLUMNS = [it for it in reports.c if it.name != "digest"]


class Sort(StrEnum):
    """By what people look through reports."""

    DEAD = "dead"
    SOFT = "soft"
    POLICY = "policy"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    DELAYED = "delayed"
    REPLIED = "auto-reply"
    UNMATCHED = "unmatched"  # of nobody that anything was sent to


_CLASSES = {Sort.DEAD: BounceClass.HARD, Sort.SOFT: BounceClass.SOFT, Sort.POLICY: BounceClass.POLICY}


AGAIN_DAYS = 2  # longer than any proof of a request counts (``feedback.proofs``)


@dataclass(frozen=True, slots=True)
class Kept:
    """A report that is kept. ``email`` is its recipient of ours, who was sent the email at ``sent_at``.

    ``title`` is the subject of that campaign. Times in ms since 1970.
    """

    id: int
    received_at: int
    source: str
    kind: Kind
    campaign_id: int | None
    recipient_id: int | None
    matched_by: str
    cause: Cause | None
    status: str
    diagnostic: str
    named: str
    reporter: str
    sender: str
    subject: str
    email: str | None
    sent_at: int | None
    title: str | None

    @property
    def after_ms(self) -> int | None:
        """How long after the sending it came; None if nobody knows."""
        return None if self.sent_at is None else max(self.received_at - self.sent_at, 0)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many recipients of a campaign bounced, by class, and how many complained."""

    hard: int = 0
    soft: int = 0
    policy: int = 0
    complained: int = 0

    @property
    def bounced(self) -> int:
        """How many emails came back."""
        return self.hard + self.soft + self.policy


def find(
    connection: Connection,
    *,
    kind: Kind | None = None,
    campaign_id: int | None = None,
    sort: Sort | None = None,
    q: str = "",
    before: int | None = None,
    limit: int = 50,
) -> Sequence[Kept]:
    """Return reports, the latest first; ``before`` an id.

    ``q`` is a piece of an address, of an enhanced status code, or of the server's words.
    """
    statement = _select().where(*_searched(q), *_sorted(sort))
    if kind is not None:
        statement = statement.where(reports.c.kind == kind)
    if campaign_id is not None:
        statement = statement.where(reports.c.campaign_id == campaign_id)
    if before is not None:
        statement = statement.where(reports.c.id < before)
    return _read(connection, statement.order_by(reports.c.id.desc()).limit(limit))


def count(connection: Connection, sort: Sort | None = None, q: str = "", after: int = 0) -> int:
    """Return how many ``find`` would find, of those whose id is above ``after``."""
    joined = reports.outerjoin(recipients, recipients.c.id == reports.c.recipient_id)
    statement = select(func.count()).select_from(joined).where(*_searched(q), *_sorted(sort))
    return int(connection.execute(statement.where(reports.c.id > after)).scalar_one())


def newest(connection: Connection) -> int:
    """Return the id of the latest report; 0 if there is none."""
    return int(connection.execute(select(func.max(reports.c.id))).scalar() or 0)


def of_recipient(connection: Connection, recipient_id: int, most: int = 20) -> Sequence[Kept]:
    """Return the reports about a recipient, the latest first."""
    statement = _select().where(reports.c.recipient_id == recipient_id)
    return _read(connection, statement.order_by(reports.c.id.desc()).limit(most))


def get(connection: Connection, report_id: int) -> Kept | None:
    """Return a report; None if it is not there."""
    return next(iter(_read(connection, _select().where(reports.c.id == report_id))), None)


def text(connection: Connection, report_id: int) -> bytes | None:
    """Return how a report begins, as it came; None if that is forgotten."""
    raw = select(report_texts.c.raw).where(report_texts.c.report_id == report_id)
    found: bytes | None = connection.execute(raw).scalar()
    return found


def counts(connection: Connection, campaign_id: int) -> Counts:
    """Return how many recipients of a campaign bounced and complained."""
    return counts_of(connection, [campaign_id])[campaign_id]


def counts_of(connection: Connection, campaign_ids: Sequence[int]) -> Mapping[int, Counts]:
    """Return the same of several campaigns, in one query."""
    table = bounce_tallies
    found: dict[int, dict[str, int]] = {id_: {} for id_ in campaign_ids}
    statement = select(table).where(table.c.campaign_id.in_(campaign_ids))
    for row in connection.execute(statement) if found else ():
        found[row.campaign_id][row.what] = row.n
    names = (*map(str, BounceClass), COMPLAINED)
    return {id_: Counts(**{name: n.get(name, 0) for name in names}) for id_, n in found.items()}


def forget(connection: Connection, days: int, rows: int) -> int:
    """Delete at most ``rows`` texts that came more than ``days`` ago, and reports about nobody of ours.

    These stay ``AGAIN_DAYS`` at least, so that what a provider posts again is known. Returns how many.
    """
    until = now_ms() - days * DAY_MS
    old = select(report_texts.c.report_id).where(report_texts.c.received_at <= until).limit(rows)
    done = connection.execute(delete(report_texts).where(report_texts.c.report_id.in_(old))).rowcount
    if done < rows:
        known = min(until, now_ms() - AGAIN_DAYS * DAY_MS)
        nobody = reports.c.received_at <= known, reports.c.recipient_id.is_(None)
        some = select(reports.c.id).where(*nobody).limit(rows - done)
        done += connection.execute(delete(reports).where(reports.c.id.in_(some))).rowcount
    return done


def _select() -> Select[Any]:
    joined = reports.outerjoin(recipients, recipients.c.id == reports.c.recipient_id).outerjoin(
        campaigns, campaigns.c.id == reports.c.campaign_id
    )
    sent_at, title = recipients.c.changed_at.label("sent_at"), campaigns.c.subject.label("title")
    return select(*_COLUMNS, recipients.c.email, sent_at, title).select_from(joined)


def _searched(q: str) -> Sequence[ColumnElement[bool]]:
    if not q:
        return ()
    places = (recipients.c.email, reports.c.named, reports.c.status, reports.c.diagnostic)
    return (or_(*(func.lower(it).contains(address_search.small(q), autoescape=True) for it in places)),)


def _sorted(sort: Sort | None) -> Sequence[ColumnElement[bool]]:
    if sort is None:
        return ()
    if sort is Sort.UNMATCHED:
        return (reports.c.recipient_id.is_(None),)
    if sort in _CLASSES:
        causes = [it.value for it in Cause if it.bounce_class is _CLASSES[sort]]
        return reports.c.kind == Kind.BOUNCED.value, reports.c.cause.in_(causes)
    return (reports.c.kind == sort.value,)


def _read(connection: Connection, statement: Select[Any]) -> Sequence[Kept]:
    rows = (row._asdict() for row in connection.execute(statement))
    return [
        Kept(**{**row, "kind": Kind(row["kind"]), "cause": Cause(row["cause"]) if row["cause"] else None})
        for row in rows
    ]
