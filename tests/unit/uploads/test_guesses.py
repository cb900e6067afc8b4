"""Where the header is, what each column is, and which sign parts the cells: told by the first rows."""

import datetime as dt
import unicodedata

import pytest

from mailing.core.reasons import UnfitError
from mailing.uploads.plans import Role, named
from tests.unit.uploads.samples import contacts, look, old_workbook, read, roles, workbook


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ("Email,Full Name,City", ["email", "name", "field"]),
        ("E-mail address,First name,Surname", ["email", "first_name", "last_name"]),
        ("Họ tên,Email,Thành phố", ["name", "email", "field"]),
        ("Họ,Tên,Thư điện tử", ["last_name", "first_name", "email"]),
        ("Họ,Tên đệm,Tên,Địa chỉ email", ["last_name", "middle_name", "first_name", "email"]),
        ("STT,Họ và tên,Hộp thư", ["field", "name", "email"]),
    ],
)
def test_headers_are_read_in_english_and_vietnamese(headers, expected):
    place = expected.index("email")
    row = ",".join("a@x.example" if at == place else "Bc" for at in range(len(expected)))
    assert list(roles(f"{headers}\n{row}\n").values()) == expected


def test_a_vietnamese_name_is_said_family_first():
    taken, _refused = contacts("Tên,Họ,Email\nAn,Nguyễn,an@x.example\n")
    assert (taken[0].name, taken[0].fields) == ("Nguyễn An", {"ten": "An", "ho": "Nguyễn"})
    taken, _refused = contacts("Last name,First name,Email\nLee,Ann,ann@x.example\n")
    assert taken[0].name == "Ann Lee"


@pytest.mark.parametrize("start", ["", "\n\n", "Members of 2026\n", "Danh sách,,\n\n", "sep=,\n"])
def test_what_stands_above_the_header_does_not_matter(start):
    text = start + "Họ tên,Email,Lớp\nAn,an@x.example,12A1\n"
    plan = look(text).plan
    assert [column.header for column in plan.columns] == ["Họ tên", "Email", "Lớp"]
    assert read(text, plan) == [(start.count("\n") + 2, ["An", "an@x.example", "12A1"])]


def test_a_header_that_nobody_knows_is_one_if_no_address_stands_in_it():
    assert roles("Ai,Ở đâu,Gửi đến\nAn,Huế,an@x.example\n") == {
        "Ai": "field",
        "Ở đâu": "field",
        "Gửi đến": "email",
    }


def test_what_is_called_email_but_holds_none_is_not_the_address():
    assert roles("Email,Contact mail\nyes,a@x.example\nno,b@x.example\n")["Contact mail"] == "email"


def test_a_person_can_say_that_there_is_no_header_or_that_there_is_one():
    text = "a@x.example,An\nb@x.example,Bình\n"
    assert not look(text).plan.header
    found = look(text, header=True)
    assert [column.header for column in found.plan.columns] == ["a@x.example", "An"]
    assert found.rows == (("b@x.example", "Bình"),)
    found = look("email,name\na@x.example,An\n", header=False)
    assert len(found.rows) == 2
    assert [column.header for column in found.plan.columns] == ["", ""]


def test_columns_without_a_header_get_a_name_that_is_shown():
    plan = look("a@x.example,An,Huế,2\n").plan
    assert plan.fields == ("column_3", "column_4")


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("name;email\nA, B;a@x.example\nC, D;c@x.example\n", ";"),
        ("email|price\na@x.example|1,5\nb@x.example|2,5\n", "|"),
        ("email\tname\na@x.example\tA; B, C\n", "\t"),
        ("sep=;\nemail;n\na@x.example;1,2\n", ";"),
        ("email\na@x.example\nb@x.example\n", ""),
        ("Lee, Ann <ann@x.example>\nDoe, Jo <jo@x.example>\nb@x.example\n", ""),
        ('"email","note"\n"a@x.example","x;y;z\nnext; line"\n', ","),
    ],
)
def test_the_delimiter_is_the_sign_that_makes_columns(text, delimiter):
    assert look(text).plan.delimiter == delimiter


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1258"]
)
def test_a_text_is_the_same_in_every_encoding(encoding):
    lines = "Họ tên,Email,Thành phố\n" + "Trần Bưởi,b@x.example,Đà Nẵng\nNguyễn Ánh,a@x.example,Huế\n" * 30
    text = lines
    if encoding == "cp1258":  # writes the marks of tones behind their letters
        text = "".join(map(_with_tone_apart, lines))
    taken, refused = contacts(text.encode(encoding))
    assert refused == []
    assert {(one.name, one.fields["thanh_pho"]) for one in taken} == {
        ("Trần Bưởi", "Đà Nẵng"),
        ("Nguyễn Ánh", "Huế"),
    }
    assert unicodedata.is_normalized("NFC", taken[0].name)


def _with_tone_apart(letter: str) -> str:
    """Return a letter as Windows-1258 writes it."""
    try:
        letter.encode("cp1258")
    except UnicodeEncodeError:
        whole = unicodedata.normalize("NFD", letter)
        tone = next(mark for mark in whole if mark in "\u0300\u0301\u0303\u0309\u0323")
        return unicodedata.normalize("NFC", whole.replace(tone, "")) + tone
    return letter


def test_a_person_can_choose_the_encoding():
    data = "Tên,Email\nAnh,a@x.example\n".encode("cp1258")
    assert look(data, encoding="cp1251").plan.encoding == "cp1251"
    assert look(data, encoding="iso8859-2").plan.encoding == "iso8859-2"  # as a guess may have called it


def test_a_person_can_choose_the_delimiter_if_it_can_be_one():
    assert look("email^name\na@x.example^An\n", delimiter="^").rows == (("a@x.example", "An"),)
    assert look("email,name\na@x.example,An\n", delimiter="").rows == (("a@x.example,An",),)
    for sign in ('"', "@", "a", "\n", ";;"):
        with pytest.raises(UnfitError):
            look("email\na@x.example\n", delimiter=sign)


def test_a_workbook_of_excel_before_2007_is_read():
    taken, refused = contacts(
        old_workbook([["email", "Số"], ["a@x.example", 690_000], ["b@x.example", "0123"]])
    )
    assert refused == []
    assert [(one.email, one.fields) for one in taken] == [
        ("a@x.example", {"so": 690_000}),
        ("b@x.example", {"so": "0123"}),
    ]


def test_the_first_sheet_with_an_address_is_read_and_others_can_be_chosen():
    book = workbook([["Cover"]], [["Tên", "Email"], ["An", "an@x.example"]], [["email"], ["b@x.example"]])
    found = look(book)
    assert (found.plan.sheet, found.expected, len(found.sheets)) == ("Sheet1", 1, 3)
    other = look(book, sheet="Sheet2")
    assert other.rows == (("b@x.example",),)


def test_rows_of_a_sheet_are_numbered_as_a_spreadsheet_numbers_them():
    book = workbook(
        [[], ["Danh sách"], [], [None, "Tên", "Email"], [None, "An", "an@x.example"], [], [None, "B", "b"]]
    )
    assert [line for line, _cells in read(book, look(book).plan)] == [5, 7]


def test_cells_of_a_workbook_keep_their_types():
    row = [
        "an@x.example",
        84901234567,
        1.5,
        True,
        dt.date(2026, 2, 3),
        dt.datetime(2026, 2, 3, 10, 5),  # noqa: DTZ001 - workbooks know no zones
        "0123",
        None,
    ]
    taken, _refused = contacts(workbook([["email", "phone", "n", "vip", "day", "at", "zip", "empty"], row]))
    assert taken[0].fields == {
        "phone": 84901234567,
        "n": 1.5,
        "vip": True,
        "day": "2026-02-03",
        "at": "2026-02-03T10:05:00",
        "zip": "0123",
    }


def test_the_expected_rows_are_about_right():
    assert look("email\n" + "a@x.example\n" * 500).expected == 500
    assert look('{"email": "a@x.example"}\n' * 70, "a.jsonl").expected == 70
    assert len(look("email\n" + "a@x.example\n" * 500).rows) == 20


def test_one_column_in_quotation_marks():
    text = '"email"\n"a@x.example"\n'
    assert roles(text) == {"email": "email"}
    assert look(text).rows == (("a@x.example",),)


def test_a_header_that_comes_again_is_no_row():
    taken, refused = contacts("email,n\na@x.example,1\nemail,n\nb@x.example,2\n")
    assert len(taken) == 2
    assert refused == []


def test_merge_fields_have_names_of_their_own():
    plan = look("email,City,city,name x,Name,E-mail\na@x.example,1,2,3,4,5\n").plan
    assert plan.fields == ("city_2", "city", "name_x", "e_mail")
    again = named(plan, [column.role for column in plan.columns], {1: "Thành phố", 3: "Email"})
    assert again.fields == ("thanh_pho", "city", "email_2", "e_mail")


def test_a_person_chooses_what_a_column_is():
    plan = look("a,b\na@x.example,b@y.example\n").plan
    chosen = named(plan, [Role.SKIP, Role.EMAIL])
    assert [one.email for one in contacts("a,b\na@x.example,b@y.example\n", plan=chosen)[0]] == [
        "b@y.example"
    ]


def test_a_file_with_column_names_alone_says_so():
    found = look("email,name,city\n")
    assert [note.code for note in found.notes] == ["upload.only-header"]
    assert (found.rows, found.expected) == ((), 0)
