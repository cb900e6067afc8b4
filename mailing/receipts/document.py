"""The receipt of a campaign: its ledger, and each recipient with each attempt, as lines, read at one instant.

Nobody waits for it: the transaction only reads, and the lines come in blocks, so that whoever takes them may
put them where a slow reader finds them.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import func, select

from mailing.campaigns import queries as campaigns
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, ReasonError
from mailing.core.statements import run
from mailing.core.states import RecipientState
from mailing.core.tables import recipients, versions
from mailing.receipts.chain import FORMAT, Chain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.receipts.keys import ReceiptKey

CHUNK = 1_000
_NOBODY: Sequence[Mapping[str, Any]] = ()
# A sum, so that no database takes the index of a campaign instead, and sorts the whole list for each chunk.
_PEOPLE = (
    "SELECT id, email, state FROM recipients WHERE id > ? AND id <= ? AND campaign_id + 0 = ? "
    "ORDER BY id LIMIT ?"
)
_ATTEMPTS = (
    "SELECT a.recipient_id, a.number, a.result, a.started_at, a.ended_at, a.server, w.name, a.tls, a.code, "
    "a.enhanced, a.reply, a.reason_code, a.version FROM attempts a LEFT JOIN workers w ON w.id = a.worker_id "
    "WHERE a.recipient_id >= ? AND a.recipient_id <= ? AND a.campaign_id + 0 = ? "
    "ORDER BY a.recipient_id, a.id"
)


class NotOverError(ReasonError):
    """A campaign has no receipt while anything of it may still be sent, or before it was started."""


def file_name(campaign_id: int) -> str:
    """Return what the file of a receipt is called."""
    return f"volley-receipt-{campaign_id}.jsonl"


def ready(campaign: Campaign | None, campaign_id: int) -> Campaign:
    """Return a campaign that has a receipt. Raises ``NotOverError``."""
    if campaign is None:
        raise NotOverError(Reason("receipt.no-campaign", id=campaign_id))
    if not campaign.over or campaign.waiting:
        raise NotOverError(Reason("receipt.not-over", id=campaign_id))
    return campaign


def blocks(connection: Connection, campaign_id: int, key: ReceiptKey) -> Iterator[bytes]:
    """Yield the lines in blocks of some hundred kB; ``connection`` must see one instant (``snapshot``).

    Raises ``NotOverError`` before the first, and ``AssertionError`` before the last if the ledger and the
    lines differ: then nothing is signed.
    """
    campaign = ready(campaigns.get(connection, campaign_id), campaign_id)
    messages = _messages(connection, campaign)
    chain, found, tried = Chain(), Counter[str](), 0
    yield chain.add(orjson.dumps({"receipt": _head(campaign, messages, key)}))
    for people in _chunks(connection, campaign_id):
        attempts = _attempts(connection, campaign_id, people[0][0], people[-1][0])
        lines = []
        for id_, email, state in people:
            made = attempts.get(id_, _NOBODY)
            found[state] += 1
            tried += len(made)
            one = {"recipient": {"id": id_, "email": email, "state": state, "attempts": made}}
            lines.append(chain.add(orjson.dumps(one)))
        yield b"".join(lines)
    counted = {state.value: found[state] for state in RecipientState}
    if counted != dict(campaign.counts) or sum(counted.values()) != campaign.total:
        raise AssertionError(f"The ledger of campaign {campaign_id} is not what its recipients add up to.")
    end = {"recipients": campaign.total, "attempts": tried, "ledger": counted}
    yield chain.end(orjson.dumps({"end": end}), key.key)


def _head(campaign: Campaign, messages: Sequence[Mapping[str, Any]], key: ReceiptKey) -> Mapping[str, Any]:
    return {
        "format": FORMAT,
        "made_at": _time(now_ms()),
        "campaign": {
            "id": campaign.id,
            "state": campaign.state,
            "rehearses": campaign.rehearses,
            "from": campaign.sender_from,
            "subject": campaign.subject,
            "messages": messages,
            "created_at": _time(campaign.created_at),
            "started_at": _time(campaign.started_at),
            "finished_at": _time(campaign.finished_at),
        },
        "recipients": campaign.total,
        "ledger": {state.value: campaign.counts[state] for state in RecipientState},
        "public_key": key.public,
    }


def _messages(connection: Connection, campaign: Campaign) -> Sequence[Mapping[str, Any]]:
    """Return each version of the message, the one that is sent now last, by what it can be recognized by."""
    columns = (versions.c.number, versions.c.subject, versions.c.text, versions.c.html)
    earlier = select(*columns).where(versions.c.campaign_id == campaign.id).order_by(versions.c.number)
    now = (campaign.version, campaign.subject, campaign.text, campaign.html)
    return [
        {
            "version": number,
            "subject": subject,
            "text_sha256": sha256(text.encode()).hexdigest(),
            "html_sha256": sha256(html.encode()).hexdigest() if html else None,
        }
        for number, subject, text, html in (*connection.execute(earlier), now)
    ]


def _chunks(connection: Connection, campaign_id: int) -> Iterator[Sequence[tuple[int, str, str]]]:
    ids = select(func.min(recipients.c.id), func.max(recipients.c.id))
    first, last = connection.execute(ids.where(recipients.c.campaign_id == campaign_id)).one()
    if first is None:
        return
    after = first - 1
    while people := run(connection, _PEOPLE, (after, last, campaign_id, CHUNK)).all():
        yield people  # type: ignore[misc]
        after = people[-1][0]


def _attempts(
    connection: Connection, campaign_id: int, first: int, last: int
) -> Mapping[int, Sequence[Mapping[str, Any]]]:
    rows = run(connection, _ATTEMPTS, (first, last, campaign_id))
    return {id_: [*map(_attempt, some)] for id_, some in groupby(rows, key=itemgetter(0))}


def _attempt(row: Any) -> Mapping[str, Any]:
    number, result, started_at, ended_at, server, worker, tls, code, enhanced, reply, *more = row[1:]
    reason, version = more
    return {
        "number": number,
        "version": version,
        "result": result,
        "started_at": _time(started_at),
        "ended_at": _time(ended_at),
        "server": server,
        "worker": worker,
        "tls": tls,
        "code": code,
        "enhanced": enhanced,
        "reply": reply,
        "reason_code": orjson.loads(reason)["code"] if reason else None,
    }


def _time(ms: int | None) -> str | None:
    """Return a time in UTC (RFC 3339)."""
    return None if ms is None else f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


@lru_cache(maxsize=4_096)
def _second(since_1970: int) -> str:
    return datetime.fromtimestamp(since_1970, UTC).isoformat()[:19]
