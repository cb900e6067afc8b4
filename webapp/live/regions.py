"""Boards: what open pages see, drawn once for all who look at the same thing.

A board holds the live regions of one view, each with the number of the turn that last changed it. A
viewer takes what changed since it last looked, so a slow one misses nothing but values in between, and
remembers one number. The first viewer of a view starts the task that fills its board, the last one ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from markupsafe import Markup
from sqlalchemy.exc import SQLAlchemyError

from mailing.core.clock import now_ms
from webapp.http.compression import Shared

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Hashable

    from jinja2 import Environment

    from mailing.accounts.roles import Permission

    Fill = Callable[["Board"], Awaitable[None]]

log = structlog.get_logger(__name__)

CSRF = Markup("<!--csrf-->")  # stands in shared text where each viewer's own token goes


def message(text: str, event: str = "") -> bytes:
    """Return one message of a stream. A line break would end a ``data`` field, so each line gets its own."""
    lines = [f"event: {event}"] if event else []
    lines += [f"data: {line}" for line in text.splitlines()]
    return ("\n".join(lines) + "\n\n").encode()


@dataclass(frozen=True, slots=True)
class Key:
    """What the viewers of one board have in common: what is drawn for one of them goes to all.

    What they may do is part of it, so that no button is shown to somebody who may not press it.
    """

    view: Hashable
    rights: frozenset[Permission]
    language: str
    zone: str


class Board:
    """The regions of one view. ``turns`` counts how often it was brought up to date."""

    def __init__(self, env: Environment, context: dict[str, Any]) -> None:
        self.turns = 0
        self.ended = False
        self._env, self._context = env, context | {"csrf": CSRF}
        self._planned: dict[str, tuple[str, dict[str, Any]]] = {}
        self._shown: dict[str, tuple[int, str]] = {}
        self._since: dict[int, Shared] = {}
        self._turned = asyncio.Event()

    def show(self, target: str, template: str, **values: Any) -> None:
        """Plan to draw the element ``target`` anew."""
        self._planned[target] = template, values

    async def turn(self) -> None:
        """Draw what was planned, and let the viewers look."""
        now, planned, self._planned = now_ms(), self._planned, {}
        for target, (template, values) in planned.items():
            text = await self._env.get_template(template).render_async(self._context | {"now": now} | values)
            if self._shown.get(target, (0, ""))[1] != text:
                self._shown[target] = self.turns + 1, text
        self.turns += 1
        self._since.clear()
        self._wake()

    def end(self) -> None:
        """Send the viewers away."""
        self.ended = True
        self._wake()

    def changes(self, seen: int) -> Shared:
        """Return the message with the regions that changed after turn ``seen``; empty if none did.

        In its gaps goes each viewer's own token.
        """
        if seen not in self._since:
            parts = [
                _PARTIAL.format(target, Markup(text))  # noqa: S704 - it comes from an autoescaping template
                for target, (turn, text) in self._shown.items()
                if turn > seen
            ]
            self._since[seen] = Shared(message("\n".join(parts)) if parts else b"", CSRF.encode())
        return self._since[seen]

    async def next(self, seen: int) -> bool:
        """Wait for a turn after ``seen``; return whether there was one before the end."""
        while self.turns <= seen and not self.ended:
            await self._turned.wait()
        return self.turns > seen

    def _wake(self) -> None:
        self._turned.set()
        self._turned = asyncio.Event()


_PARTIAL = Markup('<hx-partial hx-target="{}" hx-swap="outerMorph">{}</hx-partial>')


class Boards:
    """The boards that somebody looks at now."""

    def __init__(self) -> None:
        self._boards: dict[Key, tuple[Board, asyncio.Task[None]]] = {}
        self._viewers: dict[Board, int] = {}
        self._told = ""

    @contextlib.asynccontextmanager
    async def looking(self, key: Key, make: Callable[[], Board], fill: Fill) -> AsyncIterator[Board]:
        """Look at the board of ``key``; if nobody does yet, ``make`` it and let ``fill`` keep it true."""
        board, task = self._boards.get(key, (None, None))
        if board is None or task is None:
            board = make()
            task = asyncio.create_task(self._keep(key, board, fill), name=f"board {key}")
            self._boards[key] = board, task
        self._viewers[board] = self._viewers.get(board, 0) + 1
        try:
            yield board
        finally:
            self._viewers[board] -= 1
            if not self._viewers[board]:
                del self._viewers[board]
                self._forget(key, board)
                task.cancel()

    async def _keep(self, key: Key, board: Board, fill: Fill) -> None:
        """Fill a board until its viewers are gone. Where it cannot be read they are sent to connect again."""
        try:
            await fill(board)
        except SQLAlchemyError as error:
            log.warning("stream ended", error=str(error))
        except Exception as error:  # noqa: BLE001 - or it would be known to nobody: the task has no other reader
            self._tell(error)
        finally:
            self._forget(key, board)
            board.end()

    def _tell(self, error: Exception) -> None:
        """Log where a drawing failed; not again and again, as its viewers come back every few seconds."""
        place = repr((type(error), traceback.extract_tb(error.__traceback__)[-1:]))
        if place == self._told:
            log.error("rendering a live page still fails", error=repr(error))
        else:
            self._told = place
            log.error("rendering a live page failed", exc_info=error)

    def _forget(self, key: Key, board: Board) -> None:
        if self._boards.get(key, (None, None))[0] is board:
            del self._boards[key]
