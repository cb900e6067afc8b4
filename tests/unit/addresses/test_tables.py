"""A pasted table is read by its columns: address, name, and merge fields by header."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.addresses.parsing import Entry, parse_pasted
from mailing.core.reasons import Reason
from mailing.messages.field_names import field_name

LISTS = Path(__file__).parents[2] / "lists"
SEPARATORS = ["\t", ",", ";", "|"]


def sample(name: str):
    return parse_pasted((LISTS / name).read_bytes().decode())


def rows(text: str) -> list[tuple[str, str, dict]]:
    found = parse_pasted(text)
    assert not found.refused, found.refused
    return [(entry.email, entry.name, dict(entry.fields or {})) for entry in found.entries]


def test_a_table_copied_from_a_spreadsheet_gives_names_and_fields():
    found = sample("pasted-table.txt")
    assert found.entries == (
        Entry(2, "giang@z.example", "Đặng Giang", {"thanh_pho": "Vinh"}),
        Entry(3, "hai@z.example", "Bùi Hải, Phòng IT", {"thanh_pho": "Huế"}),
    )
    assert [(refusal.line, refusal.text) for refusal in found.refused] == [(4, "Email sai, khong-phai, Huế")]
    assert [(column.header, column.field) for column in found.columns] == [
        ("Họ tên", "name"),
        ("Email", "email"),
        ("Thành phố", "thanh_pho"),
    ]


def test_one_column_with_a_header_is_a_list():
    found = sample("one-column.txt")
    assert [entry.email for entry in found.entries] == [
        "one@y.example",
        "two@y.example",
        "TWO@y.example",
        "three@y.example",
    ]
    assert [(again.line, again.of_line) for again in found.duplicates] == [(6, 3)]
    assert [note.line for note in found.noted] == [5]
    assert not found.refused


def test_a_table_without_a_header_gets_shown_names_for_its_columns():
    assert sample("no-header.csv").entries == (
        Entry(1, "canh@x.example", "Trần, Văn Cảnh", {"column_3": "0123"}),
        Entry(2, "duyen@x.example", "Ái Duyên", {"column_3": "0456"}),
        Entry(3, "q@x.example", 'Quoted "Q" Name'),
    )


def test_contacts_of_google_give_the_first_address_and_tell_the_others():
    found = sample("google-contacts.csv")
    assert [(entry.email, entry.name) for entry in found.entries] == [
        ("ha@sach.example", "Hà Đỗ"),
        ("khoa@sach.example", "Khoa"),
    ]
    assert found.entries[1].fields["phone_1_value"] == "+84 90 123 45 67"
    assert found.entries[0].fields["organization_name"] == "CLB Sách"
    assert [(note.line, "khoa2@sach.example" in str(note.note)) for note in found.noted] == [(3, True)]
    assert [(refusal.line, refusal.reason) for refusal in found.refused] == [(4, Reason("row.no-address"))]


def test_contacts_of_outlook_with_line_breaks_in_a_cell():
    first, second = sample("outlook-contacts.csv").entries
    assert (first.email, first.name) == ("rene@cafe.example", "René Müller")
    assert first.fields["notes"] == "likes ‘quotes’\nand lines" or "\nand lines" in first.fields["notes"]  # noqa: RUF001
    assert (second.line, second.email, second.name) == (4, "zoe@cafe.example", "Zoë A. O’Neil")  # noqa: RUF001
    assert second.fields["e_mail_2_address"] == "zoe.private@home.example"
    assert second.fields["title"] == "Dr."


def test_an_export_with_many_columns():
    found = sample("listmonk-subscribers.csv")
    assert [entry.name for entry in found.entries] == ["Nguyễn An", "Trần Bình", "Lê Chi", "Phạm Dũng"]
    assert found.entries[0].fields["attributes"] == '{"city":"Huế","year":3,"vip":true}'
    assert not found.refused


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n", "Members of 2026\n"])
def test_separators_line_ends_and_what_stands_above_do_not_matter(separator, ending, start):
    lines = ["First Name;Surname;E-mail;T-shirt size", "Ann;Lee;ann@x.example;M", "Ben;;ben@x.example;"]
    text = (start + "\n".join(lines).replace(";", separator) + "\n").replace("\n", ending)
    assert rows(text) == [
        ("ann@x.example", "Ann Lee", {"first_name": "Ann", "surname": "Lee", "t_shirt_size": "M"}),
        ("ben@x.example", "Ben", {"first_name": "Ben"}),
    ]


@pytest.mark.parametrize(
    ("header", "name", "email"),
    [
        ("Name,Email", 0, 1),
        ("Email,Name", 1, 0),
        ("full name,E-MAIL ADDRESS", 0, 1),
        ("Họ và tên,Thư điện tử", 0, 1),
        ("Tên,Địa chỉ email", 0, 1),
        ("Tên học sinh,Email phụ huynh", None, 1),
        ("MAIL,HỌ TÊN", 1, 0),
        ("姓名,邮箱", 0, 1),
        ("Contact,Where", 0, 1),
    ],
)
def test_headers_are_known_in_many_spellings(header, name, email):
    cells = ["", ""]
    cells[email], cells[1 - email] = "ann@x.example", "Ánh Lê"
    ((found, called, fields),) = rows(f"{header}\n{','.join(cells)}\n{','.join(cells)}")
    assert found == "ann@x.example"
    if name is None:
        assert fields == {"ten_hoc_sinh": "Ánh Lê"}
    else:
        assert (called, fields) == ("Ánh Lê", {})


@pytest.mark.parametrize(
    ("header", "row", "name"),
    [
        ("first name,last name,email", "Ann,Lee,a@x.example", "Ann Lee"),
        ("last name,first name,email", "Lee,Ann,a@x.example", "Ann Lee"),
        ("first name,middle name,last name,email", "Ann,B.,Lee,a@x.example", "Ann B. Lee"),
        ("Họ,Tên,Email", "Nguyễn,An,a@x.example", "Nguyễn An"),
        ("Họ,Tên đệm,Tên,Email", "Nguyễn,Văn,An,a@x.example", "Nguyễn Văn An"),
        ("Tên,Họ và tên đệm,Email", "An,Nguyễn Văn,a@x.example", "Nguyễn Văn An"),
        ("Name,Vorname,E-Mail", "Müller,Jürgen,a@x.example", "Jürgen Müller"),
        ("Nom,Prénom,Courriel", "Roy,Zoé,a@x.example", "Zoé Roy"),
        ("name,first name,email", "Ann Lee,Ann,a@x.example", "Ann Lee"),
        ("name,first name,last name,email", ",Ann,Lee,a@x.example", "Ann Lee"),
        ("FNAME,LNAME,Email Address", "Ann,Lee,a@x.example", "Ann Lee"),
    ],
)
def test_a_name_is_joined_from_its_parts_where_there_is_no_full_one(header, row, name):
    ((_, called, _),) = rows(f"{header}\n{row}")
    assert called == name


def test_a_table_of_markdown_and_one_with_ruled_lines():
    markdown = "| Name | Email |\n|:-----|------:|\n| Ann | a@x.example |\n| Ben | b@x.example |"
    assert rows(markdown) == [("a@x.example", "Ann", {}), ("b@x.example", "Ben", {})]
    ruled = " name | email \n------+------\n Ann | a@x.example \n Ben | b@x.example \n"
    assert rows(ruled) == [("a@x.example", "Ann", {}), ("b@x.example", "Ben", {})]


def test_a_line_that_names_the_separator_is_no_row():
    assert rows("sep=;\nName;Mail\nAnn;a@x.example") == [("a@x.example", "Ann", {})]


def test_headers_that_come_twice_get_a_number_and_odd_ones_a_name():
    text = "Email,City,city,,if,Name,Name,2024\na@x.example,1,2,3,4,Ann,5,6\nb@x.example,1,2,3,4,Ben,5,6"
    found = parse_pasted(text)
    fields = {"city": "1", "city_2": "2", "column_4": "3", "field_if": "4", "name_2": "5", "field_2024": "6"}
    assert found.entries[0] == Entry(2, "a@x.example", "Ann", {**fields, "city": "2", "city_2": "1"})
    assert ("", "") not in {(column.header, column.field) for column in found.columns}


def test_quoted_cells_hold_separators_quotes_and_line_breaks_and_lines_are_counted():
    text = 'name,email,note\n"Lee, Ann",a@x.example,"one\n\n""two"""\nBen,nothing,\n"Cy",c@x.example,\n'
    found = parse_pasted(text)
    assert found.entries == (
        Entry(2, "a@x.example", "Lee, Ann", {"note": 'one\n\n"two"'}),
        Entry(6, "c@x.example", "Cy"),
    )
    assert [refusal.line for refusal in found.refused] == [5]


def test_an_unclosed_quote_in_a_cell_hides_no_other_row():
    found = parse_pasted('name,email\n"Ann,a@x.example\nBen,b@x.example\n"Cy",c@x.example')
    assert [entry.email for entry in found.entries] == ["a@x.example", "b@x.example", "c@x.example"]


def test_a_comma_in_a_name_that_nobody_quoted_is_put_right():
    assert rows("Name,Email,City\nLee, Ann,a@x.example,Huế\nBen,b@x.example,Vinh") == [
        ("a@x.example", "Lee, Ann", {"city": "Huế"}),
        ("b@x.example", "Ben", {"city": "Vinh"}),
    ]


def test_rows_that_fit_no_column_are_read_as_free_text_and_a_repeated_header_is_skipped():
    text = (
        "Ann,a@x.example\nBen,b@x.example\nc@x.example\nDoe <d@x.example>\nEve,e@x.example\nFay,f@x.example\n"
    )
    assert [row[:2] for row in rows(text * 2)] == [
        ("a@x.example", "Ann"),
        ("b@x.example", "Ben"),
        ("c@x.example", ""),
        ("d@x.example", "Doe"),
        ("e@x.example", "Eve"),
        ("f@x.example", "Fay"),
    ]
    assert len(rows("name;email\nAnn;a@x.example\nname;email\nBen;b@x.example")) == 2


def test_a_field_that_is_too_long_refuses_its_row():
    found = parse_pasted(f"email,note\na@x.example,{'x' * 65_536}\nb@x.example,{'x' * 65_537}")
    assert [entry.email for entry in found.entries] == ["a@x.example"]
    ((line, reason),) = [(refusal.line, refusal.reason) for refusal in found.refused]
    assert (line, reason) == (3, Reason("field.too-long", field="note"))


@pytest.mark.parametrize("separator", SEPARATORS)
def test_fifty_thousand_good_rows_give_no_red_line(separator):
    lines = [f"Person {n}{separator}p{n}@d{n % 50}.example{separator}City {n % 9}" for n in range(50_000)]
    for header in ([f"Name{separator}Email{separator}City"], []):
        found = parse_pasted("\n".join(header + lines))
        assert not found.refused
        assert len(found.entries) == 50_000
        last = found.entries[-1]
        assert list(last.fields.values())[-1] == "City 4"
        assert last.name == "Person 49999" or not header


def test_lists_with_commas_are_no_tables():
    found = parse_pasted("a@x.example, b@x.example\nc@x.example, d@x.example")
    assert len(found.entries) == 4
    assert not found.columns
    assert not parse_pasted("Lee, Ann <a@x.example>\nNg, Ben <b@x.example>").columns


cells = st.text(st.sampled_from("abÉế 12,;\t|\"'\n."), max_size=12).map(str.strip)
headers = st.lists(st.sampled_from(["City", "Ngày sinh", "T-shirt", "x", "名"]), unique=True, max_size=3)


@given(
    st.lists(st.tuples(cells, st.lists(cells, min_size=3, max_size=3)), min_size=1, max_size=6),
    headers,
    st.sampled_from(SEPARATORS),
    st.booleans(),
)
def test_a_written_table_reads_as_it_was(people, extra, separator, name_first):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    heads = ["Full name", "Email"] if name_first else ["Email", "Full name"]
    writer.writerow([*heads, *extra])
    for number, (name, values) in enumerate(people):
        pair = [name, f"p{number}@x.example"]
        writer.writerow([*(pair if name_first else pair[::-1]), *values[: len(extra)]])
    found = parse_pasted(out.getvalue())
    assert not found.refused
    assert [entry.email for entry in found.entries] == [
        f"p{number}@x.example" for number in range(len(people))
    ]
    for entry, (_, values) in zip(found.entries, people, strict=True):
        given_values = dict(zip(map(field_name, extra), values, strict=False))
        assert dict(entry.fields or {}) == {key: value for key, value in given_values.items() if value}


@given(st.lists(st.text(st.sampled_from('ab@.,;|\t"\n<> éNameEmail-'), max_size=30), max_size=8))
def test_no_table_makes_it_raise(lines):
    for head in ("Name,Email\n", "email;x\n", "| Email | y |\n", ""):
        parse_pasted(head + "\n".join(lines))
