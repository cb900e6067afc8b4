"""Senders as they are kept: in their order, with secrets sealed, and never one that is in use taken away.

All functions take an open connection; those that write belong to the transaction of their caller.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from mailing.accounts.sealing import SealedElsewhereError
from mailing.core import reasons
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, ReasonError
from mailing.core.states import CampaignState
from mailing.core.tables import campaigns
from mailing.credentials import secrets
from mailing.credentials.holders import Holder
from mailing.credentials.providers import PROVIDERS
from mailing.senders import entries, limits, warmup
from mailing.senders.entries import Entry
from mailing.senders.tables import senders as table
from mailing.smtp.account import account_of, kept_as

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection, Select

    from mailing.core.reasons import Words
    from mailing.senders.limits import Limits
    from mailing.senders.warmup import Plan
    from mailing.smtp.account import AuthWay, Sender

MOST = 100  # senders
NAMED = 5  # campaigns that a refusal names
_THERE = table.c.deleted_at.is_(None)
_OF_SETTINGS = ("host", "port", "tls", "username", "auth")  # kept in step


class SenderError(ReasonError):
    """A sender is not there, or cannot be changed so."""


@dataclass(frozen=True, slots=True)
class Account(Holder):
    """A sender as it is kept."""

    position: int
    preset: str
    auth: AuthWay
    signs: bool
    connections: int | None
    limits: Limits
    receiver_limits: Mapping[str, Limits]
    warmup: Plan | None
    from_settings: bool

    @property
    def limits_today(self) -> Limits:
        """Its limits, and what its warm-up allows today."""
        return warmup.within(self.limits, self.warmup)

    @property
    def scope(self) -> str:
        """What is asked of the provider of its account."""
        return PROVIDERS[self.provider].scope

    @property
    def account(self) -> str:
        """By what its rests and its share of the work are known, as of ``smtp.account.Sender``."""
        return account_of(self.username, self.server) if self.from_settings else kept_as(self.id)


def every(connection: Connection) -> Sequence[Account]:
    """Return all senders in their order."""
    return _read(connection, _chosen().order_by(table.c.position, table.c.id))


def get(connection: Connection, sender_id: int) -> Account | None:
    """Return a sender, or None."""
    return next(iter(_read(connection, _chosen().where(table.c.id == sender_id))), None)


def named(connection: Connection, name: str) -> Account | None:
    """Return the sender with this name, in capitals or small letters, or None."""
    wanted = func.lower(table.c.name) == func.lower(entries.tidy(name))
    return next(iter(_read(connection, _chosen().where(wanted))), None)


def as_entered(account: Account, **changes: Any) -> Entry:
    """Return a sender as if it were entered again, with some changes. Its secrets stay what they are."""
    kept = {it.name: getattr(account, it.name) for it in fields(Entry) if it.name not in secrets.SECRETS}
    return Entry(**{**kept, **changes})


def chosen(accounts: Iterable[Account], ids: Iterable[int] | None) -> Sequence[Account]:
    """Return the senders of a campaign that names these, in its order; None: the sender of the settings.

    Those that are gone are left out, so that nothing leaves by a sender that nobody chose.
    """
    if ids is None:
        return [account for account in accounts if account.from_settings]
    known = {account.id: account for account in accounts}
    return [known[sender_id] for sender_id in ids if sender_id in known]


def revision(connection: Connection) -> int:
    """Return a number that is another one after any change of any sender, by a person or of its trouble."""
    changes = func.coalesce(func.sum(table.c.revision), 0)
    troubles = func.coalesce(func.sum(table.c.trouble_at), 0)
    return int(connection.execute(select(changes + troubles)).scalar_one())


def limit_receivers(connection: Connection) -> bool:
    """Whether any sender limits its mail by receiver."""
    limited = _THERE, table.c.receiver_limits.is_not(None)
    return connection.execute(select(table.c.id).where(*limited).limit(1)).first() is not None


def create(connection: Connection, entry: Entry, secret_key: str) -> int:
    """Store a new sender as the last; return its id. Raises ``EntryError`` and ``SenderError``."""
    entries.check(entry)
    there = connection.execute(select(func.count(), func.max(table.c.position)).where(_THERE)).one()
    if there[0] >= MOST:
        raise SenderError(Reason("sender.too-many", most=MOST))
    values = _columns(entry) | {"position": (there[1] or 0) + 1}
    try:
        with connection.begin_nested():
            sender_id = int(
                connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one()
            )
    except IntegrityError:
        raise SenderError(Reason("sender.name-taken", name=entries.tidy(entry.name))) from None
    if sealed := secrets.sealed(secret_key, _holder(sender_id), entry):
        connection.execute(update(table).where(table.c.id == sender_id).values(sealed))
    return sender_id


def revise(
    connection: Connection, sender_id: int, entry: Entry, secret_key: str, *, seen: int | None = None
) -> None:
    """Change a sender. Its trouble is forgotten: the next connection shows whether it is over.

    ``seen`` is the revision that the change was made from. A secret goes nowhere but where it was given for:
    with another server, or another way to protect the line, it must be entered again. Of the sender of
    the settings only name, signing, connections and limits change. Raises ``EntryError`` and ``SenderError``.
    """
    entries.check(entry)
    now = get(connection, sender_id)
    if now is None:
        raise SenderError(Reason("sender.not-found"))
    values = _columns(entry) | secrets.sealed(secret_key, _holder(sender_id), entry)
    if now.from_settings:
        if secrets.differs(now, values, (*secrets.WHERE, *_OF_SETTINGS)):
            raise SenderError(Reason("sender.of-settings", name=now.name))
        values = {name: values[name] for name in ("name", "signs", "connections", *_LIMITS)}
    else:
        values |= secrets.emptied(now, entry, values)
    _change(connection, sender_id, seen or now.revision, values | _FREE)


def move(connection: Connection, sender_id: int, position: int) -> None:
    """Give a sender another place in the order, from 1. Raises ``SenderError``."""
    ordered = select(table.c.id, table.c.position).where(_THERE).order_by(table.c.position, table.c.id)
    before = {row.id: row.position for row in connection.execute(ordered.with_for_update())}
    if sender_id not in before:
        raise SenderError(Reason("sender.not-found"))
    order = [each for each in before if each != sender_id]
    order.insert(max(position, 1) - 1, sender_id)
    for place, each in enumerate(order, 1):
        if before[each] != place:
            values = {"position": place, "revision": table.c.revision + 1}
            connection.execute(update(table).where(table.c.id == each).values(values))


def delete(connection: Connection, sender_id: int) -> Account:
    """Take a sender away, with its secrets; return it. Raises ``SenderError`` where campaigns use it."""
    found = get(connection, sender_id)
    own = update(table).where(table.c.id == sender_id, _THERE)
    gone = {"deleted_at": now_ms(), "revision": table.c.revision + 1} | dict.fromkeys(secrets.SECRETS, "")
    with connection.begin_nested():  # it is locked first, so that no campaign comes to use it meanwhile
        if found is None or not connection.execute(own.values(gone)).rowcount:
            raise SenderError(Reason("sender.not-found"))
        if found.from_settings:
            raise SenderError(Reason("sender.of-settings", name=found.name))
        if users := campaigns_of(connection, sender_id):
            named = tuple(f"{subject} ({campaign_id})" for campaign_id, subject in users[:NAMED])
            more = ("…",) if len(users) > NAMED else ()
            raise SenderError(Reason("sender.in-use", name=found.name, campaigns=named + more))
    return found


def hold(connection: Connection, ids: Iterable[int]) -> set[int]:
    """Have these senders stay until this transaction ends; return which of them are there."""
    own = select(table.c.id).where(table.c.id.in_(sorted({*ids})), _THERE).order_by(table.c.id)
    return set(connection.execute(own.with_for_update(read=True)).scalars())


def campaigns_of(connection: Connection, sender_id: int) -> Sequence[tuple[int, str]]:
    """Return the id and the subject of each campaign that names a sender and is not over."""
    wanted = (
        campaigns.c.senders.is_not(None),
        campaigns.c.state.not_in((CampaignState.FINISHED, CampaignState.CANCELED)),
    )
    columns = (campaigns.c.id, campaigns.c.subject, campaigns.c.senders)
    rows = connection.execute(select(*columns).where(*wanted).order_by(campaigns.c.id))
    return [(row.id, row.subject) for row in rows if sender_id in row.senders]


def note_trouble(connection: Connection, sender_id: int, said: Words) -> bool:
    """Note what keeps a sender from sending; return whether that is news."""
    own = update(table).where(table.c.id == sender_id, _THERE, table.c.trouble != str(said))
    values = {"trouble": str(said), "reason_code": reasons.dump(said), "trouble_at": now_ms()}
    return bool(connection.execute(own.values(values)).rowcount)


def end_trouble(connection: Connection, sender_id: int) -> bool:
    """Note that a sender can send again; return whether that is news."""
    own = update(table).where(table.c.id == sender_id, table.c.trouble_at.is_not(None))
    return bool(connection.execute(own.values(_FREE)).rowcount)


def keep_consent(connection: Connection, seen: Account, token: str, secret_key: str) -> None:
    """Keep the refresh token that a consent gave to a sender as it was ``seen``. Raises ``SenderError``."""
    sealed = secrets.seal(secret_key, _holder(seen.id), "refresh_token", token)
    _change(connection, seen.id, seen.revision, {"refresh_token": sealed, **_FREE})


def replace_refresh_token(connection: Connection, seen: Account, token: str, secret_key: str) -> Account:
    """Keep the successor of a refresh token (RFC 6749 section 6), if that is still the one that was ``seen``.

    Returns the sender with it. It is no change for other processes: the old one is good for a while.
    """
    sealed = secrets.seal(secret_key, _holder(seen.id), "refresh_token", token)
    own = update(table).where(table.c.id == seen.id, _THERE, table.c.refresh_token == seen.refresh_token)
    connection.execute(own.values(refresh_token=sealed))
    return replace(seen, refresh_token=sealed)


def in_step(accounts: Iterable[Account], sender: Sender) -> bool:
    """Whether the sender of the settings is among these as it is there."""
    there = next((account for account in accounts if account.from_settings), None)
    return there is not None and all(getattr(there, name) == getattr(sender, name) for name in _OF_SETTINGS)


def keep_default(connection: Connection, sender: Sender) -> int:
    """Have the sender of the settings among the others as it is there, but for its secrets; return its id.

    Whoever starts does so, several at the same moment too.
    """
    told = {name: getattr(sender, name) for name in _OF_SETTINGS}
    row = connection.execute(select(table).where(table.c.from_settings)).first()
    if row is None:
        connection.execute(update(table).where(_THERE).values(position=table.c.position + 1))
        first = {"name": _free_name(connection, sender.server), "position": 1, "from_settings": True} | told
        try:
            with connection.begin_nested():
                statement = insert(table).values(first).returning(table.c.id)
                return int(connection.execute(statement).scalar_one())
        except IntegrityError:  # another process made it at the same moment
            row = connection.execute(select(table).where(table.c.from_settings)).one()
    if any(getattr(row, name) != value for name, value in told.items()):
        server = f"[{row.host}]:{row.port}" if ":" in row.host else f"{row.host}:{row.port}"
        if row.name == server:
            told["name"] = _free_name(connection, sender.server)
        values = told | _FREE | {"revision": table.c.revision + 1, "changed_at": now_ms()}
        connection.execute(update(table).where(table.c.id == row.id).values(values))
    return int(row.id)


def open_secret(account: Account, name: str, secret_key: str) -> str:
    """Return one of its secrets, or "". Raises ``SenderError`` if another secret key sealed it."""
    try:
        return secrets.unsealed(secret_key, _holder(account.id), name, getattr(account, name))
    except SealedElsewhereError:
        raise SenderError(Reason("sender.unreadable-secret", name=account.name)) from None


_LIMITS = ("limits", "receiver_limits")
_FREE = {"trouble": "", "reason_code": None, "trouble_at": None}


def _change(connection: Connection, sender_id: int, seen: int, values: Mapping[str, object]) -> None:
    own = update(table).where(table.c.id == sender_id, _THERE, table.c.revision == seen)
    values = {**values, "revision": table.c.revision + 1, "changed_at": now_ms()}
    try:
        with connection.begin_nested():
            if connection.execute(own.values(values)).rowcount:
                return
    except IntegrityError:
        raise SenderError(Reason("sender.name-taken", name=str(values.get("name")))) from None
    raise SenderError(Reason("sender.changed-meanwhile"))


def _columns(entry: Entry) -> dict[str, Any]:
    return {
        "name": entries.tidy(entry.name),
        "preset": entry.preset,
        "host": entry.host,
        "port": entry.port,
        "tls": entry.tls,
        "verify": entry.verify,
        "ca": entry.ca,
        "username": entry.username,
        "auth": entry.auth,
        "provider": entry.provider,
        "tenant": entry.tenant,
        "client_id": entry.client_id,
        "signs": entry.signs,
        "connections": entry.connections,
        "limits": limits.dump(entry.limits),
        "receiver_limits": limits.dump_receivers(entry.receiver_limits),
    }


def _holder(sender_id: int) -> str:
    return f"sender:{sender_id}"


def _free_name(connection: Connection, name: str) -> str:
    taken = set(connection.execute(select(func.lower(table.c.name)).where(_THERE)).scalars())
    return next(
        each for each in (name, *(f"{name} ({n})" for n in range(2, MOST + 2))) if each.lower() not in taken
    )


def _chosen() -> Select[Any]:
    return select(*(column for column in table.c if column is not table.c.deleted_at)).where(_THERE)


def _read(connection: Connection, statement: Select[Any]) -> list[Account]:
    found = []
    for row in connection.execute(statement):
        values = reasons.in_row(row._asdict(), "trouble")
        values["limits"] = limits.load(values["limits"])
        values["receiver_limits"] = limits.load_receivers(values["receiver_limits"])
        values["warmup"] = warmup.load(values["warmup"])
        found.append(Account(**values))
    return found
