"""Years of sending, written straight into the tables: what the pages are measured over."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, text

from mailing.core import clock
from mailing.core import tables as models
from mailing.core.states import CampaignState
from mailing.ledger import batches
from mailing.ledger.rates import SLOT_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from mailing.core.database import Database

CAMPAIGNS = 400
YEARS_MS = 2 * 365 * 24 * 3600 * 1000
NAMES = (
    "anna",
    "ben",
    "carl",
    "dora",
    "eve",
    "frida",
    "gil",
    "hal",
    "ida",
    "jan",
    "kim",
    "lea",
    "mia",
    "nora",
    "olaf",
    "pia",
    "quentin",
    "rosa",
    "sam",
    "tom",
    "uma",
)
DOMAINS = {
    "gmail.com": 400,
    "yahoo.com": 120,
    "outlook.com": 90,
    "icloud.com": 50,
    "web.example": 20,
}  # of 1000
ENDINGS: tuple[tuple[int, str, int | None, str, str], ...] = (  # how many of 10,000, and how they ended first
    (250, "failed", 550, "5.1.1", "550 5.1.1 The email account that you tried to reach does not exist"),
    (60, "failed", 552, "5.2.2", "552 5.2.2 The mailbox is full"),
    (40, "failed", 550, "5.7.1", "550 5.7.1 Not allowed by policy"),
    (1, "failed", 571, "5.7.26", "571 5.7.26 Authentication is wanted"),
    (110, "deferred", 451, "4.7.1", "451 4.7.1 Greylisted, please try again"),
    (30, "deferred", 421, "4.7.0", "421 4.7.0 Try again later, closing connection"),
    (4, "returned", 535, "5.7.8", "535 5.7.8 Authentication failed"),
    (5, "unknown", None, "", "The connection was lost after the message."),
    (9_500, "sent", 250, "2.0.0", "250 2.0.0 OK: queued"),
)


def fill(db: Database, attempts: int) -> int:
    """Write campaigns with about so many attempts into an empty database; return the largest one's id."""
    sizes = _sizes(round(attempts / 1.0144))
    first, since = 1, clock.now_ms() - YEARS_MS
    with _quickly(db):
        for number, size in enumerate(sizes, 1):
            with db.write() as connection:
                _campaign(connection, number, first, size, since)
            first += size
    return sizes.index(max(sizes)) + 1


def fill_one(db: Database, people: int) -> int:
    """Write one finished campaign to so many people into an empty database; return its id."""
    with _quickly(db), db.write() as connection:
        _campaign(connection, 1, 1, people, clock.now_ms() - YEARS_MS)
    return 1


@contextmanager
def _quickly(db: Database) -> Iterator[None]:
    """Do without indexes while much is written."""
    slow = [index for table in (models.recipients, models.attempts) for index in sorted_indexes(table)]
    with db.write() as connection:
        for index in slow:
            index.drop(connection)
        _prepare(connection)
    yield
    with db.write() as connection:
        for index in slow:
            index.create(connection)
        for name in ("bench_names", "bench_domains", "bench_endings"):
            connection.execute(text(f"DROP TABLE {name}"))
        if not db.sqlite:
            for table in ("campaigns", "recipients", "workers"):
                connection.execute(text(f"SELECT setval('{table}_id_seq', (SELECT max(id) FROM {table}))"))
    if not db.sqlite:  # as its autovacuum would before long
        with db.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))


def sorted_indexes(table: Any) -> list[Any]:
    return sorted(table.indexes, key=lambda index: str(index.name))


def _sizes(total: int) -> list[int]:
    """Divide by Zipf's law: one list of a seventh, and many short ones, in a mixed order."""
    whole = sum(1 / rank for rank in range(1, CAMPAIGNS + 1))
    ranks = sorted(range(1, CAMPAIGNS + 1), key=lambda rank: rank * 389 % 1009)
    return [max(1, round(total / rank / whole)) for rank in ranks]


def _prepare(connection: Connection) -> None:
    """Store what the rows are made of, with a slot for each of its parts in a thousand or ten thousand."""
    tables = {
        "bench_names": ("name TEXT", [(name,) for name in NAMES]),
        "bench_domains": (
            "domain TEXT",
            [(name,) for name, n in DOMAINS.items() for _ in range(n)]
            + [("",)] * (1000 - sum(DOMAINS.values())),
        ),
        "bench_endings": (
            "result TEXT, code INTEGER, enhanced TEXT, reply TEXT",
            [ending for n, *ending in ENDINGS for _ in range(n)],
        ),
    }
    for name, (columns, rows) in tables.items():
        connection.execute(text(f"CREATE TABLE {name} (slot INTEGER PRIMARY KEY, {columns})"))
        fields = [column.split()[0] for column in columns.split(", ")]
        statement = text(f"INSERT INTO {name} VALUES (:slot, {', '.join(f':{field}' for field in fields)})")
        connection.execute(
            statement,
            [{"slot": slot, **dict(zip(fields, row, strict=True))} for slot, row in enumerate(rows)],
        )
    connection.execute(
        insert(models.workers),
        [{"id": n, "name": f"bench:{n}", "started_at": 0, "seen_at": 0, "ended_at": 0} for n in (1, 2)],
    )


def _campaign(connection: Connection, number: int, first: int, size: int, since: int) -> None:
    begun = since + YEARS_MS // CAMPAIGNS * (number - 1)
    paused = number == CAMPAIGNS
    connection.execute(
        insert(models.campaigns),
        {
            "id": number,
            "state": CampaignState.PAUSED if paused else CampaignState.FINISHED,
            "sender_from": "Ann <ann@example.org>",
            "subject": f"News {number}",
            "text": "Dear {{ name }}, these are the news.",
            "token": f"bench{number:027}",
            "total": size,
            "created_at": begun - 60_000,
            "started_at": begun,
            "finished_at": None if paused else begun + size + 700_000,
        },
    )
    values = {
        "campaign": number,
        "first": first,
        "last": first + size - 1,
        "tried": first + size * 9 // 10 if paused else first + size,
        "begun": begun,
        "names": len(NAMES),
        "slot": SLOT_S,
    }
    series = (
        "generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS series(id)"
        if connection.dialect.name == "postgresql"
        else "(WITH RECURSIVE up(id) AS (SELECT :first UNION ALL SELECT id + 1 FROM up WHERE id < :last) "
        "SELECT id FROM up) AS series"
    )
    for statement in _STATEMENTS:
        connection.execute(text(statement.replace("SERIES", series)), values)
    part = batches.size(size)
    connection.execute(
        insert(models.batches),
        [
            {"campaign_id": number, "first_id": start, "last_id": min(start + part, first + size) - 1}
            for start in range(first, first + size, part)
        ],
    )


# Remainders by primes scatter the ids, and do not depend on each other.
_PEOPLE = """
INSERT INTO recipients (id, campaign_id, email, domain, name, state, attempts, first_tried_at, changed_at)
SELECT id, :campaign, name || '.' || id || '@' || domain, domain, name,
    CASE WHEN id >= :tried THEN 'queued' WHEN result IN ('deferred', 'returned') THEN 'sent'
        ELSE result END,
    CASE WHEN id >= :tried THEN 0 WHEN result IN ('deferred', 'returned') THEN 2 ELSE 1 END,
    :begun, :begun
FROM (
    SELECT series.id, n.name, e.result, CASE WHEN d.domain = ''
        THEN 'club' || (series.id * 31 % 20011) || '.example' ELSE d.domain END AS domain
    FROM SERIES
    JOIN bench_names n ON n.slot = series.id * 5 % :names
    JOIN bench_domains d ON d.slot = series.id * 389 % 997
    JOIN bench_endings e ON e.slot = series.id * 6007 % 9973
) AS made ORDER BY id
"""
_TRY = """
INSERT INTO attempts (campaign_id, recipient_id, number, domain, worker_id, server, connection, tls,
    envelope_ms, dot_ms, started_at, ended_at, result, code, enhanced, reply)
SELECT :campaign, r.id, NUMBER, r.domain, 1 + r.id % 2, 'mx.example:25', r.id % 10, 'TLSv1.3', 12, 31,
    :begun + r.id - :first + LATER, :begun + r.id - :first + LATER + 43,
    e.result, e.code, e.enhanced, e.reply
FROM recipients r JOIN bench_endings e ON e.slot = SLOT
WHERE r.id >= :first AND r.id < :tried AND r.attempts >= NUMBER ORDER BY r.id
"""
_STATEMENTS = (
    _PEOPLE,  # each in the state that its last try leaves it in
    # the first tries, one in each millisecond, and ten minutes later those of who was refused for now
    _TRY.replace("NUMBER", "1").replace("LATER", "0").replace("SLOT", "r.id * 6007 % 9973"),
    _TRY.replace("NUMBER", "2").replace("LATER", "600000").replace("SLOT", "9999"),
    """
    INSERT INTO tallies (campaign_id, state, shard, n) SELECT :campaign, state, 0, count(*)
    FROM recipients WHERE id BETWEEN :first AND :last GROUP BY state
    """,
    """
    INSERT INTO paces (campaign_id, slot, result, shard, n)
    SELECT :campaign, ended_at / 1000 / :slot * :slot, result, 0, count(*)
    FROM attempts WHERE recipient_id BETWEEN :first AND :last GROUP BY 2, 3
    """,
    """
    INSERT INTO reply_groups (campaign_id, result, code, enhanced, shard, n, sample)
    SELECT :campaign, result, coalesce(code, 0), enhanced, 0, count(*), min(reply)
    FROM attempts WHERE recipient_id BETWEEN :first AND :last AND result <> 'sent' GROUP BY 2, 3, 4
    """,
)
