"""Commands about the ways to sign in: the authenticator app, recovery codes, passkeys. As in ``people``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts import audit, passkeys, throttle, tokens, totp
from mailing.accounts.throttle import Limit
from mailing.accounts.users import AccountError
from mailing.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.accounts.passkeys import Credential, Passkey
    from mailing.core.actors import Actor
    from tasks.commands.backend import Backend

_ONCE = Limit(1, 10 * 60 * 1000)  # longer than any challenge lasts


def turn_on_totp(backend: Backend, actor: Actor, user_id: int, secret: str, first: int) -> Sequence[str]:
    """Turn the authenticator app on for somebody; return the recovery codes. ``secret`` is sealed."""
    with backend.db.write() as connection:
        if not totp.turn_on(connection, user_id, secret, first):
            raise AccountError(Reason("account.totp-on"))
        audit.record(connection, actor, "turn on totp", f"user:{user_id}")
        return totp.renew_recovery(connection, user_id)


def turn_off_totp(backend: Backend, actor: Actor, user_id: int) -> bool:
    """Turn somebody's authenticator app off; return whether it was on."""
    with backend.db.write() as connection:
        if was_on := totp.turn_off(connection, user_id):
            audit.record(connection, actor, "turn off totp", f"user:{user_id}")
    return was_on


def renew_recovery(backend: Backend, actor: Actor, user_id: int) -> Sequence[str]:
    """Return new recovery codes; the earlier ones become invalid.

    Raises ``AccountError`` if no code is asked for.
    """
    with backend.db.write() as connection:
        if totp.sealed(connection, user_id) is None:
            raise AccountError(Reason("account.totp-off"))
        audit.record(connection, actor, "renew recovery codes", f"user:{user_id}")
        return totp.renew_recovery(connection, user_id)


def use_code(backend: Backend, user_id: int, secret: str, step: int) -> bool:
    """Count a code; return False if it was used. The sign-in that follows writes into the audit log."""
    with backend.db.write() as connection:
        return totp.use(connection, user_id, secret, step)


def use_recovery(backend: Backend, user_id: int, typed: str) -> bool:
    """Count a recovery code; return False if it is none, or was used."""
    with backend.db.write() as connection:
        return totp.use_recovery(connection, user_id, typed)


def add_passkey(
    backend: Backend,
    actor: Actor,
    user_id: int,
    credential: Credential,
    *,
    challenge: bytes,
    name: str,
) -> None:
    """Keep a new passkey. Raises ``AccountError``, also if its challenge was answered before."""
    with backend.db.write() as connection:
        if not _spend(connection, challenge):
            raise AccountError(Reason("account.passkey-known"))
        passkeys.add(connection, user_id, credential, name)
        audit.record(connection, actor, "add passkey", f"user:{user_id}", name=name)


def use_passkey(backend: Backend, passkey: Passkey, challenge: bytes, sign_count: int) -> bool:
    """Count the use of a passkey; return False if this challenge was answered before."""
    with backend.db.write() as connection:
        return _spend(connection, challenge) and passkeys.use(connection, passkey, sign_count)


def remove_passkey(backend: Backend, actor: Actor, user_id: int, passkey_id: int) -> None:
    """Drop a passkey; to drop it again changes nothing. Raises ``AccountError`` for the last way in."""
    with backend.db.write() as connection:
        if (name := passkeys.remove(connection, user_id, passkey_id)) is not None:
            audit.record(connection, actor, "remove passkey", f"user:{user_id}", name=name)


def _spend(connection: Connection, challenge: bytes) -> bool:
    """Return whether this is the first answer to a challenge."""
    return not throttle.wait_ms(connection, f"challenge:{tokens.digest(challenge.decode())}", _ONCE)
