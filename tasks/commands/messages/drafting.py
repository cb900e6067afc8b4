"""Commands that make drafts: of a form that saves itself, and of a campaign's recipients. All block.

Whoever types for an hour saves some hundred times. The audit log tells of it once in ``SITTING_MS``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from mailing.accounts import audit
from mailing.accounts.audit import Asked
from mailing.addresses.findings import ParsedList
from mailing.campaigns import drafts, sittings
from mailing.campaigns.drafts import Draft
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason
from mailing.library import files
from mailing.lists import surveys
from mailing.recipients import copies
from tasks.commands import campaigns as commands
from tasks.commands.campaigns import Change

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.core.actors import Actor
    from mailing.core.database import Database
    from mailing.recipients.search import Choice
    from tasks.commands.backend import Backend

SITTING_MS = 10 * 60_000
_NOBODY = ParsedList()


def begin(backend: Backend, actor: Actor, draft: Draft) -> int:
    """Store a draft that nobody gets yet, however far its message is; return its id."""
    with backend.db.write() as connection:
        campaign_id = drafts.store(connection, draft, _NOBODY, surveys.survey(_NOBODY))
        sittings.sit(connection, campaign_id, actor.name)
        audit.record(connection, actor, "create", f"campaign:{campaign_id}", recipients=0)
    commands.announce(backend, Change(actor, "create", campaign_id))
    return campaign_id


def keep(backend: Backend, actor: Actor, campaign_id: int, draft: Draft, *, seen: int) -> tuple[int, str]:
    """Store a draft's message, however far it is; return its revision, and who else has it open.

    Raises ``NotAllowed`` once it is no draft, or was changed since the revision that was ``seen``.
    """
    about = f"campaign:{campaign_id}"
    with backend.db.write() as connection:
        drafts.rewrite(connection, campaign_id, draft, seen=seen)
        other = sittings.sit(connection, campaign_id, actor.name)
        if not _told(connection, actor, about):
            audit.record(connection, actor, "revise", about)
    return seen + 1, other


def sit(backend: Backend, actor: Actor, campaign_id: int) -> str:
    """Say that somebody has a draft's form open; return who else has. That is no change of it."""
    with backend.db.write() as connection:
        return sittings.sit(connection, campaign_id, actor.name)


def follow(db: Database, actor: Actor, campaign: Campaign, chosen: Choice) -> Change:
    """Store a draft with the message of a campaign, to those of its recipients that a search finds.

    Raises ``NotAllowed`` where it finds nobody, or in a rehearsal. Takes seconds for many.
    """
    if campaign.rehearses is not None:
        its = str(campaign.rehearses)
        raise NotAllowed(Reason("campaign.rehearsal-followed", id=str(campaign.id), rehearses=its))
    with db.read() as connection:
        attached = files.listed(connection, campaign.id)
    with copies.chosen(db, campaign.id, chosen) as people:
        if not people.entries:
            raise NotAllowed(Reason("campaign.nobody-found", id=str(campaign.id)))
        draft = Draft.of(campaign)
        draft = replace(draft, schedule=draft.schedule.without_moment)
        with drafts.creating(db, draft, people, attached=attached) as (connection, draft_id):
            told = {"recipients": len(people.entries), "follows": campaign.id}
            audit.record(connection, actor, "follow up", f"campaign:{draft_id}", **told)
    return Change(actor, "follow up", draft_id)


def _told(connection: Connection, actor: Actor, about: str) -> bool:
    """Whether the latest entry about a draft is recent and says that the same actor is writing it."""
    for last in audit.page(connection, Asked(subject=about), limit=1):
        same = (last.actor_kind, last.actor_id, last.actor_name) == (actor.kind, actor.id, actor.name)
        return same and last.action in {"create", "revise"} and last.at > now_ms() - SITTING_MS
    return False
