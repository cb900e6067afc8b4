"""Commands about saved lists: each writes what it did into the audit log, and what fails leaves no row."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from mailing.accounts import audit
from mailing.accounts.audit import Asked
from mailing.contacts.carrying import carry_out
from mailing.contacts.contacts import Written
from mailing.contacts.lists import ListError
from mailing.core.actors import Actor, ActorKind
from mailing.uploads import reading
from tasks import imports
from tasks.commands import lists

if TYPE_CHECKING:
    from mailing.core.database import Database

ANN = Actor(ActorKind.PERSON, "ann@people.example", 1)
FILE = b"email\nann@gmial.com\nbob@gmial.com\n"


def test_each_command_is_in_the_audit_log_once(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    enqueued: list[int] = []
    monkeypatch.setattr(imports, "enqueue", enqueued.extend)
    backend = SimpleNamespace(db=db)
    first = lists.create(backend, ANN, "Parents")
    lists.rename(backend, ANN, first, "All parents")
    contact = lists.save_contact(backend, ANN, first, Written("carl@a.example"))
    lists.save_contact(backend, ANN, first, Written("carl@b.example"), contact)
    lists.remove_contact(backend, ANN, first, contact)
    plan = reading.look(BytesIO(FILE), "members.csv").plan
    one, other = (lists.upload(backend, ANN, "members.csv", BytesIO(FILE)) for _ in range(2))
    second = lists.start_import(backend, ANN, one, plan, "Members")
    carry_out(db, one)
    assert enqueued == [one]
    assert lists.correct(backend, ANN, one) == 2
    lists.start_import(backend, ANN, other, plan, second)
    lists.cancel_import(backend, ANN, other)
    with pytest.raises(ListError):
        lists.cancel_import(backend, ANN, other)
    with pytest.raises(ListError):
        lists.create(backend, ANN, "members")
    lists.delete(backend, ANN, first)
    with db.read() as connection:
        entries = audit.page(connection, Asked())[::-1]
    assert [(entry.action, entry.subject) for entry in entries] == [
        ("create list", f"list:{first}"),
        ("rename list", f"list:{first}"),
        ("add contact", f"list:{first}"),
        ("change contact", f"list:{first}"),
        ("remove contact", f"list:{first}"),
        ("upload file", f"import:{one}"),
        ("upload file", f"import:{other}"),
        ("create list", f"list:{second}"),
        ("start import", f"import:{one}"),
        ("correct addresses", f"import:{one}"),
        ("start import", f"import:{other}"),
        ("cancel import", f"import:{other}"),
        ("delete list", f"list:{first}"),
    ]
    assert {(entry.actor_kind, entry.actor_name) for entry in entries} == {("person", ANN.name)}


def test_without_redis_an_import_waits_for_the_sweep(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise ConnectionError("no Redis")

    monkeypatch.setattr(imports.carry, "apply_async", refuse)
    assert not imports.enqueue([1])
    given: list[int] = []
    backend = SimpleNamespace(db=db)
    plan = reading.look(BytesIO(FILE), "members.csv").plan
    import_id = lists.upload(backend, ANN, "members.csv", BytesIO(FILE))
    lists.start_import(backend, ANN, import_id, plan, "Members")
    monkeypatch.setattr(imports.imports, "GIVEN_OUT_MS", 0)
    monkeypatch.setattr(imports, "enqueue", given.extend)
    imports.give_out(db)
    assert given == [import_id]
