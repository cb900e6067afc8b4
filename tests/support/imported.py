"""Files that are imported without a queue, and what became of them."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from mailing.contacts import carrying, contacts, imports, lists, notes
from mailing.contacts.carrying import carry_out
from mailing.core.actors import Actor, ActorKind
from mailing.core.states import Standing
from mailing.core.strides import Stride
from mailing.uploads import plans, reading
from mailing.uploads.plans import Role
from tasks.commands import lists as commands

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import SimpleNamespace

    import pytest

    from mailing.contacts.imports import Import
    from mailing.contacts.notes import NoteKind
    from mailing.core.database import Database

ANN = Actor(ActorKind.PERSON, "ann@people.example", 1)
HEAD = "email,name,city\n"


def uploaded(backend: SimpleNamespace, text: str, into: int | str = "Parents") -> int:
    """Upload a file and start its import; return the import's id."""
    data = text.encode()
    import_id = commands.upload(backend, ANN, "members.csv", BytesIO(data))
    look = reading.look(BytesIO(data), "members.csv")
    roles = [Role.STANDING if column.header == "status" else column.role for column in look.plan.columns]
    plan = plans.named(look.plan, roles)
    commands.start_import(backend, ANN, import_id, plan, into, expected=look.expected)
    return import_id


def carried(backend: SimpleNamespace, text: str, into: int | str = "Parents") -> Import:
    import_id = uploaded(backend, text, into)
    carry_out(backend.db, import_id)
    return get(backend.db, import_id)


def get(db: Database, import_id: int) -> Import:
    with db.read() as connection:
        found = imports.get(connection, import_id)
    assert found
    return found


def stored(db: Database, list_id: int | None) -> Mapping[str, contacts.Contact]:
    """The contacts of a list; its numbers are theirs."""
    assert list_id is not None
    with db.read() as connection:
        found = {one.email: one for one in contacts.find(connection, list_id, limit=100_000).rows}
        saved = lists.get(connection, list_id)
    assert saved
    assert saved.total == len(found)
    assert saved.active == sum(one.standing is Standing.ACTIVE for one in found.values())
    return found


def told(db: Database, import_id: int, kind: NoteKind) -> list[tuple[int, str, str]]:
    with db.read() as connection:
        return [(it.line, it.text, str(it.reason)) for it in notes.read(connection, import_id, kind, 999)]


def expect_every_row_counted(done: Import) -> None:
    assert done.read == done.accepted + done.duplicates + done.updated + done.refused


def numbered(n: int) -> str:
    """A file of so many people, each fiftieth twice and each hundredth without an address."""
    lines = [f"p{i}@a.example,Person {i},Town {i % 7}" for i in range(n)]
    lines += [f"P{i}@a.example,,Other" for i in range(0, n, 50)] + [f"nobody {i},," for i in range(0, n, 100)]
    return HEAD + "\n".join(lines)


def short_strides(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Let each transaction take so many rows."""
    monkeypatch.setattr(carrying, "COPIED", rows)
    monkeypatch.setattr(carrying, "Stride", lambda **_: Stride(rows))
    monkeypatch.setattr(Stride, "learn", lambda _self, _took_s: None)
