"""The queues as they lie in Redis: how many batches wait at each priority, and how many were handed out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.app import QUEUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio.client import Pipeline as AsyncPipeline
    from redis.client import Pipeline

STEPS = (0, 3, 6, 9)  # kombu keeps a list for each: a message goes to the last one not above its priority
_UNACKED = "unacked"  # kombu's hash of what workers have and did not acknowledge yet


@dataclass(frozen=True, slots=True)
class Depths:
    """How many messages wait, by the steps of priority, and how many are in the workers' hands."""

    waiting: Sequence[int]
    handed_out: int


def ask(pipeline: Pipeline | AsyncPipeline, prefix: str) -> None:
    """Put into a pipeline what ``depths`` reads the answers of; ``prefix`` is the installation's."""
    for step in STEPS:
        pipeline.llen(f"{prefix}{QUEUE}" if step == 0 else f"{prefix}{QUEUE}\x06\x16{step}")
    pipeline.hlen(f"{prefix}{_UNACKED}")


def depths(answers: Sequence[Any]) -> Depths:
    """Return how deep the queues are."""
    *waiting, handed_out = map(int, answers)
    return Depths(waiting, handed_out)
