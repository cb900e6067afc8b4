"""News over Redis: what workers publish after each commit, and what the web process listens to.

Each campaign has one channel, of this installation alone (see ``redis_prefix``). A message on it is one or
more lines, each an event: a JSON object whose state is absolute, so hearing it twice is harmless, and
nothing depends on hearing it at all: the database is the truth (P1).

=============  =====================================================================================
``type``       the other keys
=============  =====================================================================================
``recipient``  one per email, after the commit that logged its attempt: ``campaign``, ``recipient``
               (id), ``email``, ``state``, ``attempt``, ``code``, ``enhanced``, ``reply``, ``reason_code``
               (of a reason of ours), ``worker``, ``started_at``, ``at``, ``due_at``
``claimed``    ``campaign``, ``recipients`` (ids now ``sending``), ``worker``, ``at``
``returned``   an email that was accepted bounced, or was called spam: ``campaign``, ``recipient`` (id),
               ``email``, ``kind``, ``cause``, ``suppressed`` (whether nobody mails it any more), ``at``
``campaign``   its own state or its list changed at large, read it again: ``campaign``, ``state``, ``at``
=============  =====================================================================================

``campaign`` events are also published on ``ALL_CAMPAIGNS``, for the page that lists them.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import orjson
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy.exc import SQLAlchemyError

from mailing.core.clock import now_ms
from mailing.redis import prefix as redis_prefix
from mailing.redis import url as redis_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mailing.core.states import CampaignState

ALL_CAMPAIGNS = "campaigns"
TIMEOUT_S = 2.0

_LINE: dict[str, Any] = {
    "socket_timeout": TIMEOUT_S,
    "socket_connect_timeout": TIMEOUT_S,
    "health_check_interval": 15,
    "driver_info": None,  # which would be read from a file for each connection
}


def channel(campaign_id: int) -> str:
    """Return the name of a campaign's channel, as this installation calls it."""
    return f"campaign:{campaign_id}"


class Client(redis.Redis):
    """A blocking client that speaks for the installation of one database."""

    server = ""  # as people call it
    database_url = ""

    @property
    def prefix(self) -> str:
        """What begins every name of this installation. Raises what the database raises, until it is known."""
        return redis_prefix.prefix(self.database_url)


def connect(url: str, database_url: str) -> Client:
    """Return a client that gives up on a silent server after ``TIMEOUT_S``."""
    address = redis_url.parse(url)
    client = Client(**address.client, retry=Retry(NoBackoff(), 1), **_LINE)
    client.server, client.database_url = address.name, database_url
    return client


def connect_async(url: str) -> redis.asyncio.Redis:
    """Return a client for an event loop, with the same limits."""
    return redis.asyncio.Redis(**redis_url.parse(url).client, **_LINE)


def publish(client: Client, events: Iterable[dict[str, Any]]) -> bool:
    """Publish ``events``, each on its campaign's channel, in one round trip.

    Returns whether Redis took them. A failure loses news only, so it is not raised: viewers read the
    database again when their subscription comes back.
    """
    messages: defaultdict[str, list[bytes]] = defaultdict(list)
    for event in events:
        line = orjson.dumps(event)
        messages[channel(event["campaign"])].append(line)
        if event["type"] == "campaign":
            messages[ALL_CAMPAIGNS].append(line)
    pipeline = client.pipeline(transaction=False)
    try:
        for name, lines in messages.items():
            pipeline.publish(client.prefix + name, b"\n".join(lines))
        pipeline.execute()
    except (redis.RedisError, OSError, SQLAlchemyError):
        return False
    return True


def campaign_changed(campaign_id: int, state: CampaignState) -> dict[str, Any]:
    """Return the event that tells viewers to read a campaign again."""
    return {"type": "campaign", "campaign": campaign_id, "state": state, "at": now_ms()}
