"""Who signs the mail of each domain: its keys that are active, opened with the secret key of now.

A domain without one sends unsigned. One that has some and cannot read them all sends nothing: mail that goes
out unsigned where it used to be signed is what forged mail looks like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.domains import keys, names
from mailing.domains.dkim import Algorithm, Signer
from mailing.domains.tables import KeyState
from mailing.senders import store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from mailing.domains.keys import DkimKey


def every(connection: Connection, secret_key: str) -> Mapping[str, Signer | Reason]:
    """Return by domain who signs, or why nobody can."""
    found: dict[str, list[DkimKey]] = {}
    for key in keys.every(connection):
        if key.state is KeyState.ACTIVE:
            found.setdefault(key.domain, []).append(key)
    return {domain: _signer(domain, active, secret_key) for domain, active in found.items()}


def revision(connection: Connection) -> tuple[int, int]:
    """Return what is another one after any change of a sender or of a key: a worker follows both."""
    return store.revision(connection), keys.revision(connection)


def of(connection: Connection, sender_from: str, secret_key: str) -> Signer | Reason | None:
    """Return who signs what comes from an address as a person wrote it; None where nobody does."""
    domain = names.of(sender_from)
    active = [key for key in keys.of(connection, domain) if key.state is KeyState.ACTIVE]
    return _signer(domain, active, secret_key) if active else None


def _signer(domain: str, active: Sequence[DkimKey], secret_key: str) -> Signer | Reason:
    opened = []
    for key in sorted(active, key=lambda it: [*Algorithm].index(it.algorithm)):
        private = keys.unsealed(key, secret_key)
        if private is None:
            return Reason("dkim.unreadable", selector=key.selector, domain=domain)
        opened.append(private)
    return Signer(domain, tuple(opened))
