"""Skipped lines are fixed in a box: what was left alone stays, what was deleted goes, the rest is read."""

from __future__ import annotations

import pytest

from mailing.addresses import repairs
from mailing.addresses.parsing import Entry, parse_pasted
from mailing.addresses.repairs import Repair, Skipped

SKIPPED = [Skipped(7, 3, "mia at six.example"), Skipped(8, 5, "nobody"), Skipped(12, 9, "@x.example")]


@pytest.mark.parametrize(
    ("box", "gone", "changed"),
    [
        ("mia at six.example\nnobody\n@x.example", [], []),
        ("  mia  at six.example \r\n\r\nnobody\r\n@x.example\r\n", [], []),
        ("mia@six.example\nnobody\n@x.example", [7], [(3, "mia@six.example")]),
        ("mia at six.example\nann@x.example", [8, 12], [(5, "ann@x.example")]),
        ("mia at six.example\nnobody\nann@x.example", [12], [(9, "ann@x.example")]),
        ("@x.example", [7, 8], []),
        ("", [7, 8, 12], []),
        (
            "a@x.example\nb@x.example\nnobody\nc@x.example\nd@x.example",
            [7, 12],
            [(3, "a@x.example"), (3, "b@x.example"), (9, "c@x.example"), (9, "d@x.example")],
        ),
        ("mia\tm@six.example\nnobody\n@x.example", [7], [(3, "mia\tm@six.example")]),
        ("nobody\nnobody\nmia at six.example\n@x.example", [], [(5, "nobody")]),
    ],
)
def test_a_box_is_compared_with_what_it_held_line_by_line(box, gone, changed):
    assert repairs.compare(SKIPPED, box) == Repair(gone, changed)


def test_two_skipped_lines_with_the_same_text_are_two():
    twice = [Skipped(1, 1, "nobody"), Skipped(2, 4, "nobody")]
    assert repairs.compare(twice, "nobody\nann@x.example") == Repair([2], [(4, "ann@x.example")])


def test_a_hundred_thousand_lines_in_the_box_cost_no_more_than_their_number():
    repair = repairs.compare([Skipped(n, n, "x") for n in range(200)], "x\n" * 100_000)
    assert (repair.gone, len(repair.changed)) == ([], 99_800)


def of(headers, *texts):
    found = repairs.read(list(enumerate(texts, 5)), repairs.plan(headers))
    return found.entries, [(it.line, it.text) for it in found.refused]


def test_where_the_list_has_no_columns_a_changed_line_is_free_text():
    entries, refused = of([], "Mia Ng <mia@six.example>; ben@x.example", "still nobody")
    assert entries == (Entry(5, "mia@six.example", "Mia Ng"), Entry(5, "ben@x.example"))
    assert refused == [(6, "still nobody")]


TABLE = "Họ tên;Email;Thành phố\nÁnh;a@x.example;Huế\nLê, Mai;mai at x.example;Đà Nẵng\nBưởi;;Vinh\n"


def test_where_it_has_columns_a_changed_line_is_a_row_with_all_its_fields():
    found = parse_pasted(TABLE)
    headers = [(column.header, column.field) for column in found.columns]
    shown = [refusal.text for refusal in found.refused]
    assert shown == ['"Lê, Mai", mai at x.example, Đà Nẵng', "Bưởi, , Vinh"]
    entries, refused = of(
        headers,
        shown[0].replace(" at ", "@"),
        shown[1].replace(", ,", ", buoi@x.example,"),
        "Ben\tben@x.example\tHuế",
        "just@x.example",
    )
    assert [(it.email, it.name, it.fields) for it in entries] == [
        ("mai@x.example", "Lê, Mai", {"thanh_pho": "Đà Nẵng"}),
        ("buoi@x.example", "Bưởi", {"thanh_pho": "Vinh"}),
        ("ben@x.example", "Ben", {"thanh_pho": "Huế"}),
        ("just@x.example", "", None),
    ]
    assert not refused


def test_a_name_in_parts_is_joined_as_in_the_list():
    found = parse_pasted("First name,Surname,Email\nAnn,Lee,ann@x.example\nBen,Ng,ben at x.example\n")
    headers = [(column.header, column.field) for column in found.columns]
    (entry,), _ = of(headers, found.refused[0].text.replace(" at ", "@"))
    assert (entry.name, entry.fields) == ("Ben Ng", {"first_name": "Ben", "surname": "Ng"})


def test_the_columns_of_two_tables_are_those_of_none():
    assert repairs.plan([("email", "email"), ("city", "city"), ("mail", "email"), ("tel", "tel")]) is None
