"""What an error of Redis means, in one sentence for whoever has to mend it: what, where, what to do.

A server says in the first word of a refusal which kind it is; redis-py has classes for most of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.database_errors import line

if TYPE_CHECKING:
    from redis.asyncio.client import Pipeline as AsyncPipeline
    from redis.client import Pipeline

PROBE_MS = 10_000  # how long what a probe writes is kept
FULL = "Redis at {name} is full and stores nothing more. Raise its maxmemory, or empty it."
READ_ONLY = "Redis at {name} is a read-only replica. Name its primary in VOLLEY_REDIS_URL."
DISK = "Redis at {name} cannot write to its disk and refuses all changes. Make room there, or see its log."
LOADING = "Redis at {name} is still loading its data. Wait until it has."
NO_ENTRY = "Redis at {name} refuses the user or password. Check VOLLEY_REDIS_URL."
NO_RIGHTS = "Redis at {name} forbids Volley's user what it needs. Allow it with: ~volley:* &volley:* +@all"
CROWDED = "Redis at {name} takes no more connections. Raise its maxclients."
REPLICAS = "Redis at {name} lacks the replicas without which it takes no changes. Start them."
PRIMARY = "Redis at {name} has lost its primary server. Start that, or name it in VOLLEY_REDIS_URL."
CLUSTER = "Redis at {name} is a cluster, which Volley cannot use. Name a single server in VOLLEY_REDIS_URL."
BUSY = "Redis at {name} is busy with a script. Wait, or end it with: redis-cli script kill"
NO_DB = "Redis at {name} has no database of this number. Name another in VOLLEY_REDIS_URL."
CERTIFICATE = "The certificate of Redis at {name} is not to be trusted: {said}. See the README on rediss://."
NO_ANSWER = "Redis at {name} does not answer: {said}. Start it, or set VOLLEY_REDIS_URL."
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

    detail: str
    refuses: bool


def explain(error: BaseException, name: str) -> Trouble:
    """Return what ``error`` says of the Redis called ``name``."""
    said = line(error)
    form = next((form for words, form in _WORDS.items() if re.search(words, said)), None)
    kinds = (each.__name__ for each in type(error).__mro__)
    form = form or next((_CLASSES[kind] for kind in kinds if kind in _CLASSES), NO_ANSWER)
    return Trouble(form.format(name=name, said=said), refuses=form != NO_ANSWER)


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
