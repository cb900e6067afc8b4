"""Whose a report is: of many at once, in two questions to the database.

A token of ours says it, wherever it stands in the report; or, where there is none, a Message-ID of ours that
the report returns, whose mark nobody else can make (``messages.message_ids``), if the report names the
recipient's address too: what people forward says nothing of another person. A complaint may keep the address
to itself (RFC 6590): then the mark is enough, for who has it could unsubscribe the recipient as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from mailing.bounces import tokens
from mailing.bounces.causes import Cause
from mailing.bounces.reading import READ_MOST, Kind, Report
from mailing.core.clock import now_ms
from mailing.core.statements import run
from mailing.messages import message_ids

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.bounces.tokens import Token, Tokens
    from mailing.messages.message_ids import Marked

_REDACTED = "redacted"  # as receivers write instead of the local part, which no standard says
CHUNK = 1_000  # ids of one question
RETURNS_MS = 10 * 86_400_000  # how long after it was sent an email comes back, at most
CLOCKS_MS = 300_000  # a provider's clock may differ
_FIND = (
    "SELECT recipients.id, recipients.campaign_id, recipients.email, recipients.state, campaigns.token "
    "FROM recipients JOIN campaigns ON campaigns.id = recipients.campaign_id WHERE recipients.id IN (%s)"
)
_LAST = (  # a provider that tries for days tells of the email, whatever was sent since
    _FIND.replace("recipients.id IN (%s)", "lower(recipients.email) = lower(?)")
    + " AND recipients.attempts > 0 AND recipients.state = 'sent' AND recipients.changed_at <= ? "
    "AND recipients.changed_at > ? AND campaigns.rehearses IS NULL "
    "ORDER BY recipients.changed_at DESC, recipients.id DESC LIMIT 1"
)
_HOLD = "SELECT id, state, bounced, complained_at, attempts FROM recipients WHERE id IN (%s) ORDER BY id"


class Incoming(NamedTuple):
    """A report that was read. ``key`` is what it is known by when it comes again.

    ``to`` is to whom its envelope was addressed; empty where nobody knows. Where a provider has ``sworn`` to
    it, an address alone is believed: it is about the last email sent to it by the time ``at`` (ms since 1970;
    None: now).
    """

    report: Report
    raw: bytes
    source: str
    key: str
    to: str = ""
    sworn: bool = False
    at: int | None = None


_Named: TypeAlias = "tuple[Sequence[Token], Sequence[Marked]]"


class Matched(NamedTuple):
    """A recipient of ours, and by what it was found: ``token``, ``message-id`` or ``address``."""

    id: int
    campaign_id: int
    email: str
    state: str
    by: str


class Noted(NamedTuple):
    """What is noted at a recipient of what came back, and its state."""

    state: str
    bounced: Cause | None
    complained: bool
    attempted: bool


def match(connection: Connection, incoming: Sequence[Incoming], known: Tokens) -> Sequence[Matched | None]:
    """Return of each report the recipient of ours that it is about; None if it proves none.

    Most are addressed to the token of their recipient, and need not be searched for more.
    """
    by_envelope = _found(connection, incoming, [_addressed(it) for it in incoming], known)
    left = [it for it, found in zip(incoming, by_envelope, strict=True) if not found]
    others = iter(_found(connection, left, [_named(it) for it in left], known))
    return [
        found or next(others) or _sworn(connection, it)
        for found, it in zip(by_envelope, incoming, strict=True)
    ]


def _found(
    connection: Connection, incoming: Sequence[Incoming], named: Sequence[_Named], known: Tokens
) -> Sequence[Matched | None]:
    wanted = {each.recipient_id for found, _ids in named for each in found}
    wanted.update(each.recipient_id for _tokens, ids in named for each in ids)
    rows = {row.id: row for row in _of(connection, _FIND, wanted)}
    return [
        _proven(it.report, found, ids, rows, known) for it, (found, ids) in zip(incoming, named, strict=True)
    ]


def hold(connection: Connection, ids: Collection[int]) -> dict[int, Noted]:
    """Return what is noted at recipients, who stay as they are until this transaction ends."""
    own = connection.dialect.name == "postgresql"  # SQLite has one writer
    lock = " FOR NO KEY UPDATE" if own else ""  # reports name the recipient by its key, and hold that
    return {
        row.id: Noted(
            row.state,
            Cause(row.bounced) if row.bounced else None,
            row.complained_at is not None,
            row.attempts > 0,
        )
        for row in _of(connection, _HOLD + lock, ids)
    }


def _of(connection: Connection, statement: str, ids: Collection[int]) -> Iterator[Any]:
    ordered = sorted(ids)
    for first in range(0, len(ordered), CHUNK):
        some = tuple(ordered[first : first + CHUNK])
        yield from run(connection, statement % ", ".join("?" * len(some)), some)


def _addressed(incoming: Incoming) -> _Named:
    return [*tokens.find(incoming.to.encode(), b"")], ()


def _named(incoming: Incoming) -> _Named:
    found = [*tokens.find(incoming.to.encode(), incoming.raw[:READ_MOST])]
    return found, [*filter(None, map(message_ids.read, incoming.report.message_ids))]


def _proven(
    report: Report,
    found: Sequence[Token],
    ids: Sequence[Marked],
    rows: Mapping[int, Any],
    known: Tokens,
) -> Matched | None:
    for token in found:
        row = rows.get(token.recipient_id)
        if row and known.proves(token, row.token):
            return _matched(row, "token")
    for marked in ids:
        row = rows.get(marked.recipient_id)
        if row is None or not (row.email.lower() in report.addresses or _redacted(report)):
            continue
        if message_ids.proves(known.key, marked, row.token):
            return _matched(row, "message-id")
    return None


def _redacted(report: Report) -> bool:
    hidden = (_REDACTED in it.rpartition("@")[0] for it in report.addresses)
    return report.kind is Kind.COMPLAINED and all(hidden)


def _sworn(connection: Connection, incoming: Incoming) -> Matched | None:
    if not incoming.sworn:
        return None
    by = (incoming.at or now_ms()) + CLOCKS_MS
    for address in sorted(incoming.report.addresses)[:1]:
        if row := run(connection, _LAST, (address, by, by - RETURNS_MS)).first():
            return _matched(row, "address")
    return None


def _matched(row: Any, by: str) -> Matched:
    return Matched(row.id, row.campaign_id, row.email, row.state, by)
