"""The tables of saved lists: contacts, imports, and the pieces of uploaded files. Times are UTC in ms."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from mailing.core.clock import now_ms
from mailing.core.states import Standing as Standing  # noqa: PLC0414 - the wings above know it by this room
from mailing.core.tables import Bytewise, Id, metadata, one_of


class ImportState(StrEnum):
    """How far the import of a file has come."""

    UPLOADED = "uploaded"  # a person is asked which column is what
    WAITING = "waiting"  # for a worker
    READING = "reading"
    DONE = "done"
    FAILED = "failed"  # with the reason; nothing of it is in the list
    CANCELED = "canceled"


lists = Table(
    "lists",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("total", Integer, nullable=False, default=0),  # contacts, whatever their standing
    Column("active", Integer, nullable=False, default=0),  # those that campaigns take
    Column("revision", Integer, nullable=False, default=0),  # counts up at each change of its contacts
    Column("fields", JSON, nullable=False, default=list),  # the names of its merge fields, in their order
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    Column("changed_at", BigInteger, nullable=False, default=now_ms),
    Column("deleted_at", BigInteger),  # since then it is not there for anybody; the sweeper removes it
    Index(
        "uq_lists_name",
        text("lower(name)"),
        unique=True,
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
    CheckConstraint("active BETWEEN 0 AND total", name="active"),
)

imports = Table(
    "imports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("list_id", ForeignKey("lists.id", ondelete="CASCADE")),  # none until its columns are chosen
    Column("file_name", Text, nullable=False),
    Column("size", BigInteger, nullable=False, default=0),  # bytes of the file
    Column("state", String(10), nullable=False, default=ImportState.UPLOADED),
    Column("plan", JSON, nullable=False),  # how the file is read, as ``uploads.plans`` writes it
    Column("read", BigInteger, nullable=False, default=0),  # rows read so far
    Column("expected", BigInteger),  # rows that the file has, about; none: not known
    Column("accepted", Integer, nullable=False, default=0),
    Column("duplicates", Integer, nullable=False, default=0),
    Column("updated", Integer, nullable=False, default=0),  # contacts that were there, and say more now
    Column("refused", Integer, nullable=False, default=0),
    Column("noted", Integer, nullable=False, default=0),  # worth a look
    Column("set_aside", Integer, nullable=False, default=0),  # accepted, but not active
    Column("reason", Text, nullable=False, default=""),  # why it failed
    Column("reason_code", Text),
    Column("holder", String(32), nullable=False, default=""),  # who alone may go on: the fence
    Column("touched_at", BigInteger, nullable=False, default=now_ms),  # when it last did
    Column("tries", SmallInteger, nullable=False, default=0),  # begun so often since it last came further
    Column("created_by", Text, nullable=False, default=""),
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    Column("finished_at", BigInteger),
    Index("ix_imports_list", "list_id", "id"),
    one_of("state", ImportState),
    CheckConstraint("list_id IS NOT NULL OR state IN ('uploaded', 'canceled', 'failed')", name="list"),
)

upload_pieces = Table(
    "upload_pieces",
    metadata,
    Column("import_id", ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),  # from 0
    Column("data", LargeBinary, nullable=False),
)
"""The bytes of uploaded files, so that a worker on any machine reads them. They go once the import ended."""

import_notes = Table(
    "import_notes",
    metadata,
    Column("import_id", ForeignKey("imports.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", String(10), nullable=False),  # refused, duplicate, noted, suggested
    Column("line", Integer, nullable=False),
    Column("text", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("reason_code", Text),
    Column("suggestion", Text, nullable=False, default=""),  # the address that was perhaps meant
    Index("ix_import_notes_kind", "import_id", "kind", "number"),
)
"""What was found while a file was read: refused lines, duplicates, and what is worth a look."""

contacts = Table(
    "contacts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("list_id", ForeignKey("lists.id", ondelete="CASCADE"), nullable=False),
    Column("email", Bytewise, nullable=False),
    Column("domain", Bytewise, nullable=False),
    Column("name", Text, nullable=False, default=""),
    Column("fields", JSON(none_as_null=True)),  # merge fields beyond name and email
    Column("standing", String(12), nullable=False, default=Standing.ACTIVE),
    Column("standing_reason", Text, nullable=False, default=""),  # the file's own word for it: cleaned
    Column("import_id", ForeignKey("imports.id", ondelete="SET NULL")),  # that brought it
    Column("created_at", BigInteger, nullable=False, default=now_ms),
    Column("changed_at", BigInteger, nullable=False, default=now_ms),
    Index("uq_contacts_list_email", "list_id", text("lower(email)"), unique=True),
    Index("ix_contacts_list", "list_id", "id"),
    Index("ix_contacts_domain", "list_id", "domain", "id"),
    Index("ix_contacts_import", "import_id"),
    one_of("standing", Standing),
)
