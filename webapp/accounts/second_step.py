"""Whoever has given the right password of an account that asks for a code, too: believed for five minutes.

It is written in the signed cookie of the browser, and is no session. It ends when the password is changed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import redirect, session

from mailing.accounts import tokens, users
from mailing.core.clock import now_ms
from webapp.http.services import services

if TYPE_CHECKING:
    from werkzeug.wrappers import Response

    from mailing.accounts.users import User

_KEY = "second step"
_LASTS_MS = 5 * 60 * 1000
_LONGEST = 500  # characters of where to go on: a cookie holds 4 KB


def begin(user: User, password_hash: str, onward: str) -> Response:
    """Remember who gave the password ``password_hash``, and go to the page that asks for the code."""
    session[_KEY] = [
        user.id,
        tokens.digest(password_hash),
        now_ms(),
        onward if len(onward) <= _LONGEST else "/",
    ]
    return redirect(services().at("/sign-in/code"), 303)


async def taken() -> tuple[User, str] | None:
    """Return who is to give a code now, and where to go on then; None if nobody is."""
    user_id, given, at, onward = session.get(_KEY, (0, "", 0, ""))
    if not 0 <= now_ms() - at < _LASTS_MS:
        return None
    svc = services()
    user, kept = await svc.read(users.get, user_id), await svc.read(users.password_of, user_id)
    if user is None or not user.active or not user.totp or kept is None or tokens.digest(kept) != given:
        return None
    return user, onward
