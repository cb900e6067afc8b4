"""The key that signs receipts (Ed25519, RFC 8032): one for the installation, sealed under the secret key.

Under a new secret key it cannot be opened; then the next receipt makes another. The public keys of all stay,
so that the receipts which they signed can still be recognized.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from mailing.accounts import sealing
from mailing.accounts.sealing import SealedElsewhereError
from mailing.core.clock import now_ms
from mailing.core.statements import run
from mailing.receipts.tables import receipt_keys as table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

_MAKE = (
    "INSERT INTO receipt_keys (number, private_key, public_key, created_at) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (number) DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class ReceiptKey:
    """A key that can be opened now."""

    number: int
    key: Ed25519PrivateKey

    @property
    def public(self) -> str:
        """Its public half, in hexadecimal."""
        return public_of(self.key)


def public_of(key: Ed25519PrivateKey) -> str:
    """Return the public half of a key, in hexadecimal."""
    return key.public_key().public_bytes_raw().hex()


def current(connection: Connection, secret_key: str) -> ReceiptKey | None:
    """Return the newest key that this secret key opens; None if there is none."""
    return _opened(_read(connection), secret_key)


def make(connection: Connection, secret_key: str) -> ReceiptKey:
    """Return the key, and make it if there is none. All who do so at once get the same."""
    while True:
        known = _read(connection)
        if found := _opened(known, secret_key):
            return found
        number = known[0].number + 1 if known else 1  # of what was seen, or two would make two
        key = Ed25519PrivateKey.generate()
        sealed = sealing.seal(secret_key, _place(number), key.private_bytes_raw())
        run(connection, _MAKE, (number, sealed, public_of(key), now_ms()))


def _read(connection: Connection) -> Sequence[Any]:
    return connection.execute(select(table).order_by(table.c.number.desc())).all()


def _opened(rows: Sequence[Any], secret_key: str) -> ReceiptKey | None:
    for row in rows:
        try:
            private = sealing.unseal(secret_key, _place(row.number), row.private_key)
        except SealedElsewhereError:
            continue
        return ReceiptKey(row.number, Ed25519PrivateKey.from_private_bytes(private))
    return None


def public_keys(connection: Connection) -> Sequence[str]:
    """Return the public keys of the installation, the newest first."""
    return connection.execute(select(table.c.public_key).order_by(table.c.number.desc())).scalars().all()


def _place(number: int) -> str:
    return f"receipt-key:{number}"
