"""Commands of a form that saves itself while somebody types. All block.

Whoever types for an hour saves some hundred times. The audit log tells of it once in ``SITTING_MS``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts import audit
from mailing.accounts.audit import Asked
from mailing.addresses.findings import ParsedList
from mailing.campaigns import drafts, sittings
from mailing.core.clock import now_ms
from mailing.lists import surveys
from tasks.commands import campaigns as commands
from tasks.commands.campaigns import Change

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.campaigns.drafts import Draft
    from mailing.core.actors import Actor
    from tasks.commands.campaigns import Backend

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


def _told(connection: Connection, actor: Actor, about: str) -> bool:
    """Whether the latest entry about a draft is recent and says that the same actor is writing it."""
    for last in audit.page(connection, Asked(subject=about), limit=1):
        same = (last.actor_kind, last.actor_id, last.actor_name) == (actor.kind, actor.id, actor.name)
        return same and last.action in {"create", "revise"} and last.at > now_ms() - SITTING_MS
    return False
