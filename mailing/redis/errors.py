"""What an error of Redis means for whoever has to fix it: what happened, where, what to do.

A server says in the first word of a refusal which kind it is; redis-py has classes for most of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.core.database_errors import line
from mailing.core.reasons import FIELDS, Reason

if TYPE_CHECKING:
    from redis.asyncio.client import Pipeline as AsyncPipeline
    from redis.client import Pipeline

PROBE_MS = 10_000  # how long what a probe writes is kept
FULL = "redis.full"
READ_ONLY = "redis.read-only"
DISK = "redis.disk"
LOADING = "redis.loading"
NO_ENTRY = "redis.sign-in-refused"
NO_RIGHTS = "redis.no-rights"
CROWDED = "redis.crowded"
REPLICAS = "redis.replicas"
PRIMARY = "redis.primary"
CLUSTER = "redis.cluster"
BUSY = "redis.busy"
NO_DB = "redis.no-db"
CERTIFICATE = "redis.certificate"
NO_ANSWER = "redis.no-answer"
_WORDS = {  # in the order in which they are looked for
    r"certificate": CERTIFICATE,
    r"\bOOM\b|maxmemory|out of memory": FULL,
    r"READONLY|read only replica": READ_ONLY,
    r"MISCONF": DISK,
    r"LOADING|is loading": LOADING,
    r"WRONGPASS|NOAUTH|uthentication required|AUTH .*called without|invalid (username|password)": NO_ENTRY,
    r"NOPERM|has no permissions|no permissions to": NO_RIGHTS,
    r"max number of clients": CROWDED,
    r"NOREPLICAS|good replicas": REPLICAS,
    r"MASTERDOWN|Link with MASTER": PRIMARY,
    r"\bMOVED\b|CROSSSLOT|CLUSTERDOWN|cluster mode": CLUSTER,
    r"\bBUSY\b": BUSY,
    r"DB index|invalid DB": NO_DB,
}
_CLASSES = {
    "OutOfMemoryError": FULL,
    "ReadOnlyError": READ_ONLY,
    "BusyLoadingError": LOADING,
    "AuthenticationError": NO_ENTRY,
    "AuthenticationWrongNumberOfArgsError": NO_ENTRY,
    "NoPermissionError": NO_RIGHTS,
    "AuthorizationError": NO_RIGHTS,
    "MaxClientsError": CROWDED,
    "MasterDownError": PRIMARY,
    "ClusterError": CLUSTER,
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with Redis. ``refuses``: it is there, and takes no work; no worker can run then."""

    reason: Reason
    refuses: bool


def explain(error: BaseException, name: str) -> Trouble:
    """Return what ``error`` says of the Redis called ``name``."""
    said = line(error)
    code = next((code for words, code in _WORDS.items() if re.search(words, said)), None)
    kinds = (each.__name__ for each in type(error).__mro__)
    code = code or next((_CLASSES[kind] for kind in kinds if kind in _CLASSES), NO_ANSWER)
    quoted = {"said": said} if "said" in FIELDS[code] else {}
    return Trouble(Reason(code, name=name, **quoted), refuses=code != NO_ANSWER)


def probe(pipeline: Pipeline | AsyncPipeline, prefix: str) -> None:
    """Put into a pipeline what shows whether Redis takes work: the changes that batches and news need."""
    keys = [f"{prefix}probe:{kind}" for kind in ("text", "list", "hash", "order")]
    text, queue, table, order = keys
    pipeline.set(text, b"1")
    pipeline.lpush(queue, b"1")
    pipeline.ltrim(queue, 0, 0)
    pipeline.hset(table, "1", "1")
    pipeline.zadd(order, {"1": 1})
    for key in keys:
        pipeline.pexpire(key, PROBE_MS)
    pipeline.publish(text, b"")
