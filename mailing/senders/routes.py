"""Routes: by which senders a campaign goes, in their order, and its own limits.

All functions take an open connection; those that write belong to the transaction of their caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from mailing.core.reasons import Reason
from mailing.core.states import CampaignState
from mailing.core.tables import campaigns as table
from mailing.senders import limits, store
from mailing.senders.limits import NONE, Limits
from mailing.senders.store import SenderError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

MOST = 10  # senders of one campaign
_OVER = (CampaignState.FINISHED, CampaignState.CANCELED)


@dataclass(frozen=True, slots=True)
class Route:
    """The ids of the senders in their order; none: the sender of the settings."""

    senders: tuple[int, ...] | None = None
    limits: Limits = NONE


USUAL = Route()


def load(senders: Sequence[int] | None, kept: Mapping[str, Any] | None) -> Route:
    """Return the route that the columns of a campaign hold."""
    return Route(None if senders is None else tuple(senders), limits.load(kept))


def columns(connection: Connection, route: Route) -> dict[str, Any]:
    """Return what the columns of a campaign hold. Its senders stay until this transaction ends.

    Those that are gone are left out.
    """
    senders = None
    if route.senders is not None:
        there = store.hold(connection, route.senders)
        senders = [each for each in dict.fromkeys(route.senders) if each in there]
    return {"senders": senders, "limits": limits.dump(route.limits)}


def change(connection: Connection, campaign_id: int, route: Route) -> None:
    """Have a campaign go by another route from now on. Raises ``SenderError`` once it is over."""
    check(connection, route)
    values = columns(connection, route) | {"revision": table.c.revision + 1}
    own = update(table).where(table.c.id == campaign_id, table.c.state.not_in(_OVER))
    if not connection.execute(own.values(values)).rowcount:
        raise SenderError(Reason("sender.campaign-over"))


def check(connection: Connection, route: Route) -> None:
    """Raise ``SenderError`` if a sender is not there, or if there are too many or none."""
    if route.senders is None:
        return
    if not 0 < len(route.senders) <= MOST:
        raise SenderError(Reason("sender.one-to-many", most=MOST))
    there = {account.id for account in store.every(connection)}
    if missing := [each for each in route.senders if each not in there]:
        raise SenderError(Reason("sender.no-such", id=str(missing[0])))


def faults(connection: Connection, route: Route) -> tuple[Reason, ...]:
    """Return why nothing could leave by a route; nothing if something can."""
    if route.senders is None or store.chosen(store.every(connection), route.senders):
        return ()
    return (Reason("sender.none-left"),)
