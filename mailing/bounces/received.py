"""What became of the emails that were sent: counted as it happens, never by looking.

Only what is ``sent`` is counted, under the day, the sender and the domain that it was sent to, and what comes
back under the same: so in each place delivered and bounced add up to sent. A report may come before its email
is recorded as sent, or about one that nobody knows of (P3). It is counted once the email is, and until then
among the ``EARLY`` of its campaign, so that a worker need not look at each recipient for it.

All functions take an open write transaction, after the recipients were moved in it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select, update

from mailing.bounces.causes import Cause
from mailing.core.statements import run, run_many
from mailing.core.states import RecipientState
from mailing.core.tables import recipients

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from sqlalchemy import Connection

SENT, COMPLAINED, LEFT = "sent", "complained", "unsubscribed"
EARLY = "early"
OTHERS = ""  # the domain of those that are counted together
DAY_MS = 86_400_000
SHARDS = 16  # by worker, so that workers never wait for each other
BACK = SHARDS  # the shard of what comes back, so that neither waits for the other
CHUNK = 500  # recipients of one look-up

_COUNT = (
    "INSERT INTO received_tallies (campaign_id, day, sender_id, domain, what, shard, n) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (campaign_id, day, sender_id, domain, what, shard) "
    "DO UPDATE SET n = received_tallies.n + excluded.n"
)
_EARLY_YET = "SELECT sum(n) FROM received_tallies WHERE campaign_id = ? AND day = 0 AND what = 'early'"
_WENT = (
    "SELECT recipient_id, campaign_id, domain, sender_id, ended_at FROM attempts "
    "WHERE recipient_id IN (%s) AND result = 'sent' ORDER BY id"
)
_COUNTED = (
    "SELECT DISTINCT campaign_id, day, sender_id, domain FROM received_tallies "
    "WHERE campaign_id IN (%s) AND day IN (%s) AND domain IN (%s, '') AND what = 'sent'"
)


class Place(NamedTuple):
    """Under what an email is counted."""

    campaign_id: int
    day: int
    sender_id: int
    domain: str


class Sent(NamedTuple):
    """A recipient that has just become ``sent``: at what time (ms), and by which sender; 0: by none."""

    recipient_id: int
    campaign_id: int
    sender_id: int
    domain: str
    at: int


def sent(connection: Connection, shard: int, found: Sequence[Sent], counted: Collection[str]) -> None:
    """Count emails that were sent, and what had come back of them by then.

    ``counted`` are those of their domains that are counted by themselves.
    """
    if not found:
        return
    places = {
        it.recipient_id: Place(
            it.campaign_id, it.at // DAY_MS, it.sender_id, it.domain if it.domain in counted else OTHERS
        )
        for it in found
    }
    shard %= SHARDS
    _count(connection, shard, Counter((place, SENT) for place in places.values()))
    campaigns = {it.campaign_id for it in found}
    early = {id_ for id_ in campaigns if run(connection, _EARLY_YET, (id_,)).scalar()}
    if early:
        due = {id_: place for id_, place in places.items() if place.campaign_id in early}
        _settle(connection, shard, due)


class Change(NamedTuple):
    """What came back about a recipient in its state of now, instead of what had ``before``."""

    recipient_id: int
    campaign_id: int
    state: str
    what: str
    before: str = ""


def came_back(connection: Connection, changes: Sequence[Change]) -> None:
    """Count what came back."""
    places = _places(connection, {it.recipient_id for it in changes if it.state == RecipientState.SENT})
    counts: Counter[tuple[Place, str]] = Counter()
    for it in changes:
        if place := places.get(it.recipient_id):
            counts[place, it.what] += 1
            if it.before:
                counts[place, it.before] -= 1
        elif not it.before:
            counts[_before_sent(it.campaign_id), EARLY] += 1
    _count(connection, BACK, counts)


def left(connection: Connection, people: Iterable[tuple[int, int, str]], at: int) -> None:
    """Count who unsubscribed by the link of an email: recipient, campaign and address, at ``at`` (ms)."""
    _mark(connection, list(people), at, 1)


def returned(connection: Connection, person: tuple[int, int, str]) -> None:
    """Count somebody out again who has undone that."""
    _mark(connection, [person], None, -1)


def _mark(connection: Connection, people: Sequence[tuple[int, int, str]], at: int | None, step: int) -> None:
    known = {(id_, campaign_id, email.lower()) for id_, campaign_id, email in people}
    columns = recipients.c.id, recipients.c.campaign_id, recipients.c.email, recipients.c.state
    due = recipients.c.left_at.is_(None) if at else recipients.c.left_at.is_not(None)
    ids = sorted({id_ for id_, _, _ in people})
    counts: Counter[tuple[Place, str]] = Counter()
    for first in range(0, len(ids), CHUNK):
        these = recipients.c.id.in_(ids[first : first + CHUNK])
        statement = (
            select(*columns).where(these, due).order_by(recipients.c.id).with_for_update(key_share=True)
        )
        rows = [
            row
            for row in connection.execute(statement)
            if (row.id, row.campaign_id, row.email.lower()) in known
        ]
        if not rows:
            continue
        marked = update(recipients).where(recipients.c.id.in_([row.id for row in rows]))
        connection.execute(marked.values(left_at=at))
        places = _places(connection, {row.id for row in rows if row.state == RecipientState.SENT})
        for row in rows:
            place = places.get(row.id)
            counts[(place, LEFT) if place else (_before_sent(row.campaign_id), EARLY)] += step
    _count(connection, BACK, counts)


def _settle(connection: Connection, shard: int, places: dict[int, Place]) -> None:
    """Count what had come back of these before they were known as sent."""
    rows = recipients.c
    any_ = rows.bounced.is_not(None) | rows.complained_at.is_not(None) | rows.left_at.is_not(None)
    marks = select(rows.id, rows.bounced, rows.complained_at, rows.left_at)
    ids, counts = [*places], Counter[tuple[Place, str]]()
    for first in range(0, len(ids), CHUNK):
        for row in connection.execute(marks.where(rows.id.in_(ids[first : first + CHUNK]), any_)):
            place = places[row.id]
            had = [(row.complained_at, COMPLAINED), (row.left_at, LEFT)]
            whats = [what for since, what in had if since is not None]
            if row.bounced:
                whats.append(Cause(row.bounced).bounce_class.value)
            for what in whats:
                counts[place, what] += 1
            counts[_before_sent(place.campaign_id), EARLY] -= len(whats)
    _count(connection, shard, counts)


def _places(connection: Connection, ids: Collection[int]) -> dict[int, Place]:
    """Return under what the emails of these recipients were counted, where that is known."""
    went: dict[int, Place] = {}
    ordered = sorted(ids)
    for first in range(0, len(ordered), CHUNK):
        some = tuple(ordered[first : first + CHUNK])
        for row in run(connection, _WENT % ", ".join("?" * len(some)), some):  # the last one counts
            sender_id = row.sender_id or 0
            went[row.recipient_id] = Place(row.campaign_id, row.ended_at // DAY_MS, sender_id, row.domain)
    known = _counted(connection, went.values())
    places = ((id_, (it, it._replace(domain=OTHERS))) for id_, it in went.items())
    return {id_: next(it for it in some if it in known) for id_, some in places if known.intersection(some)}


def _counted(connection: Connection, wanted: Collection[Place]) -> set[Place]:
    """Return the places with what was sent among these, and those of their campaigns' other domains."""
    if not wanted:
        return set()
    columns = [sorted({it[column] for it in wanted}) for column in (0, 1, 3)]
    marks = [", ".join("?" * len(values)) for values in columns]
    values = tuple(value for some in columns for value in some)
    return {Place._make(row) for row in run(connection, _COUNTED % tuple(marks), values)}


def _before_sent(campaign_id: int) -> Place:
    return Place(campaign_id, 0, 0, OTHERS)


def _count(connection: Connection, shard: int, moved: dict[tuple[Place, str], int]) -> None:
    # one order everywhere, so that no two writers deadlock
    rows: list[tuple[object, ...]] = [
        (*place, what, shard, n) for (place, what), n in sorted(moved.items()) if n
    ]
    run_many(connection, _COUNT, rows)
