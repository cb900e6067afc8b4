"""A file becomes contacts, and every row of it is told: taken, merged, skipped or to be checked."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import func, select

from mailing.contacts import carrying, contacts, imports, lists, mail_exchangers, notes, storing
from mailing.contacts.imports import PIECE_BYTES
from mailing.contacts.lists import ListError
from mailing.contacts.notes import NoteKind
from mailing.contacts.tables import ImportState, upload_pieces
from mailing.core.states import Standing
from tasks.commands import lists as commands
from tests.support.imported import (
    ANN,
    HEAD,
    carried,
    expect_every_row_counted,
    get,
    numbered,
    short_strides,
    stored,
    told,
)


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


def test_no_query_is_asked_for_more_addresses_than_it_takes(backend, db, monkeypatch) -> None:
    monkeypatch.setattr(storing, "AT_ONCE", 7)
    first = carried(backend, numbered(100))
    again = carried(backend, numbered(100), first.list_id or 0)
    assert (again.accepted, again.updated, again.duplicates) == (0, 0, 102)
