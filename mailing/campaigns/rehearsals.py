"""Rehearsals: campaigns of their own, each a copy of a draft that goes to the demo inbox and nowhere else.

That a campaign is a rehearsal is in its row from the first transaction on, and nothing ever changes it. Its
``revision`` is that of the draft that it is a copy of, which tells whether the draft was changed since.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import insert, select

from mailing.campaigns import drafts, lifecycle
from mailing.campaigns import queries as campaigns
from mailing.campaigns.drafts import Draft, Hold
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.reasons import Reason
from mailing.core.states import CampaignAction, CampaignState
from mailing.core.tables import campaigns as table
from mailing.library import files
from mailing.lists.copying import Copying
from mailing.messages.compose import ComposeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.core.database import Database

_COPIED = (
    *("sender_from", "subject", "text", "html", "preheader", "writing", "body", "typed_text"),
    *("audience", "priority", "revision", "topic", "transactional"),
)
TRIED_S = 10  # for how long a recipient is tried in a rehearsal
_OVER = (CampaignState.FINISHED, CampaignState.CANCELED)


@contextmanager
def making(
    database: Database, campaign_id: int, recipe: Mapping[str, int]
) -> Iterator[tuple[Connection, Campaign, int]]:
    """Copy a draft into a rehearsal; the body runs in the last transaction, and may send it.

    It gets the draft and the rehearsal's id. Raises ``NotAllowed`` where there is nothing to rehearse, one is
    under way already, or somebody changes the draft meanwhile: then there is none. Blocking, for seconds
    where the list is long.
    """
    with database.read() as connection:
        draft = _rehearsable(connection, campaign_id)
    with database.write() as connection:
        _lock(connection, draft)
        if (other := under_way(connection, campaign_id)) is not None:
            raise NotAllowed(Reason("rehearsal.under-way", id=str(campaign_id), rehearsal=str(other)))
        same = {name: table.c[name] for name in _COPIED}
        row = connection.execute(select(*same.values()).where(table.c.id == campaign_id)).one()
        values = row._asdict() | {"token": secrets.token_hex(16)}
        values |= {"rehearses": campaign_id, "recipe": dict(recipe), "give_up_after": TRIED_S}
        made = connection.execute(insert(table).values(values).returning(table.c.id))
        rehearsal_id = int(made.scalar_one())
        hold = Hold(connection, rehearsal_id, fresh=True)
    copying = Copying(campaign_id, rehearsal_id, draft.total)
    with drafts.storing(database, hold, copying) as connection:
        _lock(connection, draft)
        files.set_for(connection, rehearsal_id, files.listed(connection, campaign_id))
        yield connection, draft, rehearsal_id


def under_way(connection: Connection, campaign_id: int) -> int | None:
    """Return the rehearsal of a campaign that is not over; None if there is none."""
    going = table.c.rehearses == campaign_id, table.c.state.not_in(_OVER)
    return connection.execute(select(table.c.id).where(*going).limit(1)).scalar()


def of(connection: Connection, campaign_id: int) -> Campaign | None:
    """Return the latest rehearsal of a campaign; None if it was never rehearsed."""
    mine = select(table).where(table.c.rehearses == campaign_id).order_by(table.c.id.desc()).limit(1)
    return next(iter(campaigns.read(connection, mine)), None)


def _rehearsable(connection: Connection, campaign_id: int) -> Campaign:
    """Return a draft that can be rehearsed. What only some recipients lack is what a rehearsal finds."""
    campaign = campaigns.get(connection, campaign_id)
    if campaign is None:
        raise NotAllowed(Reason("campaign.not-found"))
    if campaign.rehearses is not None:
        its = str(campaign.rehearses)
        raise NotAllowed(Reason("rehearsal.of-a-rehearsal", id=str(campaign_id), rehearses=its))
    if CampaignAction.EDIT not in campaign.actions:
        state = Reason(f"state.{campaign.state}")
        raise NotAllowed(Reason("rehearsal.no-draft", id=str(campaign_id), state=state))
    if drafts.being_stored(connection, campaign_id):
        raise NotAllowed(Reason("campaign.being-stored"))
    if not campaign.total:
        raise NotAllowed(Reason("list-fault.no-addresses"))
    try:
        drafts.check(Draft.of(campaign))
    except ComposeError as error:
        raise NotAllowed(error.reason) from None
    return campaign


def _lock(connection: Connection, draft: Campaign) -> None:
    """Wait for whoever changes the draft. Raises ``NotAllowed`` if it was changed since it was read."""
    same = table.c.id == draft.id, table.c.revision == draft.revision, table.c.total == draft.total
    is_there = select(table.c.id).where(*same, *lifecycle.may(draft.id, CampaignAction.EDIT), campaigns.WHOLE)
    if not connection.execute(is_there.with_for_update(key_share=True, of=table)).first():
        raise NotAllowed(Reason("campaign.changed", id=str(draft.id)))
