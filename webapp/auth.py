"""Who asks. There is no sign-in yet: who comes by the pages is a person, who comes by the API a program."""

from __future__ import annotations

from mailing.actors import Actor, ActorKind


def person() -> Actor:
    """Return who asks at the pages."""
    return Actor(ActorKind.PERSON)


def program() -> Actor:
    """Return who asks over the API."""
    return Actor(ActorKind.API)
