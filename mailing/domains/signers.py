"""Who signs the mail of each domain: its keys that are active, opened with the secret key of now.

A domain without one is signed for by the nearest domain above it that has some: DMARC takes the signature of
a parent as its own (RFC 9989 section 4.4.1), unless the record says ``adkim=s``. A domain whose keys wait for
their records is signed for so, too. Without any it sends unsigned. One that has some and cannot read them all
sends nothing: mail that goes out unsigned where it used to be signed is what forged mail looks like.
"""

from __future__ import annotations

from functools import lru_cache
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
    for domain in _upwards(names.of(sender_from)):
        if active := _active(connection, domain):
            return _signer(domain, active, secret_key)
    return None


def find(known: Mapping[str, Signer | Reason], sender_from: str) -> Signer | Reason | None:
    """Return of those whom ``every`` found the one who signs what comes from an address."""
    return next((known[it] for it in _upwards(names.of(sender_from)) if it in known), None)


def above(connection: Connection, domain: str) -> str:
    """Return the domain above whose keys sign for one without keys that sign; empty if none does."""
    if _active(connection, domain):
        return ""
    return next((it for it in _upwards(domain)[1:] if _active(connection, it)), "")


@lru_cache(maxsize=256)
def _upwards(domain: str) -> Sequence[str]:
    """Return a domain and those above it, down to two labels: no key is made for fewer."""
    labels = domain.split(".")
    return [".".join(labels[at:]) for at in range(max(1, len(labels) - 1))]


def _active(connection: Connection, domain: str) -> Sequence[DkimKey]:
    return [key for key in keys.of(connection, domain) if key.state is KeyState.ACTIVE]


def _signer(domain: str, active: Sequence[DkimKey], secret_key: str) -> Signer | Reason:
    opened = []
    for key in sorted(active, key=lambda it: [*Algorithm].index(it.algorithm)):
        private = keys.unsealed(key, secret_key)
        if private is None:
            return Reason("dkim.unreadable", selector=key.selector, domain=domain)
        opened.append(private)
    return Signer(domain, tuple(opened))
