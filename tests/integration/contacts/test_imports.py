"""Files become contacts: piece by piece, once, whoever is interrupted or comes again, and all of it told."""

from __future__ import annotations

import threading
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select, update

from mailing.contacts import carrying, contacts, imports, leftovers, lists, mail_exchangers, notes, storing
from mailing.contacts.carrying import carry_out
from mailing.contacts.contacts import Written
from mailing.contacts.imports import PIECE_BYTES, Import
from mailing.contacts.lists import ListError
from mailing.contacts.notes import NoteKind
from mailing.contacts.tables import ImportState, upload_pieces
from mailing.contacts.tables import contacts as table
from mailing.contacts.tables import imports as rows
from mailing.contacts.tables import lists as saved_lists
from mailing.core.actors import Actor, ActorKind
from mailing.core.states import Standing
from mailing.core.strides import Stride
from mailing.uploads import plans, reading
from mailing.uploads.plans import Role
from tasks.commands import lists as commands

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.core.database import Database

ANN = Actor(ActorKind.PERSON, "ann@people.example", 1)
HEAD = "email,name,city\n"


@pytest.fixture
def backend(db: Database, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The commands' backend, with no queue behind it."""
    monkeypatch.setattr("tasks.imports.enqueue", lambda _ids: True)
    return SimpleNamespace(db=db)


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


def test_a_file_becomes_contacts_and_every_row_is_counted(backend, db) -> None:
    done = carried(
        backend,
        f"{HEAD}ann@a.example,Ann Lee,Huế\nbob@a.example,Bob,\nno address,Carl,Hà Nội\n"
        "ANN@a.example,,Vinh\nbob@a.example,,Vinh\n",
    )
    assert (done.state, done.file_name, done.created_by) == (ImportState.DONE, "members.csv", ANN.name)
    assert (done.read, done.accepted, done.duplicates, done.refused) == (5, 2, 2, 1)
    expect_every_row_counted(done)
    found = stored(db, done.list_id)
    assert {email: (one.name, one.fields) for email, one in found.items()} == {
        "ann@a.example": ("Ann Lee", {"city": "Huế"}),
        "bob@a.example": ("Bob", {"city": "Vinh"}),
    }
    assert [line for line, _text, _why in told(db, done.id, NoteKind.DUPLICATE)] == [5, 6]
    ((line, text, why),) = told(db, done.id, NoteKind.REFUSED)
    assert (line, text) == (4, "no address, Carl, Hà Nội")
    assert why.startswith('Missing "@".')
    with db.read() as connection:
        assert connection.execute(select(func.count()).select_from(upload_pieces)).scalar() == 0
        saved = lists.get(connection, done.list_id or 0)
    assert saved
    assert saved.fields == ("city",)


def test_a_later_file_adds_what_it_says_and_takes_nothing_away(backend, db) -> None:
    first = carried(
        backend, f"{HEAD}ann@a.example,Ann,Huế\nbob@a.example,Bob,Vinh\ncarl@a.example,Carl,Vinh\n"
    )
    again = carried(
        backend,
        "email,name,year\nann@a.example,,3\nbob@a.example,Bob,\nCARL@a.example,Karl,\n",
        first.list_id or 0,
    )
    assert (again.accepted, again.updated, again.duplicates) == (0, 2, 1)
    expect_every_row_counted(again)
    found = stored(db, first.list_id)
    assert found["ann@a.example"].name == "Ann"
    assert found["ann@a.example"].fields == {"city": "Huế", "year": "3"}
    assert found["carl@a.example"].name == "Karl"
    assert told(db, again.id, NoteKind.DUPLICATE) == [(3, "bob@a.example", "already in the list")]


def test_who_left_or_bounced_is_kept_so_and_no_later_file_makes_them_active(backend, db) -> None:
    head = "email,status\n"
    first = carried(
        backend,
        f"{head}ann@a.example,unsubscribed\nbob@a.example,cleaned\ncarl@a.example,blocklisted\ndora@a.example,active\n",
    )
    assert (first.accepted, first.set_aside) == (4, 3)
    expected = {
        "ann@a.example": (Standing.UNSUBSCRIBED, "unsubscribed"),
        "bob@a.example": (Standing.BOUNCED, "cleaned"),
        "carl@a.example": (Standing.BLOCKED, "blocklisted"),
        "dora@a.example": (Standing.ACTIVE, ""),
    }
    found = stored(db, first.list_id)
    assert {email: (one.standing, one.standing_reason) for email, one in found.items()} == expected
    plain = carried(backend, "email\nann@a.example\nbob@a.example\ncarl@a.example\n", first.list_id or 0)
    assert (plain.accepted, plain.duplicates) == (0, 3)
    later = carried(
        backend, f"{head}dora@a.example,unsubscribed\nbob@a.example,unsubscribed\n", first.list_id or 0
    )
    assert later.updated == 2
    expected["dora@a.example"] = expected["bob@a.example"] = (Standing.UNSUBSCRIBED, "unsubscribed")
    found = stored(db, first.list_id)
    assert {email: (one.standing, one.standing_reason) for email, one in found.items()} == expected


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


def test_a_list_is_full_for_new_contacts_and_not_for_those_it_has(backend, db, monkeypatch) -> None:
    monkeypatch.setattr(carrying, "CONTACTS_MAX", 3)
    first = carried(backend, f"{HEAD}ann@a.example,,\nbob@a.example,,\n")
    done = carried(
        backend, f"{HEAD}carl@a.example,,\ndora@a.example,,\nann@a.example,Ann,\n", first.list_id or 0
    )
    assert (done.accepted, done.updated, done.refused) == (1, 1, 1)
    expect_every_row_counted(done)
    assert stored(db, first.list_id).keys() == {"ann@a.example", "bob@a.example", "carl@a.example"}
    assert told(db, done.id, NoteKind.REFUSED)[0][:2] == (3, "dora@a.example")


def test_so_many_rows_are_read_and_the_rest_is_told(backend, db, monkeypatch) -> None:
    monkeypatch.setattr(carrying, "ROWS_MAX", 100)
    short_strides(monkeypatch, 50)
    done = carried(backend, numbered(300))
    assert (done.state, done.read, done.accepted) == (ImportState.DONE, 150, 150)
    assert told(db, done.id, NoteKind.REFUSED) == [
        (151, "", "A list can have at most 100 addresses. Lines from here on were not read.")
    ]


def test_mistyped_addresses_are_suggested_and_corrected_one_by_one_or_all(backend, db) -> None:
    done = carried(
        backend,
        "email,status\nann@gmial.com,\nbob@hotmial.com,\ncarl@gmail.con,\ncarl@gmail.com,unsubscribed\ndora@gmai.com,\n",
    )
    assert done.noted == 4
    with db.read() as connection:
        first, *_others = notes.read(connection, done.id, NoteKind.SUGGESTED)
    assert (first.line, first.text, first.suggestion) == (2, "ann@gmial.com", "ann@gmail.com")
    assert commands.correct(backend, ANN, done.id, first.number) == 1
    assert commands.correct(backend, ANN, done.id, first.number) == 0
    with db.write() as connection:  # meanwhile somebody has removed one
        dora = contacts.find(connection, done.list_id or 0, "dora").rows[0]
        contacts.remove(connection, done.list_id or 0, dora.id)
    assert commands.correct(backend, ANN, done.id) == 2
    found = stored(db, done.list_id)
    assert found.keys() == {"ann@gmail.com", "bob@hotmail.com", "carl@gmail.com"}
    assert found["carl@gmail.com"].standing is Standing.UNSUBSCRIBED
    assert found["ann@gmail.com"].import_id == done.id
    assert told(db, done.id, NoteKind.SUGGESTED) == []


def test_roles_disposable_addresses_and_odd_ones_are_worth_a_look(backend, db) -> None:
    done = carried(
        backend,
        "email\ninfo@school.example\nann@mailinator.com\nann..lee@school.example\nann@school.example\n",
    )
    assert [line for line, _text, _why in told(db, done.id, NoteKind.NOTED)] == [4, 2, 3]
    assert done.noted == 3
    again = carried(backend, "email\ninfo@school.example\n", done.list_id or 0)
    assert again.noted == 0, "it was told when the contact came"


async def test_domains_are_asked_about_after_the_import_and_only_once_each(backend, db) -> None:
    text = "email\n" + "".join(
        f"p{i}@{domain}\n" for i in range(3) for domain in ("gone.example", "good.example")
    )
    done = carried(backend, f"{text}ann@gmail.com\n")
    asked: list[str] = []

    async def ask(domain: str) -> str:
        asked.append(domain)
        return mail_exchangers.NO_DOMAIN if domain == "gone.example" else ""

    thread = threading.Thread(target=mail_exchangers.note, args=(db, done.id, ask))
    thread.start()
    thread.join()
    assert sorted(asked) == ["gone.example", "good.example"]
    assert told(db, done.id, NoteKind.NOTED) == [
        (0, "gone.example", "This domain doesn't exist, so no email to it can be delivered. Contacts: 3.")
    ]
    assert get(db, done.id).noted == done.noted + 1


def test_a_file_in_pieces_is_whole_only_with_all_of_them(backend, db) -> None:
    data = b"email\n" + b"ann@a.example\n" * (PIECE_BYTES // 10)
    with db.write() as connection:
        import_id = imports.begin(connection, r"C:\Lists\members.csv", len(data), ANN)
        imports.keep_piece(connection, import_id, 1, data[PIECE_BYTES:])
    with pytest.raises(ListError) as error:
        imports.opened(db, import_id)
    assert error.value.reason.code == "import.incomplete"
    with db.write() as connection:
        for _ in range(2):  # a piece may come again
            imports.keep_piece(connection, import_id, 0, data[:PIECE_BYTES])
        for number, wrong in ((2, b"more"), (1, b"short"), (-1, data[:PIECE_BYTES])):
            with pytest.raises(ListError):
                imports.keep_piece(connection, import_id, number, wrong)
    with imports.opened(db, import_id) as file:
        assert file.read() == data
    assert get(db, import_id).file_name == "members.csv"


@pytest.mark.parametrize(("size", "code"), [(0, "import.empty"), (2**31, "import.too-large")])
def test_a_file_is_refused_by_its_size_before_it_comes(backend, size: int, code: str) -> None:
    with pytest.raises(ListError) as error:
        commands.begin_import(backend, ANN, "members.csv", size)
    assert error.value.reason.code == code


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


def test_no_query_is_asked_for_more_addresses_than_it_takes(backend, db, monkeypatch) -> None:
    monkeypatch.setattr(storing, "AT_ONCE", 7)
    first = carried(backend, numbered(100))
    again = carried(backend, numbered(100), first.list_id or 0)
    assert (again.accepted, again.updated, again.duplicates) == (0, 0, 102)
