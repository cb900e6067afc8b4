"""Server-Sent Events: what open pages are told, as it happens.

A stream begins with everything live on its page, then sends only the regions that changed. Unnamed
messages hold ``<hx-partial>`` elements, which htmx swaps into their targets; the named ``beat`` says
that the server lives and whether news flow (``live``) or the database is read instead (``away``).

A browser has few connections to one host, so a tab that finds no place among its neighbours asks with
``ONCE`` for that beginning alone, again and again (see ``live.js``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Response, current_app, request

from mailing.accounts.roles import Permission
from webapp.http import auth, compression
from webapp.http.compression import Shared
from webapp.http.security import csrf_field
from webapp.http.services import services
from webapp.i18n import languages
from webapp.live.regions import Board, Key, message
from webapp.ui.jinja import base_context

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Hashable, Sequence
    from contextlib import AbstractAsyncContextManager

    from webapp.http.services import Services
    from webapp.live.regions import Fill

BEAT_S = 2.0
ONCE = "Volley-Once"  # a header: end the stream after its beginning
_BEATS = {False: Shared(message("live", "beat")), True: Shared(message("away", "beat"))}
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",  # a proxy must pass each message on at once
}


def respond(view: Hashable, fill: Fill) -> Response:
    """Answer with the stream of the board of ``view``, drawn once for all viewers who may see the same.

    Only a viewer who may change something gets forms that can be sent, and needs a session for it.
    """
    svc, env = services(), current_app.jinja_env
    context, rights = base_context(svc), auth.rights()
    key = Key(view, rights, languages.current(), context["zone_name"])
    watching = svc.boards.looking(key, lambda: Board(env, context), fill)
    field = str(csrf_field()) if rights - {Permission.READ} else ""
    return squeezed(_messages(svc, watching, once=ONCE in request.headers), field.encode())


def squeezed(messages: AsyncGenerator[Sequence[Shared], None], own: bytes = b"") -> Response:
    """Answer with a stream for a page, compressed if its browser takes that; ``own`` is its viewer's."""
    packed, encoding = compression.squeeze(messages, own)
    response = plain(packed)
    response.headers.update(encoding)
    return response


def plain(messages: AsyncGenerator[bytes, None]) -> Response:
    """Answer with a stream as it is."""
    response = Response(auth.while_welcome(messages), headers=_HEADERS)
    response.timeout = None
    return response


def beat(svc: Services) -> Shared:
    """Return the message that the server lives, and whether news flow."""
    return _BEATS[svc.hub.away]


async def _messages(
    svc: Services, watching: AbstractAsyncContextManager[Board], *, once: bool
) -> AsyncGenerator[Sequence[Shared], None]:
    seen = 0
    async with watching as board:
        while await board.next(seen):
            changes, seen = board.changes(seen), board.turns
            yield changes, beat(svc)
            if once:
                return
