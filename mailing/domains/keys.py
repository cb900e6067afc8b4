"""DKIM keys are made, watched, rotated and retired; their private halves are sealed under the secret key.

Of each algorithm one key of a domain signs. Its successor is made beside it, and takes its place an hour
after its record was first seen: until then servers of names may still believe that there is none. The record
of the old one stays for ``OVERLAP_MS``, for the mail that is still on its way.

All functions take an open connection; those that write belong to the transaction of their caller.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from sqlalchemy import func, insert, select, update

from mailing.accounts import sealing
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, ReasonError
from mailing.domains import records
from mailing.domains.dkim import Algorithm, Key, PrivateKey
from mailing.domains.tables import NEXT, KeyState
from mailing.domains.tables import dkim_keys as table
from mailing.internet.findings import Light

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from sqlalchemy import Connection, Select

RSA_BITS = 2048  # RFC 8301; a longer one fits into few providers' forms
CAUTION_MS = 3_600_000  # for which servers of names may remember that a record was not there
OVERLAP_MS = 14 * 86_400_000  # the record of a key stays after it signed last
_STEPS = {
    KeyState.PUBLISHED: "published_at",
    KeyState.ACTIVE: "activated_at",
    KeyState.RETIRING: "retiring_at",
    KeyState.RETIRED: "retired_at",
}
_WAITING = (KeyState.CREATED, KeyState.PUBLISHED)


class DkimError(ReasonError):
    """Something cannot be done with a key."""


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A key as it is kept. Times are in ms since 1970; ``public_key`` is base64."""

    id: int
    domain: str
    selector: str
    algorithm: Algorithm
    private_key: str = field(repr=False)
    public_key: str
    state: KeyState
    created_at: int
    published_at: int | None
    activated_at: int | None
    retiring_at: int | None
    retired_at: int | None
    changed_at: int

    @property
    def name(self) -> str:
        """Where its record is."""
        return records.name(self.selector, self.domain)

    @property
    def value(self) -> str:
        """What its record says."""
        return records.value(self.algorithm, self.public_key)

    @property
    def zone_line(self) -> str:
        """Its record as it stands in a zone file."""
        return records.zone_line(self.name, self.value)

    @property
    def waits(self) -> bool:
        """Whether it does not sign yet."""
        return self.state in _WAITING

    @property
    def needs_record(self) -> bool:
        """Whether its record has to be in DNS."""
        return self.state is not KeyState.RETIRED

    @property
    def removable_at(self) -> int | None:
        """From when on its record may be removed."""
        return self.retiring_at + OVERLAP_MS if self.retiring_at else self.retired_at


def generate(algorithms: Collection[Algorithm]) -> Sequence[PrivateKey]:
    """Return new keys; it takes some tenths of a second."""
    return [
        Ed25519PrivateKey.generate()
        if algorithm is Algorithm.ED25519
        else rsa.generate_private_key(public_exponent=65_537, key_size=RSA_BITS)
        for algorithm in algorithms
    ]


def keep(
    connection: Connection, domain: str, generated: Sequence[PrivateKey], secret_key: str
) -> Sequence[DkimKey]:
    """Keep new keys of a domain, each under a selector of its own.

    Raises ``DkimError`` where one of its algorithm waits already for its record. One that waits and cannot be
    read any more is retired.
    """
    there, now, kept = of(connection, domain), now_ms(), []
    for private in generated:
        algorithm = Algorithm.RSA if isinstance(private, rsa.RSAPrivateKey) else Algorithm.ED25519
        for waiting in (it for it in there if it.waits and it.algorithm is algorithm):
            if unsealed(waiting, secret_key):
                told = Reason("dkim.waiting", selector=waiting.selector, domain=domain)
                raise DkimError(told)
            _move(connection, waiting, KeyState.RETIRED)
        selector = _free_selector(now, algorithm, {it.selector for it in there})
        values = {
            "domain": domain,
            "selector": selector,
            "algorithm": algorithm,
            "private_key": _sealed(private, domain, selector, secret_key),
            "public_key": public_of(private),
            "state": KeyState.CREATED,
            "created_at": now,
            "changed_at": now,
        }
        kept.append(connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one())
    return [it for it in of(connection, domain) if it.id in kept]


def every(connection: Connection) -> Sequence[DkimKey]:
    """Return all keys, by their domains, the newest first."""
    return _read(connection, select(table).order_by(table.c.domain, table.c.id.desc()))


def of(connection: Connection, domain: str) -> Sequence[DkimKey]:
    """Return the keys of a domain, the newest first."""
    return _read(connection, select(table).where(table.c.domain == domain).order_by(table.c.id.desc()))


def revision(connection: Connection) -> int:
    """Return a number that is another one after any key was made, or has another state."""
    changes = select(func.coalesce(func.sum(table.c.changed_at), 0) + func.count())
    return int(connection.execute(changes.select_from(table)).scalar_one())


def settle(connection: Connection, domain: str, seen: Mapping[int, Light], secret_key: str) -> None:
    """Have the keys of a domain follow what was ``seen`` of their records, by id."""
    for key in reversed(of(connection, domain)):  # the oldest first: a newer one takes its place
        light = seen.get(key.id)
        if key.state is KeyState.PUBLISHED and light in {Light.RED, Light.AMBER}:
            _move(connection, key, KeyState.CREATED)
        if light is not Light.GREEN or not key.waits:
            continue
        if key.state is KeyState.CREATED:
            _move(connection, key, KeyState.PUBLISHED)
        before = [
            it
            for it in of(connection, domain)
            if it.state is KeyState.ACTIVE and it.algorithm is key.algorithm
        ]
        signs = any(unsealed(it, secret_key) for it in before)
        if not signs or (key.published_at or now_ms()) + CAUTION_MS <= now_ms():
            for it in before:
                _move(connection, it, KeyState.RETIRING)
            _move(connection, key, KeyState.ACTIVE)


def retire(connection: Connection, domain: str, selector: str) -> DkimKey:
    """Have a key sign no more. Raises ``DkimError`` where there is none that could."""
    found = next((it for it in of(connection, domain) if it.selector == selector), None)
    if found is None:
        raise DkimError(Reason("dkim.not-found", selector=selector, domain=domain))
    if not (found.waits or found.state is KeyState.ACTIVE):
        raise DkimError(Reason("dkim.retired-already", selector=selector, domain=domain))
    _move(connection, found, KeyState.RETIRED if found.waits else KeyState.RETIRING)
    return found


def advance(connection: Connection) -> int:
    """Retire the keys whose records need not be there any more; return how many."""
    old = table.c.state == KeyState.RETIRING, table.c.retiring_at <= now_ms() - OVERLAP_MS
    found = _read(connection, select(table).where(*old))
    for key in found:
        _move(connection, key, KeyState.RETIRED)
    return len(found)


def unsealed(key: DkimKey, secret_key: str) -> Key | None:
    """Return a key that can sign; None where another secret key sealed it, or it is retired."""
    try:
        data = sealing.unseal(secret_key, _place(key.domain, key.selector), key.private_key)
    except sealing.SealedElsewhereError:
        return None
    # what we made and sealed needs no proof, which takes OpenSSL 27 ms
    private = load_der_private_key(data, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(private, rsa.RSAPrivateKey | Ed25519PrivateKey)
    return Key(key.selector, key.algorithm, private)


def _move(connection: Connection, key: DkimKey, state: KeyState) -> None:
    """Move a key to another state; whoever was faster has moved it already."""
    before = connection.execute(select(table.c.state).where(table.c.id == key.id)).scalar_one()
    if state not in NEXT[KeyState(before)]:
        return
    now = now_ms()
    values: dict[str, Any] = {"state": state, "changed_at": now}
    if state in _STEPS:
        values[_STEPS[state]] = now
    if state is KeyState.RETIRED:
        values["private_key"] = ""
    own = update(table).where(table.c.id == key.id, table.c.state == before)
    connection.execute(own.values(values))


def _sealed(private: PrivateKey, domain: str, selector: str, secret_key: str) -> str:
    data = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return sealing.seal(secret_key, _place(domain, selector), data)


def public_of(private: PrivateKey) -> str:
    """Return the public half as a record holds it: of Ed25519 the bare key (RFC 8463 section 4)."""
    public = private.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        data = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        data = public.public_bytes_raw()
    return base64.b64encode(data).decode()


def _free_selector(now: int, algorithm: Algorithm, taken: set[str]) -> str:
    day = f"{datetime.fromtimestamp(now / 1000, UTC):%Y%m%d}"
    base = f"v{day}{'r' if algorithm is Algorithm.RSA else 'e'}"
    return next(each for each in (base, *(f"{base}{n}" for n in range(2, 1_000))) if each not in taken)


def _place(domain: str, selector: str) -> str:
    return f"dkim:{domain}:{selector}"


def _read(connection: Connection, statement: Select[Any]) -> Sequence[DkimKey]:
    rows = (row._asdict() for row in connection.execute(statement))
    return [
        DkimKey(**{**it, "algorithm": Algorithm(it["algorithm"]), "state": KeyState(it["state"])})
        for it in rows
    ]
