"""Who asks, and what they may do.

There is no sign-in yet: who comes by the pages is a person, who comes by the API a program, and both may do
everything. Who comes by a watch link may only look on.
"""

from __future__ import annotations

from dataclasses import dataclass

from quart import g

from mailing.core.actors import Actor, ActorKind


@dataclass(frozen=True, slots=True)
class Rights:
    """What somebody may do with what a page shows. ``change``: press its buttons."""

    change: bool


EVERYTHING = Rights(change=True)
LOOKING_ON = Rights(change=False)


def rights() -> Rights:
    """Return what the viewer of this request may do."""
    found: Rights = g.get("rights", EVERYTHING)
    return found


async def only_look_on() -> None:
    """Let this request change nothing: before each request to pages that strangers reach."""
    g.rights = LOOKING_ON


def person() -> Actor:
    """Return who asks at the pages."""
    return Actor(ActorKind.PERSON)


def program() -> Actor:
    """Return who asks over the API."""
    return Actor(ActorKind.API)
