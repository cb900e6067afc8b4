"""Actors: who asks for a change. Each command is told, and the log says so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """How somebody asks."""

    PERSON = "person"  # at the pages
    API = "api"  # a program, over HTTP
    CLI = "cli"  # at a terminal of a machine that Volley runs on
    VOLLEY = "volley"  # Volley itself


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks. ``name`` is empty as long as there is no sign-in that would tell it."""

    kind: ActorKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind.value
