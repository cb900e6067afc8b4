"""Commands about the files of messages. Raises, and is announced, as ``campaigns`` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts import audit
from mailing.campaigns import drafts
from mailing.library import files
from tasks.commands.campaigns import Change

if TYPE_CHECKING:
    from mailing.core.actors import Actor
    from mailing.core.database import Database
    from mailing.library.files import FileRef


def keep_file(db: Database, actor: Actor, name: str, data: bytes, *, image: bool = False) -> FileRef:
    """Keep a file for a message. Raises ``UnfitError`` for one that cannot go with any."""
    with db.write() as connection:
        ref = files.keep(connection, name, data, image=image)
        audit.record(connection, actor, "keep file", file=ref.name, size=ref.size)
    return ref


def attach(db: Database, actor: Actor, campaign_id: int, name: str, data: bytes) -> Change:
    """Add a file to a draft. Raises ``UnfitError``, and ``NotAllowed`` once it is no draft."""
    with db.write() as connection:
        ref = files.keep(connection, name, data)
        drafts.refile(connection, campaign_id, [*files.listed(connection, campaign_id), ref])
        audit.record(connection, actor, "attach", _about(campaign_id), file=ref.name, size=ref.size)
    return Change(actor, "attach", campaign_id)


def detach(db: Database, actor: Actor, campaign_id: int, ref: FileRef, *, seen: int) -> Change:
    """Take a file from a draft, if it is there. Raises ``NotAllowed`` as ``revise`` does."""
    with db.write() as connection:
        held = files.listed(connection, campaign_id)
        drafts.refile(connection, campaign_id, [each for each in held if each != ref], seen=seen)
        audit.record(connection, actor, "detach", _about(campaign_id), file=ref.name)
    return Change(actor, "detach", campaign_id)


def _about(campaign_id: int) -> str:
    return f"campaign:{campaign_id}"
