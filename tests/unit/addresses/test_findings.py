"""Rows with the same address become one recipient by one rule, and a list has its bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.addresses import findings
from mailing.addresses.parsing import Entry, parse_pasted, parse_rows


def one(*rows: dict):
    found = parse_rows([{"email": "a@x.example", **row} for row in rows])
    (entry,) = found.entries
    return entry, [str(again.said) for again in found.duplicates]


def test_the_fullest_row_wins_whole_and_only_what_it_leaves_empty_is_filled():
    entry, said = one(
        {"name": "Ann", "city": "Huế"},
        {"name": "Anna Lee", "city": "Hà Nội", "year": 3, "seat": ""},
        {"name": "A.", "seat": "7", "team": "x"},
    )
    assert entry == Entry(
        1, "a@x.example", "Anna Lee", {"city": "Hà Nội", "year": 3, "seat": "7", "team": "x"}
    )
    assert said == [
        "same as line 1; this line has more values, so they are used",
        "same as line 1; adds seat, team",
    ]


def test_among_equals_the_first_wins():
    entry, said = one({"name": "Ann", "city": "Huế"}, {"name": "Ben", "city": "Vinh"})
    assert entry == Entry(1, "a@x.example", "Ann", {"city": "Huế"})
    assert said == ["same as line 1"]


def test_an_empty_value_never_wins_over_a_full_one_and_false_and_0_are_values():
    entry, _ = one({"name": "Ann", "vip": False, "n": 0, "city": ""}, {"vip": True, "n": 1, "city": "Huế"})
    assert entry.fields == {"vip": False, "n": 0, "city": "Huế"}
    entry, _ = one({"city": None, "name": None}, {"city": ""}, {"city": "Huế", "name": "Ann"})
    assert entry == Entry(1, "a@x.example", "Ann", {"city": "Huế"})


def test_fields_of_a_later_row_are_not_dropped():
    entry, said = one({"name": "Ann"}, {"city": "Huế"})
    assert entry == Entry(1, "a@x.example", "Ann", {"city": "Huế"})
    assert said == ["same as line 1; adds city"]


def test_a_pasted_list_is_merged_by_the_same_rule():
    found = parse_pasted("a@x.example\nAnn <A@x.example>\nBen <a@X.example>\nAnn Lee <a@x.example>")
    assert [(entry.email, entry.name) for entry in found.entries] == [
        ("a@x.example", "Ben"),
        ("A@x.example", "Ann"),
    ]
    assert [str(again.said) for again in found.duplicates] == [
        "same as line 1; this line has more values, so they are used",
        "same as line 1",
    ]
    assert [str(note.note) for note in found.noted] == [
        "same as line 1 except for upper/lower case; kept as a separate address"
    ]


values = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "x", "y"])
rows = st.dictionaries(st.sampled_from(["p", "q", "r", "s"]), values, max_size=4)


@given(st.lists(rows, min_size=1, max_size=5))
def test_each_value_comes_from_the_fullest_row_or_from_the_first_that_has_it(listed):
    entry, said = one(*listed)
    assert len(said) == len(listed) - 1

    def full(row: dict) -> dict:
        return {key: value for key, value in row.items() if value is not None and value != ""}

    fullest = max(listed, key=lambda row: len(full(row)))
    order = [fullest, *listed]
    for key in {key for row in listed for key in full(row)}:
        expected = next(full(row)[key] for row in order if key in full(row))
        assert entry.fields[key] == expected
        assert type(entry.fields[key]) is type(expected)


def test_a_list_ends_at_its_limit_and_says_so(monkeypatch):
    monkeypatch.setattr(findings, "ENTRIES_MAX", 3)
    found = parse_pasted("\n".join(f"p{n}@x.example" for n in range(6)))
    assert len(found.entries) == 3
    ((line, reason),) = [(refusal.line, refusal.reason) for refusal in found.refused]
    assert line == 4
    assert str(reason) == "A list can have at most 3 addresses. Lines from here on were not read."
    assert len(parse_rows([{"email": f"p{n}@x.example"} for n in range(6)]).entries) == 3
    assert len(parse_pasted("p0@x.example\n" * 6).duplicates) == 5


def test_reading_ends_where_too_much_was_refused(monkeypatch):
    monkeypatch.setattr(findings, "REFUSED_MAX", 3)
    found = parse_pasted("x\n" * 10 + "a@x.example")
    assert [refusal.line for refusal in found.refused] == [1, 2, 3, 3]
    assert "More than 3 lines were skipped" in str(found.refused[-1].reason)
    assert not found.entries


@pytest.mark.parametrize("key", ["Email", "EMAIL", "E-mail", "e_mail", "mail", " email "])
def test_the_keys_of_a_row_are_read_as_headers_are(key):
    assert parse_rows([{key: "a@x.example", "NAME": "Ann"}]).entries == (Entry(1, "a@x.example", "Ann"),)


def test_an_exact_key_comes_before_one_like_it():
    found = parse_rows(
        [{"mail": "no", "Email": "b@x.example", "email": "a@x.example", "Name": "B", "name": "A"}]
    )
    assert found.entries[0].email == "a@x.example"
    assert found.entries[0].name == "A"
    assert found.entries[0].fields == {"mail": "no", "Email": "b@x.example", "Name": "B"}


def test_keys_that_are_names_stay_and_others_are_named_by_the_rule_and_shown():
    found = parse_rows(
        [
            {
                "email": "a@x.example",
                "firstName": "A",
                "first-name": "B",
                "first_name": "C",
                "é": 1,
                "Thành phố": "Huế",
            }
        ]
    )
    assert found.entries[0].fields == {
        "firstName": "A",
        "first_name_2": "B",
        "first_name": "C",
        "e": 1,
        "thanh_pho": "Huế",
    }
    shown = {(column.header, column.field) for column in found.columns}
    assert shown == {("first-name", "first_name_2"), ("é", "e"), ("Thành phố", "thanh_pho")}


def test_values_keep_their_types():
    row = {"email": "a@x.example", "t": True, "f": False, "i": 0, "d": 1.5, "s": "1", "big": 2**63 - 1}
    fields = parse_rows([row]).entries[0].fields
    assert fields == {key: value for key, value in row.items() if key != "email"}
    assert {key: type(value) for key, value in fields.items()} == {
        key: type(value) for key, value in row.items() if key != "email"
    }


def test_a_row_may_be_an_address_as_text():
    found = parse_rows(
        ["a@x.example", "Ben Ng <b@X.example>", '"Ng, Cy" <c@x.example>', {"email": "d@x.example"}]
    )
    assert [(entry.line, entry.email, entry.name) for entry in found.entries] == [
        (1, "a@x.example", ""),
        (2, "b@x.example", "Ben Ng"),
        (3, "c@x.example", "Ng, Cy"),
        (4, "d@x.example", ""),
    ]
