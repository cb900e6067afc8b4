"""What a sender or a mailbox signs in with: its secrets are kept sealed, left as they are, or emptied.

None goes anywhere but where it was given for.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Protocol

from mailing.accounts import sealing
from mailing.core.reasons import EntryError, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailing.credentials.holders import Holder

_GIVEN = ("password", "client_secret")  # by a person
SECRETS = (*_GIVEN, "refresh_token")
WHERE = ("host", "port", "tls", "verify", "ca")  # for which a password was given
_WHOSE = ("provider", "tenant", "client_id", "username")  # by whom a consent was given, and to whom


class Entered(Protocol):
    """What a person entered. A secret that is None stays what it is; an empty one is taken away."""

    @property
    def password(self) -> str | None:
        """With which it signs in."""

    @property
    def client_secret(self) -> str | None:
        """Of the application at its provider."""

    @property
    def provider(self) -> str:
        """Whose consent signs in instead of a password; else empty."""


def seal(secret_key: str, holder: str, name: str, secret: str) -> str:
    """Return a secret of a holder, like ``sender:3``, as it is kept."""
    return sealing.seal(secret_key, f"{holder}:{name}", secret.encode())


def sealed(secret_key: str, holder: str, entry: Entered) -> dict[str, str]:
    """Return the secrets that were entered as they are kept: none of those that stay."""
    given = {name: getattr(entry, name) for name in _GIVEN}
    return {
        name: secret and seal(secret_key, holder, name, secret)
        for name, secret in given.items()
        if secret is not None
    }


def unsealed(secret_key: str, holder: str, name: str, kept: str) -> str:
    """Return a secret, or "" where none is kept. Raises ``SealedElsewhereError``."""
    return sealing.unseal(secret_key, f"{holder}:{name}", kept).decode() if kept else ""


def emptied(
    now: Holder, entry: Entered, values: Mapping[str, object], where: Sequence[str] = WHERE
) -> dict[str, str]:
    """Return the secrets that a change of ``values`` takes away, as they were given for what it was.

    Raises ``EntryError`` where the password must be entered again.
    """
    if differs(now, values, where):
        unfit = bool(now.password) and entry.password is None
        if unfit and not entry.provider:
            raise EntryError({"password": Reason("sender-fault.password-again")})
        return dict.fromkeys(("refresh_token", "password") if unfit else ("refresh_token",), "")
    return {"refresh_token": ""} if differs(now, values, _WHOSE) else {}


def differs(now: Holder, values: Mapping[str, object], names: Sequence[str]) -> bool:
    """Whether any of these values is another one."""
    return any(values[name] != getattr(now, name) for name in names)


def changes(before: Holder | None, entry: Any) -> str:
    """Return the names of what an entry changes, secrets among them without their values."""
    given = {it.name: getattr(entry, it.name) for it in fields(entry)} if before else {}
    return ", ".join(
        name
        for name, value in given.items()
        if (value is not None if name in _GIVEN else getattr(before, name) != value)
    )
