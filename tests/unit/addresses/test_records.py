"""Address books and JSON that were pasted as text give people with their names and fields."""

from pathlib import Path

import pytest

from mailing.addresses.parsing import Entry, parse_pasted

LISTS = Path(__file__).parents[2] / "lists"


def people(text: str) -> list[tuple[int, str, str]]:
    found = parse_pasted(text)
    assert not found.refused, found.refused
    return [(entry.line, entry.email, entry.name) for entry in found.entries]


def test_a_file_of_vcards():
    entries = parse_pasted((LISTS / "contacts.vcf").read_text()).entries
    assert len(entries) == 40
    assert entries[1] == Entry(6, "phuc.tran1@congty.example", "Trần Phúc")


def test_old_vcards_with_quoted_printable_soft_breaks_folds_and_groups():
    text = """BEGIN:VCARD
VERSION:2.1
N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:L=C3=AA;=C3=81nh=
=20Th=E1=BB=8B;;;
EMAIL;INTERNET:old@x.example
item1.EMAIL;TYPE=PREF,INTERNET:anh@x.example
PHOTO;ENCODING=BASE64:AAAA
 BBBB@CCCC

END:VCARD
begin:vcard
FN;CHARSET=ISO-8859-1;ENCODING=QUOTED-PRINTABLE:J=FCrgen M=FCller
EMAIL:jm@x.example
ORG:Club\\, e.V.
end:vcard
plain@x.example"""
    found = parse_pasted(text)
    assert found.entries == (
        Entry(1, "anh@x.example", "Ánh Thị Lê"),
        Entry(11, "jm@x.example", "Jürgen Müller", {"org": "Club, e.V."}),
        Entry(16, "plain@x.example"),
    )
    assert [(note.line, "old@x.example" in str(note.note)) for note in found.noted] == [(1, True)]


def test_a_card_without_an_address_is_refused_with_its_name_and_one_without_an_end_hides_nobody():
    found = parse_pasted(
        "BEGIN:VCARD\nFN:No Mail\nEND:VCARD\nBEGIN:VCARD\nFN:Ann\nEMAIL:a@x.example\nb@x.example"
    )
    assert [(entry.email, entry.name) for entry in found.entries] == [
        ("a@x.example", "Ann"),
        ("b@x.example", ""),
    ]
    assert [(refusal.line, refusal.text) for refusal in found.refused] == [(1, "No Mail")]


def test_ldif_with_base64_folds_and_several_addresses():
    text = """version: 1
dn: uid=ann,ou=people,dc=x
objectClass: person
cn: Ann Lee
mail: ann@x.example
mail: lee@x.example

dn: uid=anh,ou=people,
 dc=x
cn:: w4FuaCBMw6o=
mail: anh@x.example
telephoneNumber: 123
"""
    found = parse_pasted(text.partition("\n")[2])
    assert [(entry.line, entry.email, entry.name) for entry in found.entries] == [
        (1, "ann@x.example", "Ann Lee"),
        (7, "anh@x.example", "Ánh Lê"),
    ]
    assert found.entries[1].fields["telephonenumber"] == "123"
    assert not found.refused


def test_blocks_of_labelled_lines_are_people():
    first = "Name: Ann Lee\nE-Mail: a@x.example\nCity: Huế\n\n"
    text = f"{first}Họ tên: Ánh\nEmail: b@x.example\nHọ tên: Bưởi\nEmail: c@x.example"
    assert people(text) == [
        (1, "a@x.example", "Ann Lee"),
        (5, "b@x.example", "Ánh"),
        (7, "c@x.example", "Bưởi"),
    ]
    assert parse_pasted(text).entries[0].fields == {"city": "Huế"}


def test_the_head_of_an_email_is_read_line_by_line():
    text = "From: Ann <a@x.example>\nTo: Ben <b@x.example>, c@x.example\nCc: d@x.example"
    assert people(text) == [
        (1, "a@x.example", "Ann"),
        (2, "b@x.example", "Ben"),
        (2, "c@x.example", ""),
        (3, "d@x.example", ""),
    ]


def test_json_lines_keep_types_and_lines():
    entries = parse_pasted((LISTS / "people.jsonl").read_text()).entries
    assert len(entries) == 60
    assert entries[1] == Entry(2, "phuc.tran1@congty.example", "Trần Phúc", {"city": "Hà Nội"})
    text = '{"email": "a@x.example", "n": 1}\n\n{"email": "b@x.example", "n": false},\nnot json'
    found = parse_pasted(text)
    assert found.entries == (Entry(1, "a@x.example", "", {"n": 1}), Entry(3, "b@x.example", "", {"n": False}))
    assert [refusal.line for refusal in found.refused] == [4]


@pytest.mark.parametrize(
    "text",
    [
        '["a@x.example", "Ben <b@x.example>"]',
        '[{"email": "a@x.example"}, {"E-Mail": "b@x.example", "Name": "Ben"}]',
        '{"subscribers": [{"email": "a@x.example"}, {"email": "b@x.example", "name": "Ben"}], "total": 2}',
        '[\n  {\n    "mail": "a@x.example"\n  },\n  "Ben <b@x.example>"\n]\n',
        '\ufeff{"email":"a@x.example"}\r\n{"email":"b@x.example","name":"Ben"}\r\n',
    ],
)
def test_json_that_was_pasted_is_read(text):
    found = parse_pasted(text)
    assert [(entry.email, entry.name) for entry in found.entries] == [
        ("a@x.example", ""),
        ("b@x.example", "Ben"),
    ]
    assert not found.refused


def test_quotation_marks_in_json_and_cells_stay_what_they_are():
    assert parse_pasted('[{"email": "a@x.example", "said": "“yes”"}]').entries[0].fields == {"said": "“yes”"}
    assert parse_pasted('email,said\na@x.example,"“yes”"').entries[0].fields == {"said": "“yes”"}


@pytest.mark.parametrize(
    "text", ["[", '["', '[{"email": "a@x.example"', "{" * 10_000, "[" * 100_000, '{"a":1}', "[1, null]"]
)
def test_broken_json_raises_nothing(text):
    parse_pasted(text)
