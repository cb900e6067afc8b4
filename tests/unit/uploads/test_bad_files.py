"""Bad input ends with a clear sentence, or costs the rows that it spoils and no other."""

import io
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.core.reasons import UnfitError
from mailing.uploads import delimited, guesses, jsons, reading, rows, unpacking
from mailing.uploads.plans import Role
from mailing.uploads.reading import UnreadableError
from tests.unit.uploads.samples import (
    CELL,
    OLE,
    contacts,
    look,
    ods_cell,
    ods_row,
    old_workbook,
    open_document,
    packed,
    raw_workbook,
    read,
    roles,
    workbook,
)


def refusal(data: bytes | str, name: str = "list.csv") -> str:
    """Return the code of the reason why a file cannot be read, and its kind if that is why."""
    with pytest.raises(UnreadableError) as raised:
        look(data, name)
    reason = raised.value.reason
    kind = reason.values.get("kind")
    return getattr(kind, "code", reason.code)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "upload.empty"),
        (b"\xef\xbb\xbf \r\n\r\n", "upload.empty"),
        (b"\0\0\0\0", "upload.empty"),
        (b"%PDF-1.7 a@b.example", "file-kind.pdf"),
        (b"\x89PNG\r\n\x1a\n", "file-kind.image"),
        (b"MZ\x90\0", "file-kind.program"),
        (b"\x1f\x8b\x08", "file-kind.archive"),
        (b"<!DOCTYPE html><table><td>a@b.example", "file-kind.web-page"),
        (b"<?xml version='1.0'?><Workbook>", "file-kind.xml"),
        (b"Return-Path: <a@b.example>\r\n", "file-kind.mailbox"),
        (bytes(range(1, 32)) * 40, "upload.binary"),
        (packed({"word/document.xml": "<w/>"}), "file-kind.document"),
        (packed({"ppt/slides/slide1.xml": "<p/>"}), "file-kind.slides"),
        (packed({"xl/workbook.bin": "x"}), "file-kind.xlsb"),
        (packed({"mimetype": "application/vnd.oasis.opendocument.text"}), "file-kind.document"),
        (packed({"photo.jpg": "x", "__MACOSX/._a.csv": "x"}), "upload.no-csv-inside"),
        (packed({"xl/workbook.xml": "<workbook/>"}), "upload.damaged"),
        (b"PK\x03\x04" + b"nothing of an archive", "upload.damaged"),
        (OLE + b"\0" * 3_000, "upload.damaged"),
        (OLE + b"\0" * 2_000 + "EncryptedPackage".encode("utf-16-le"), "upload.password"),
        (b'{"a": [1, 2', "upload.json-invalid"),
        (b'{"total": 0}', "upload.json-no-rows"),
        (b"[" * 5_000, "upload.json-invalid"),
    ],
    ids=lambda it: repr(it[:4]) if isinstance(it, bytes) else it,  # the same in each process of a run
)
@pytest.mark.parametrize("name", ["list.csv", "list.xlsx"])
def test_what_is_no_list_is_refused_with_a_reason_whatever_its_name(data, code, name):
    assert refusal(data, name) == code


def test_a_file_that_is_not_what_its_name_says_is_read_by_its_content_and_told():
    found = look(workbook([["email"], ["a@x.example"]]), "list.csv")
    assert found.plan.format == "xlsx"
    assert [str(note) for note in found.notes] == [
        "list.csv contains an XLSX workbook, although its name says otherwise. It is read by its content."
    ]
    assert look("email\na@x.example", "list.csv").notes == ()
    assert look("email\na@x.example", "members.txt").notes == ()


def test_an_empty_sheet_says_so():
    assert refusal(workbook([])) == "upload.no-rows"


@pytest.mark.parametrize("declared", [True, False])
def test_a_workbook_that_unpacks_to_too_much_is_refused_before_it_is_opened(declared, monkeypatch):
    monkeypatch.setattr(unpacking, "UNPACKED_MAX", 1)
    bomb = raw_workbook(f"<!--{' ' * (2 << 20)}-->")
    assert len(bomb) < 10_000
    if not declared:  # an archive that lies about what it holds
        at = bomb.rindex(b"xl/worksheets/sheet1.xml") - 46
        assert bomb[at : at + 4] == b"PK\x01\x02"
        bomb = bomb[: at + 24] + (100).to_bytes(4, "little") + bomb[at + 28 :]
    opened = []
    monkeypatch.setattr("python_calamine.CalamineWorkbook.from_filelike", opened.append, raising=False)
    assert refusal(bomb) == "upload.unpacks-too-large"
    assert opened == []


@pytest.mark.parametrize(
    "sheet",
    [
        "<row>" + CELL.format("A1", "email") + CELL.format("XFD1048576", "a@x.example") + "</row>",
        '<row r="1048576">' + "<c><v>1</v></c>" * 16_000 + "</row>",
        "<x:row xmlns:x='x'><x:c q='>' r='XFD1048576'><x:v>1</x:v></x:c></x:row>",
    ],
    ids=["corners", "without places", "prefixed"],
)
def test_a_sheet_of_few_cells_that_spans_too_many_is_refused(sheet):
    """Calamine would ask for the memory of all of them, and end the process."""
    assert refusal(raw_workbook(sheet)) == "upload.too-many-cells"


def test_a_cell_of_open_document_that_repeats_too_often_is_refused():
    bomb = open_document(ods_row(ods_cell("email")) + ods_row(ods_cell("a@x.example", 16_384), 100_000))
    assert refusal(bomb) == "upload.too-many-cells"


def test_empty_cells_to_the_end_of_a_sheet_are_no_bomb():
    empty = '<table:table-cell table:number-columns-repeated="16383"/>'
    ods = open_document(
        ods_row(ods_cell("email") + empty)
        + ods_row(ods_cell("a@x.example") + empty)
        + ods_row(empty, 1_048_000)
    )
    assert [one.email for one in contacts(ods)[0]] == ["a@x.example"]
    xlsx = raw_workbook(
        f'<row r="1">{CELL.format("A1", "email")}<c r="XFD1" s="1"/></row>'
        f'<row r="2">{CELL.format("A2", "a@x.example")}</row><row r="1048576"><c r="A1048576"/></row>'
    )
    assert [one.email for one in contacts(xlsx)[0]] == ["a@x.example"]


def test_a_workbook_with_a_document_type_is_refused():
    xml = '<!DOCTYPE a [<!ENTITY b "bbbb">]><a><c r="A1"><v>&b;</v></c></a>'
    files = {"xl/workbook.xml": "<workbook/>", "xl/worksheets/sheet1.xml": xml}
    assert refusal(packed(files)) == "upload.damaged"


def test_formulas_give_values_only():
    taken, refused = contacts(
        workbook(
            [["email", "name", "sum"], ["a@x.example", "=cmd|'/c calc'!A1", "=1+1"]],
        )
    )
    assert refused == []
    assert (taken[0].name, taken[0].fields) == ("", None)  # never calculated: nothing to show


def test_a_workbook_of_excel_before_2007_with_a_password_says_so():
    assert refusal(old_workbook([["email"]], password=True)) == "upload.password"


def test_an_archive_with_a_password_says_so():
    held = bytearray(packed({"list.csv": "email\na@x.example"}))
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        held[held.index(signature) + flags] |= 1
    assert refusal(bytes(held)) == "upload.password"


def test_an_archive_with_too_many_lists_is_refused():
    assert refusal(packed({f"{n}.csv": "email\na@x.example" for n in range(101)})) == "upload.too-many-files"


def test_500_columns_are_read_and_more_than_1000_are_too_many():
    wide = ["email", *(f"c{n}" for n in range(499))]
    taken, _refused = contacts(",".join(wide) + "\n" + ",".join(["a@x.example", *wide[1:]]))
    assert len(taken[0].fields) == 499
    assert refusal("email," * guesses.COLUMNS_MAX + "x") == "upload.too-many-columns"


def test_nul_bytes_cost_the_rows_that_hold_them():
    taken, refused = contacts("email,city\na@x.example,H\0ue\nb\0@x.example,x\nc@x.example,Hue\n")
    assert [one.email for one in taken] == ["c@x.example"]
    assert [(line, code) for line, _text, code in refused] == [
        (2, "field.unstorable"),
        (3, "address.unreadable"),
    ]


def test_mixed_line_ends_are_all_line_ends():
    taken, refused = contacts("email\r\na@x.example\rb@x.example\nc@x.example\r\n\r\nd@x.example")
    assert [one.email[0] for one in taken] == ["a", "b", "c", "d"]
    assert refused == []


@pytest.mark.parametrize("after", [3, 20_000])
def test_a_quotation_mark_that_is_never_closed_costs_one_line(after):
    rest = [f"p{n}@x.example,P{n}" for n in range(after)]
    taken, refused = contacts("\n".join(["email,name", "a@x.example,A", '"b@x.example,B', *rest]))
    assert [one.email for one in taken] == ["a@x.example", *(one.partition(",")[0] for one in rest)]
    assert refused == [(3, '"b@x.example,B', "row.open-quotation-mark")]


def test_many_open_quotation_marks_are_read_again_within_a_limit(monkeypatch):
    """No cell of them is long, and whichever line one begins with, no mark is the last."""
    monkeypatch.setattr(delimited, "LINE_MAX", 10_000)
    monkeypatch.setattr(delimited, "_AGAIN_MAX", 100_000)
    taken, refused = contacts("email,name\na@x.example,A\n" + 'z","q\n' * 5_000)
    assert taken[0].email == "a@x.example"
    assert len(taken) < 10
    assert {code for _line, _text, code in refused} == {"row.open-quotation-mark", "row.unread-lines"}
    assert refused[0][0] == 3


def test_a_huge_cell_and_a_line_without_an_end_cost_their_row(monkeypatch):
    monkeypatch.setattr(delimited, "LINE_MAX", 300_000)
    taken, refused = contacts(
        f"email,city\na@x.example,{'x' * 70_000}\nb@x.example,{'y' * 140_000}\n"
        f"c@x.example,{',z' * 400_000}\nd@x.example,D\n"
    )
    assert [one.email for one in taken] == ["d@x.example"]
    assert [(line, code) for line, _text, code in refused] == [
        (2, "field.too-long"),
        (3, "row.line-too-long"),
        (4, "row.line-too-long"),
    ]


def test_one_bad_line_of_json_does_not_end_the_file():
    taken, refused = contacts(
        '{"email": "a@x.example"}\n{"email": \n[1]\n\n{"email": "b@x.example"}', "a.jsonl"
    )
    assert [one.email for one in taken] == ["a@x.example", "b@x.example"]
    assert refused == [(2, '{"email":', "row.no-json"), (3, "[1]", "row.no-object")]


def test_a_document_of_json_that_is_too_large_says_what_to_do(monkeypatch):
    monkeypatch.setattr(jsons, "DOCUMENT_MAX", 0)
    assert refusal('[{"email": "a@x.example"}]') == "upload.json-too-large"


def test_bytes_that_are_not_of_the_encoding_cost_the_addresses_that_hold_them():
    good = "Nguyễn,n@x.example\n".encode() * 400
    taken, refused = contacts(b"name,email\n" + good + b"Bad\xff,b\xff@x.example\n")
    assert len(taken) == 400
    assert [(line, code) for line, _text, code in refused] == [(402, "address.unreadable")]


def test_a_person_who_chooses_what_is_not_there_is_told():
    book = workbook([["email"], ["a@x.example"]])
    with pytest.raises(UnfitError) as raised:
        look(book, sheet="Other")
    assert raised.value.reason.code == "upload.no-such-sheet"
    with pytest.raises(UnfitError) as raised:
        look("email\na@x.example", encoding="rot13")
    assert raised.value.reason.code == "upload.unknown-encoding"


def test_reading_leaves_the_file_open_and_the_end_of_it_alone():
    file = io.BytesIO(b"email\na@x.example\nb@x.example\n")
    plan = reading.look(file, "a.csv").plan
    assert next(reading.rows(file, plan)) == (2, ["a@x.example"])  # and the rest is left
    assert not file.closed
    assert len(list(reading.rows(file, plan))) == 2


@given(st.binary(max_size=300) | st.text(alphabet='",;\t\n\r{}[]@ab.x:', max_size=200).map(str.encode))
def test_whatever_the_bytes_reading_ends_with_rows_or_a_reason(data):
    with suppress(UnreadableError):
        plan = look(data).plan
        found = read(data, plan)
        assert all(len(rows.shown(cells)) <= 200 for _line, cells in found)
        if any(column.role is Role.EMAIL for column in plan.columns):
            assert all("@" in one.email for one in contacts(data, plan=plan)[0])


@given(st.binary(min_size=1, max_size=60), st.integers(0, 3_000))
def test_a_workbook_with_a_few_other_bytes_is_read_or_refused(noise, at):
    data = bytearray(workbook_once())
    data[at : at + len(noise)] = noise
    with suppress(UnreadableError):
        look(bytes(data))


_HELD: list[bytes] = []


def workbook_once() -> bytes:
    if not _HELD:
        _HELD.append(workbook([["email", "name"], ["a@x.example", "A"]]))
    return _HELD[0]


def test_the_samples_made_here_are_what_they_should_be():
    assert zipfile.is_zipfile(io.BytesIO(workbook_once()))
    assert roles(workbook_once()) == {"email": "email", "name": "name"}
