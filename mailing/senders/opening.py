"""From a sender as it is kept to one that can sign in: its secrets opened with the secret key of now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.credentials.consent import Consent
from mailing.senders import store
from mailing.senders.store import SenderError, open_secret
from mailing.smtp.account import Sender

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from mailing.core.database import Database
    from mailing.core.reasons import Words
    from mailing.senders.store import Account


def usable(account: Account, secret_key: str, default: Sender, database: Database | None = None) -> Sender:
    """Return a sender with all that its connections need; ``default`` is that of the settings.

    Successors of its refresh token are kept in the ``database``. Raises ``SenderError`` if its secrets cannot
    be read, or it has no consent yet: nothing may be sent then.
    """
    if account.from_settings:
        connections = account.connections or default.connections
        return replace(default, id=account.id, connections=connections, signs=account.signs)
    if account.provider and not account.refresh_token:
        raise SenderError(Reason("sender.not-connected", name=account.name))
    return Sender(
        host=account.host,
        port=account.port,
        tls=account.tls,
        username=account.username,
        password=open_secret(account, "password", secret_key),
        connections=account.connections or default.connections,
        auth=account.auth,
        id=account.id,
        settings=False,
        signs=account.signs,
        verify=account.verify,
        ca=account.ca,
        tokens=_consent(account, secret_key, database) if account.provider else None,
    )


def _consent(account: Account, secret_key: str, database: Database | None) -> Consent[Account]:
    return Consent(
        account,
        secret_key,
        client_secret=open_secret(account, "client_secret", secret_key),
        refresh_token=open_secret(account, "refresh_token", secret_key),
        database=database,
        replace=store.replace_refresh_token,
    )


def fault(account: Account, secret_key: str, default: Sender) -> Words:
    """Return what keeps a sender from sending, as far as can be said without asking its server."""
    try:
        usable(account, secret_key, default)
    except SenderError as error:
        return error.reason
    return account.trouble


def first(connection: Connection, ids: Iterable[int] | None, secret_key: str, default: Sender) -> Sender:
    """Return the sender that a campaign which names these uses first. Raises ``SenderError``."""
    chosen = store.chosen(store.every(connection), ids)
    if not chosen:
        if ids is None:  # nothing has been started yet that keeps the one of the settings
            return default
        raise SenderError(Reason("sender.none-left"))
    return usable(chosen[0], secret_key, default)
