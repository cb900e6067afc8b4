"""Programs before the API: keys made for a test, and requests that show something."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailing.accounts import sessions, tokens, users
from mailing.accounts.roles import Permission, Role
from mailing.core.actors import Actor, ActorKind
from mailing.programs import access_tokens, api_keys
from tasks.commands.accounts import keys
from tests.support.api import CAMPAIGNS

if TYPE_CHECKING:
    from collections.abc import Collection

    from quart import Quart
    from quart.typing import TestClientProtocol

    from tasks.commands.backend import Backend

CLI = Actor(ActorKind.CLI)
READ = (Permission.READ,)


def backend_of(app: Quart) -> Backend:
    backend: Backend = app.extensions["volley"].backend
    return backend


def person(app: Quart, email: str, role: Role) -> Actor:
    """Somebody with an account, who asks at the pages."""
    with backend_of(app).db.write() as connection:
        return Actor(ActorKind.PERSON, email, users.add(connection, email, role, None))


def sign_in(app: Quart, client: TestClientProtocol, who: Actor) -> None:
    """Let a browser be signed in."""
    assert who.id
    with backend_of(app).db.write() as connection:
        _, token = sessions.begin(connection, who.id, "127.0.0.1", "Firefox/1")
    signed = tokens.signed(app.extensions["volley"].settings.secret_key, token)
    client.set_cookie("127.0.0.1", "volley_session", signed)


def make_key(
    app: Quart, scopes: Collection[Permission] = READ, *, by: Actor = CLI, days: int | None = None
) -> str:
    return keys.add(backend_of(app), by, "script", scopes, days)


def make_token(app: Quart, text: str) -> str:
    """A token for a key, as the API makes one."""
    settings, backend = app.extensions["volley"].settings, backend_of(app)
    with backend.db.read() as connection:
        key = api_keys.shown(connection, text)
    signing = keys.signing_key(backend, settings.secret_key)
    return access_tokens.issue(signing, settings.site.url, key)[0]


def bearing(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def ask(client: TestClientProtocol, text: str, path: str = CAMPAIGNS) -> Any:
    return await client.get(path, headers=bearing(text))
