"""Passwords: what one must be, and how it is kept (ASVS 5.0, 6.2 and 11.4; argon2id, RFC 9106)."""

from __future__ import annotations

import threading
from functools import cache
from typing import TYPE_CHECKING

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from mailing.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

SHORTEST, LONGEST = 12, 256  # characters
_PART = 4  # letters of a name that give a password away
_RUNS = tuple(
    run * 26
    for row in ("1234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm")
    for run in (row, row[::-1])
)  # as they stand on a keyboard or in the alphabet, however long
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_AT_ONCE = threading.BoundedSemaphore(2)  # 19 MiB and 20 ms of a core each


def fault(password: str, *names: str) -> Reason | None:
    """Return what is wrong with a new password; ``names`` are what others know of its owner."""
    if len(password) < SHORTEST:
        return Reason("password.too-short", least=SHORTEST)
    if len(password) > LONGEST:
        return Reason("password.too-long", most=LONGEST)
    plain = password.casefold()
    known = plain in _known() or _core(plain) in _known() or any(plain in run for run in _RUNS)
    if known or len(set(plain)) < _PART:
        return Reason("password.known")
    if any(_core(plain) == name for name in _parts(names)):
        return Reason("password.like-name")
    return None


def hashed(password: str) -> str:
    """Return what is kept of a password. Blocking: 20 ms of a core."""
    with _AT_ONCE:
        return _HASHER.hash(password)


def matches(kept: str | None, password: str) -> bool:
    """Return whether this is the password.

    It takes as long where there is none, so its time reveals nothing.
    """
    with _AT_ONCE:
        try:
            return _HASHER.verify(kept or _decoy(), password[: LONGEST + 1]) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


def outdated(kept: str) -> bool:
    """Return whether it was kept by weaker rules than today's."""
    return _HASHER.check_needs_rehash(kept)


def _core(plain: str) -> str:
    """Return a password without the digits and signs that people put behind a word."""
    return plain.strip("0123456789!?.,:;-_#*$@ ")


def _parts(names: Sequence[str]) -> set[str]:
    found = {"volley"}
    for name in names:
        plain = name.casefold()
        local, _, domain = plain.partition("@")
        found |= {plain, local, domain, domain.partition(".")[0]}
    return {part for part in found if len(part) >= _PART}


@cache
def _known() -> frozenset[str]:
    return frozenset(FREQUENCY_LISTS["passwords"])


@cache
def _decoy() -> str:
    return _HASHER.hash("a password that nobody has")
