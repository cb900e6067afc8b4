"""Actors: who asks for a change. Each command is told, and the audit log keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """How somebody asks."""

    PERSON = "person"  # at the pages
    API = "api"  # a program, over HTTP
    CLI = "cli"  # at a terminal of a machine that Volley runs on
    VOLLEY = "volley"  # Volley itself
    RECIPIENT = "recipient"  # who follows the unsubscribe link of an email


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks. ``id`` is that of the person or the key, ``name`` the e-mail address or the key's name.

    Of a recipient they are its id and the masked address. Both are empty where nobody needs to sign in.
    ``address`` is the IP address from where it was asked.
    """

    kind: ActorKind
    name: str = ""
    id: int | None = None
    address: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind.value
