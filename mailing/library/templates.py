"""Saved messages with their versions: saving makes the next one, and none is ever changed.

All functions take an open connection; those that write belong to the transaction of their caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, ReasonError
from mailing.library.tables import template_versions as written_down
from mailing.library.tables import templates as table
from mailing.writing.written import Writing, Written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Row, Select

NAME_MAX = 100  # characters
KEPT = 100  # versions of one template; the oldest make room
SHOWN = 200  # templates of a page


class TemplateError(ReasonError):
    """A template is not there, or cannot be saved so."""


@dataclass(frozen=True, slots=True)
class Template:
    """A version of a template, of ``newest`` in all. What is ``written`` has no From. Times in ms."""

    id: int
    name: str
    newest: int
    number: int
    by: str
    saved_at: int
    written: Written


def save(connection: Connection, name: str, written: Written, by: str, template_id: int | None = None) -> int:
    """Save a message as the next version of a template, by its id or else its name; return its id.

    Where none has the name it is a new one. With an id the template gets that name. Raises ``TemplateError``.
    """
    name = _checked(name)
    own = table.c.id == template_id if template_id else func.lower(table.c.name) == func.lower(name)
    values = {"name": name, "version": table.c.version + 1, "changed_at": now_ms()}
    following = update(table).where(own).values(values).returning(table.c.id, table.c.version)
    try:
        with connection.begin_nested():
            row = connection.execute(following).first()
            if row is None and template_id is None:
                first = insert(table).values(name=name).returning(table.c.id, table.c.version)
                row = connection.execute(first).first()
    except IntegrityError:
        if template_id:
            raise TemplateError(Reason("saved-template.name-taken", name=name)) from None
        row = connection.execute(following).first()  # somebody made it at the same moment
    if row is None:
        raise TemplateError(Reason("saved-template.not-found"))
    version = {
        "template_id": row.id,
        "number": row.version,
        "subject": written.subject,
        "preheader": written.preheader,
        "writing": written.writing,
        "body": written.html,
        "text": written.text,
        "created_by": by,
    }
    connection.execute(insert(written_down).values(version))
    older = written_down.c.number <= row.version - KEPT
    connection.execute(delete(written_down).where(written_down.c.template_id == row.id, older))
    return int(row.id)


def get(connection: Connection, template_id: int, number: int | None = None) -> Template | None:
    """Return a version of a template, by default the newest, or None."""
    wanted = written_down.c.number == (number or table.c.version)
    row = connection.execute(_chosen().where(table.c.id == template_id, wanted)).first()
    return row and _read(row)


def latest(connection: Connection) -> Sequence[Template]:
    """Return up to ``SHOWN`` templates in their newest versions, those that changed last first."""
    newest = _chosen().where(written_down.c.number == table.c.version)
    ordered = newest.order_by(table.c.changed_at.desc(), table.c.id.desc()).limit(SHOWN)
    return [_read(row) for row in connection.execute(ordered)]


def versions(connection: Connection, template_id: int) -> Sequence[Template]:
    """Return all versions of a template that are kept, the newest first."""
    own = _chosen().where(table.c.id == template_id).order_by(written_down.c.number.desc())
    return [_read(row) for row in connection.execute(own)]


def remove(connection: Connection, template_id: int) -> str:
    """Take a template away with its versions; return its name. Campaigns keep what they began with."""
    connection.execute(delete(written_down).where(written_down.c.template_id == template_id))
    gone = delete(table).where(table.c.id == template_id).returning(table.c.name)
    name = connection.execute(gone).scalar()
    if name is None:
        raise TemplateError(Reason("saved-template.not-found"))
    return str(name)


def _checked(name: str) -> str:
    name = " ".join(name.split())
    if not name:
        raise TemplateError(Reason("saved-template.no-name"))
    if len(name) > NAME_MAX:
        raise TemplateError(Reason("saved-template.name-too-long", most=NAME_MAX))
    return name


def _chosen() -> Select[tuple[object, ...]]:
    joined = table.join(written_down, written_down.c.template_id == table.c.id)
    return select(
        *(table.c.id, table.c.name, table.c.version, written_down.c.number, written_down.c.created_by),
        *(written_down.c.created_at, written_down.c.subject, written_down.c.preheader),
        *(written_down.c.writing, written_down.c.text, written_down.c.body),
    ).select_from(joined)


def _read(row: Row[tuple[object, ...]]) -> Template:
    it = row._mapping  # noqa: SLF001 - the public name for a row by its columns
    written = Written(
        sender_from="",
        subject=it["subject"],
        preheader=it["preheader"],
        writing=Writing(it["writing"]),
        text=it["text"],
        html=it["body"],
    )
    return Template(
        it["id"], it["name"], it["version"], it["number"], it["created_by"], it["created_at"], written
    )
