"""Commands about saved messages. As in ``commands``; all are blocking. Raise ``TemplateError``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts import audit
from mailing.library import templates

if TYPE_CHECKING:
    from mailing.core.actors import Actor
    from mailing.writing.written import Written
    from tasks.commands.backend import Backend


def save(backend: Backend, actor: Actor, name: str, written: Written, template_id: int | None = None) -> int:
    """Save a message as a template, or as the next version of one; return its id."""
    with backend.db.write() as connection:
        saved = templates.save(connection, name, written, actor.name, template_id)
        audit.record(connection, actor, "save template", f"template:{saved}", name=name)
    return saved


def remove(backend: Backend, actor: Actor, template_id: int) -> str:
    """Take a template away with all its versions; return its name."""
    with backend.db.write() as connection:
        name = templates.remove(connection, template_id)
        audit.record(connection, actor, "delete template", f"template:{template_id}", name=name)
    return name
