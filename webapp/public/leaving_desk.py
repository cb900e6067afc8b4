"""One-click unsubscribes, committed in groups: providers may post hundreds a second after a large campaign.

Whoever posts is answered once the group is committed, so that nobody who got a 200 is mailed again. While
one group is written the next gathers: a lone post waits for nobody.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from mailing.suppression import leave_tokens, leaving
from tasks.commands import suppression as commands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.suppression.leave_tokens import Leaver
    from webapp.http.services import Services

MOST = 300  # of one group: a statement names them all


class _Post(NamedTuple):
    who: Leaver
    address: str
    done: asyncio.Future[None]


class Desk:
    """The one-click unsubscribes of a web process. Its methods are for the event loop."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._key = ""
        self._waiting: list[_Post] = []
        self._writing: asyncio.Task[None] | None = None

    async def read(self, token: str) -> Leaver | None:
        """Return whom a token is for; None if it is none. The key is read once, as it never changes."""
        self._key = self._key or await self._services.read(leaving.key)
        return leave_tokens.unseal(self._key, token)

    async def leave(self, who: Leaver, address: str) -> None:
        """Let somebody leave what the email was about; returns once it is committed.

        ``address`` is the IP address from where it was asked. Raises what the database raises.
        """
        post = _Post(who, address, asyncio.get_running_loop().create_future())
        self._waiting.append(post)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await post.done

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            try:
                await self._services.do(commands.leave_together, [(it.who, it.address) for it in group])
            except Exception as error:  # noqa: BLE001 - each of them must be told, whatever it is
                _tell(group, error)
            else:
                _tell(group, None)


def _tell(group: Sequence[_Post], error: Exception | None) -> None:
    for post in group:
        if post.done.done():  # its connection is gone
            continue
        if error is None:
            post.done.set_result(None)
        else:
            post.done.set_exception(error)
