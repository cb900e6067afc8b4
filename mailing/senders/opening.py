"""From a sender as it is kept to one that can sign in: its secrets opened with the secret key of now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.senders.store import SenderError, open_secret
from mailing.smtp.account import Sender

if TYPE_CHECKING:
    from mailing.senders.store import Account


def usable(account: Account, secret_key: str, default: Sender) -> Sender:
    """Return a sender with all that its connections need; ``default`` is that of the settings.

    Raises ``SenderError`` if its secrets cannot be read, or it has no consent yet: nothing may be sent then.
    """
    if account.from_settings:
        return replace(default, id=account.id, connections=account.connections or default.connections)
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
        verify=account.verify,
        ca=account.ca,
    )
