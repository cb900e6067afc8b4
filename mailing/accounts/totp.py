"""The second step of signing in: codes of an authenticator app (TOTP, RFC 6238), and recovery codes.

Each code counts once, also for two who send it at the same moment: its use is a conditional update.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING

import pyotp
from pyotp.exceptions import OTPVerificationError
from sqlalchemy import ColumnElement, delete, func, insert, or_, select, update

from mailing.accounts import tokens
from mailing.accounts.tables import recovery_codes as codes
from mailing.accounts.tables import users
from mailing.core.clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

RECOVERY_CODES = 10
_LETTERS = 32  # of a secret, in Base32: 160 bits (RFC 4226 section 4)
_WINDOW = 1  # steps of 30 s that a clock may be wrong by (RFC 6238 section 5.2)
_LONGEST = 100  # characters of a code as typed
_RECOVERY_BYTES = 15  # 120 bits: enough for a fast hash (ASVS 5.0, 6.5.2)
_GROUP = 4  # letters between two hyphens


def make() -> str:
    """Return a new secret, in Base32."""
    return pyotp.random_base32(_LETTERS)


def address(secret: str, email: str) -> str:
    """Return what an app reads from the QR code (otpauth)."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name="Volley")


def step(secret: str, typed: str, at_s: int) -> int | None:
    """Return the step whose code was typed, one of those around ``at_s``; None if it is no code of theirs."""
    code = "".join(typed[:_LONGEST].split())
    try:
        return pyotp.TOTP(secret).verify_and_get_timecode(code, for_time=at_s, valid_window=_WINDOW)
    except OTPVerificationError:
        return None


def sealed(connection: Connection, user_id: int) -> str | None:
    """Return somebody's secret as it is kept; None if sign-in has no second step."""
    return connection.execute(select(users.c.totp_secret).where(users.c.id == user_id)).scalar()


def turn_on(connection: Connection, user_id: int, secret: str, first: int) -> bool:
    """Keep a sealed secret, of which the code of step ``first`` is used; return False if there is one."""
    mine = update(users).where(users.c.id == user_id, users.c.totp_secret.is_(None))
    return bool(connection.execute(mine.values(totp_secret=secret, totp_step=first)).rowcount)


def turn_off(connection: Connection, user_id: int) -> bool:
    """Drop the secret and the recovery codes; return whether there was a secret."""
    mine = update(users).where(users.c.id == user_id, users.c.totp_secret.is_not(None))
    connection.execute(delete(codes).where(codes.c.user_id == user_id))
    return bool(connection.execute(mine.values(totp_secret=None, totp_step=None)).rowcount)


def use(connection: Connection, user_id: int, secret: str, used: int) -> bool:
    """Count the code of a step of this sealed secret; return False if it or a later one was used."""
    unused = or_(users.c.totp_step.is_(None), users.c.totp_step < used)
    mine = update(users).where(users.c.id == user_id, users.c.totp_secret == secret, unused)
    return bool(connection.execute(mine.values(totp_step=used)).rowcount)


def renew_recovery(connection: Connection, user_id: int) -> Sequence[str]:
    """Return new recovery codes; the earlier ones become invalid."""
    made = [
        base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)
    ]
    connection.execute(delete(codes).where(codes.c.user_id == user_id))
    connection.execute(
        insert(codes), [{"user_id": user_id, "code_hash": tokens.digest(code)} for code in made]
    )
    return ["-".join(code[at : at + _GROUP] for at in range(0, len(code), _GROUP)) for code in made]


def use_recovery(connection: Connection, user_id: int, typed: str) -> bool:
    """Use a recovery code, in any case and with any separators; return False if it is invalid."""
    code = "".join(letter for letter in typed[:_LONGEST].lower() if letter.isalnum())
    mine = update(codes).where(_left(user_id), codes.c.code_hash == tokens.digest(code))
    return bool(connection.execute(mine.values(used_at=now_ms())).rowcount)


def recovery_left(connection: Connection, user_id: int) -> int:
    """Return how many recovery codes are unused."""
    return connection.execute(select(func.count()).select_from(codes).where(_left(user_id))).scalar_one()


def _left(user_id: int) -> ColumnElement[bool]:
    return (codes.c.user_id == user_id) & codes.c.used_at.is_(None)
