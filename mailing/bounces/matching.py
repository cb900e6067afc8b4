"""Whose a report is: of many at once, in two questions to the database.

A token of ours says it, wherever it stands in the report; or, where there is none, a Message-ID of ours that
the report returns. That is believed only if the report names the recipient's address too: whoever got one
email of a campaign can make up the others' Message-IDs, and nobody must be suppressed by that.
"""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from mailing.bounces import tokens
from mailing.bounces.causes import Cause
from mailing.bounces.reading import READ_MOST, Report
from mailing.core.statements import run

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.bounces.tokens import Token, Tokens

CHUNK = 1_000  # ids of one question
_OURS = re.compile(r"<([A-Za-z0-9_-]{1,64})\.(\d{1,18})@[^<>@\s]+>")
_FIND = (
    "SELECT recipients.id, recipients.campaign_id, recipients.email, recipients.state, campaigns.token "
    "FROM recipients JOIN campaigns ON campaigns.id = recipients.campaign_id WHERE recipients.id IN (%s)"
)
_HOLD = "SELECT id, bounced, complained_at, attempts FROM recipients WHERE id IN (%s) ORDER BY id"


class Incoming(NamedTuple):
    """A report that was read. ``to`` is to whom its envelope was addressed; empty where nobody knows."""

    report: Report
    raw: bytes
    source: str
    to: str = ""


class Matched(NamedTuple):
    """A recipient of ours, and by what it was found: ``token`` or ``message-id``."""

    id: int
    campaign_id: int
    email: str
    state: str
    by: str


class Noted(NamedTuple):
    """What is noted at a recipient of what came back."""

    bounced: Cause | None
    complained: bool
    attempted: bool


def match(connection: Connection, incoming: Sequence[Incoming], known: Tokens) -> Sequence[Matched | None]:
    """Return of each report the recipient of ours that it is about; None if it proves none."""
    named = [_named(it) for it in incoming]
    wanted = {each.recipient_id for found, _ids in named for each in found}
    wanted.update(recipient_id for _tokens, ids in named for _secret, recipient_id in ids)
    rows = {row.id: row for row in _of(connection, _FIND, wanted)}
    return [
        _proven(it.report, found, ids, rows, known) for it, (found, ids) in zip(incoming, named, strict=True)
    ]


def hold(connection: Connection, ids: Collection[int]) -> dict[int, Noted]:
    """Return what is noted at recipients, who stay as they are until this transaction ends."""
    lock = " FOR UPDATE" if connection.dialect.name == "postgresql" else ""  # SQLite has one writer
    return {
        row.id: Noted(
            Cause(row.bounced) if row.bounced else None, row.complained_at is not None, row.attempts > 0
        )
        for row in _of(connection, _HOLD + lock, ids)
    }


def _of(connection: Connection, statement: str, ids: Collection[int]) -> Iterator[Any]:
    ordered = sorted(ids)
    for first in range(0, len(ordered), CHUNK):
        some = tuple(ordered[first : first + CHUNK])
        yield from run(connection, statement % ", ".join("?" * len(some)), some)


def _named(incoming: Incoming) -> tuple[Sequence[Token], Sequence[tuple[str, int]]]:
    found = [*tokens.find(incoming.to.encode(), incoming.raw[:READ_MOST])]
    return found, [*_ids(incoming.report.message_ids)]


def _proven(
    report: Report,
    found: Sequence[Token],
    ids: Sequence[tuple[str, int]],
    rows: Mapping[int, Any],
    known: Tokens,
) -> Matched | None:
    for token in found:
        row = rows.get(token.recipient_id)
        if row and known.proves(token, row.token):
            return _matched(row, "token")
    for secret, recipient_id in ids:
        row = rows.get(recipient_id)
        if row and row.email.lower() in report.addresses and hmac.compare_digest(secret, row.token):
            return _matched(row, "message-id")
    return None


def _ids(given: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield the campaign's token and the recipient of each Message-ID that ``compose.message_id`` made."""
    for each in given:
        if found := _OURS.fullmatch(each):
            yield found[1], int(found[2])


def _matched(row: Any, by: str) -> Matched:
    return Matched(row.id, row.campaign_id, row.email, row.state, by)
