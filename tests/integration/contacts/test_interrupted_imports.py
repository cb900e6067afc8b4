"""An import that is interrupted, canceled or met by another is carried out once, or leaves nothing."""

from __future__ import annotations

import threading
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update

from mailing.contacts import carrying, imports, leftovers
from mailing.contacts.carrying import carry_out
from mailing.contacts.contacts import Written
from mailing.contacts.lists import ListError
from mailing.contacts.notes import NoteKind
from mailing.contacts.tables import ImportState, upload_pieces
from mailing.contacts.tables import contacts as table
from mailing.contacts.tables import imports as rows
from mailing.contacts.tables import lists as saved_lists
from mailing.uploads import reading
from tasks.commands import lists as commands
from tests.support.imported import (
    ANN,
    HEAD,
    carried,
    get,
    numbered,
    short_strides,
    stored,
    told,
    uploaded,
)

if TYPE_CHECKING:
    from mailing.core.database import Database


class DiedError(Exception):
    """What happens to a worker."""


def test_one_that_goes_on_begins_where_the_dead_one_ended(backend, db, monkeypatch) -> None:
    short_strides(monkeypatch, 100)
    import_id = uploaded(backend, numbered(400))

    def die(read: int) -> None:
        if read >= 200:
            raise DiedError

    with pytest.raises(DiedError):
        carry_out(db, import_id, die)
    assert (get(db, import_id).state, get(db, import_id).read) == (ImportState.READING, 200)
    carry_out(db, import_id)
    done = get(db, import_id)
    assert (done.state, done.read, done.accepted) == (ImportState.DONE, 412, 400)
    assert (done.duplicates, done.refused) == (8, 4)
    assert len(told(db, import_id, NoteKind.DUPLICATE)) == 8
    assert len(stored(db, done.list_id)) == 400


def test_two_workers_at_once_store_every_row_once(backend, db, monkeypatch) -> None:
    short_strides(monkeypatch, 50)
    import_id = uploaded(backend, numbered(500))
    second = threading.Event()

    def interrupt(read: int) -> None:
        if read == 100:  # this one seems dead, and another goes on; then it wakes up
            with db.write() as connection:
                connection.execute(update(rows).where(rows.c.id == import_id).values(touched_at=0))
            carry_out(db, import_id)
            second.set()

    carry_out(db, import_id, interrupt)
    assert second.is_set()
    done = get(db, import_id)
    assert (done.state, done.read, done.accepted) == (ImportState.DONE, 515, 500)
    assert (done.duplicates, done.refused) == (10, 5)
    assert len(stored(db, done.list_id)) == 500


def test_workers_that_begin_at_the_same_moment_are_one_that_does(backend, db) -> None:
    import_id = uploaded(backend, numbered(300))
    holders: list[str] = []

    def take() -> None:
        with db.write() as connection:
            holders.append(imports.take(connection, import_id))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (holder,) = filter(None, holders)
    carry_out(db, import_id)
    assert get(db, import_id).read == 0, "it is held by another"
    carry_out(db, import_id, holder=holder)
    assert get(db, import_id).state is ImportState.DONE


def test_an_import_that_breaks_off_again_and_again_without_coming_further_fails(backend, db) -> None:
    import_id = uploaded(backend, numbered(10))
    for _ in range(imports.TRIES):
        with db.write() as connection:
            holder = imports.take(connection, import_id)
            imports.let_go(connection, import_id, holder)
    with db.read() as connection:
        assert imports.waiting(connection, 9) == [import_id]
    carry_out(db, import_id)
    done = get(db, import_id)
    assert (done.state, done.accepted) == (ImportState.FAILED, 0)
    assert str(done.reason).startswith("Reading the file stopped 3 times")


def clear(db: Database, rows_at_once: int = 30) -> None:
    """Sweep until nothing is left."""
    more = True
    while more:
        with db.write() as connection:
            more = leftovers.remove(connection, rows_at_once)


def test_what_a_canceled_import_brought_is_removed_and_what_was_there_stays(backend, db, monkeypatch) -> None:
    short_strides(monkeypatch, 50)
    first = carried(backend, f"{HEAD}p1@a.example,Ann,Huế\nother@a.example,,\n")
    import_id = uploaded(backend, numbered(300), first.list_id or 0)

    def cancel(read: int) -> None:
        if read == 100:
            commands.cancel_import(backend, ANN, import_id)

    carry_out(db, import_id, cancel)
    assert (get(db, import_id).state, get(db, import_id).read) == (ImportState.CANCELED, 100)
    clear(db)
    found = stored(db, first.list_id)
    assert found.keys() == {"p1@a.example", "other@a.example"}
    assert (get(db, import_id).accepted, get(db, import_id).set_aside) == (0, 0)
    with db.read() as connection:
        assert connection.execute(select(func.count()).select_from(upload_pieces)).scalar() == 0
    with pytest.raises(ListError):
        commands.cancel_import(backend, ANN, import_id)


def test_a_file_that_cannot_be_read_to_its_end_leaves_nothing_and_says_why(backend, db, monkeypatch) -> None:
    def breaks(file, plan):
        yield 2, ["ann@a.example", "Ann", "Huế"]
        raise reading.UnreadableError(carrying.Reason("upload.no-rows"))

    short_strides(monkeypatch, 1)
    import_id = uploaded(backend, f"{HEAD}ann@a.example,Ann,Huế\n")
    monkeypatch.setattr(carrying.reading, "rows", breaks)
    carry_out(db, import_id)
    done = get(db, import_id)
    assert done.state is ImportState.FAILED
    assert str(done.reason)
    clear(db)
    assert stored(db, done.list_id) == {}


def test_a_list_deleted_while_a_file_is_read_into_it_is_gone_with_all_of_it(backend, db, monkeypatch) -> None:
    short_strides(monkeypatch, 50)
    import_id = uploaded(backend, numbered(300))

    def delete(read: int) -> None:
        if read == 100:
            commands.delete(backend, ANN, get(db, import_id).list_id or 0)

    carry_out(db, import_id, delete)
    clear(db)
    with db.read() as connection:
        for gone in (table, saved_lists, rows, upload_pieces):
            assert connection.execute(select(func.count()).select_from(gone)).scalar() == 0


def test_an_upload_that_nobody_starts_goes_after_a_day(backend, db) -> None:
    old = commands.upload(backend, ANN, "old.csv", BytesIO(b"email\nann@a.example\n"))
    new = commands.upload(backend, ANN, "new.csv", BytesIO(b"email\nann@a.example\n"))
    with db.write() as connection:
        connection.execute(update(rows).where(rows.c.id == old).values(touched_at=1))
    clear(db)
    assert (get(db, old).state, get(db, new).state) == (ImportState.CANCELED, ImportState.UPLOADED)
    with db.read() as connection:
        assert connection.execute(select(upload_pieces.c.import_id)).scalars().all() == [new]
    with pytest.raises(ListError):
        commands.start_import(
            backend, ANN, old, reading.look(BytesIO(b"email\na@a.example\n"), "a").plan, "A"
        )


def test_a_contact_saved_while_a_file_is_read_counts_too(backend, db, monkeypatch) -> None:
    short_strides(monkeypatch, 50)
    import_id = uploaded(backend, numbered(200))

    def save(read: int) -> None:
        if read == 100:
            commands.save_contact(
                backend, ANN, get(db, import_id).list_id or 0, Written("p151@a.example", "Mine")
            )

    carry_out(db, import_id, save)
    done = get(db, import_id)
    assert (done.accepted, done.updated) == (199, 1)
    assert len(stored(db, done.list_id)) == 200
