"""What people paste and programs post becomes recipients, and every loss is explained."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.addresses import parsing as addresses
from mailing.addresses.parsing import Duplicate, Entry, ParsedList, parse_pasted, parse_rows
from tests.support.pasted import judged, messy

LISTS = Path(__file__).parents[2] / "lists"


def one(text: str) -> Entry:
    found = parse_pasted(text)
    assert not found.refused, found.refused
    (entry,) = found.entries
    return entry


def reason(text: str) -> str:
    found = parse_pasted(text)
    assert not found.entries, found.entries
    (refusal,) = found.refused
    return str(refusal.reason)


def written(entry: Entry) -> str:
    quoted = re.sub(r'(["\\])', r"\\\1", entry.name)
    return f'"{quoted}" <{entry.email}>' if entry.name else entry.email


def test_the_messy_sample_parses_exactly_as_expected():
    text = (LISTS / "pasted-messy.txt").read_bytes().decode()
    expected = json.loads((LISTS / "pasted-messy.expected.json").read_bytes())
    found = parse_pasted(text)
    assert [entry.email for entry in found.entries] == expected["accepted"]
    assert {entry.email: entry.name for entry in found.entries if entry.name} == expected["names"]
    assert found.duplicates == tuple(Duplicate(**one) for one in expected["duplicates"])
    noted = [{"line": one.line, "email": one.email, "note": str(one.note)} for one in found.noted]
    assert noted == expected["noted"]
    assert [{"line": one.line, "text": one.text} for one in found.refused] == expected["refused"]
    assert all(str(one.reason).endswith((".", "?")) for one in found.refused)


@pytest.mark.parametrize("text", ["", " \n\r\n\t", "\ufeff", "- \n* \n,;,"])
def test_a_list_without_words_is_empty(text):
    assert parse_pasted(text) == ParsedList()


@pytest.mark.parametrize(
    "text",
    [
        "ann@one.example",
        "  ann@ONE.Example.  ",
        '"ann@one.example"',
        "“ann@one.example”.",
        "'ann@one.example.'",
        "«ann@one.example»",
        "<ann@one.example>",
        "<<ann@one.example>>",
        "<ann@one.example",
        "(ann@one.example)",
        "mailto:ann@one.example",
        "MAILTO:ann@one.example?subject=Hi%20there",
        "<mailto:ann@one.example?subject=Hello, Ann; hello>",
        "mailto:%61nn@one.example",
        "\ufeffann@one.example\r",
        "\xa0\u200bann\u200b@one.\xadexample\u3000",
        "ann@\u200done.example",
        "• ann@one.example",
        "•ann@one.example",
        "– ann@one.example",  # noqa: RUF001
        "* - ann@one.example",
        "12. ann@one.example",
        "3)ann@one.example",
        "(4) ann@one.example",
        "ann@one.example (at work, mostly)",
        "ann@one.example <ann@one.example>",
        "'ann@one.example' <ann@one.example>",
        '"Ann@one.example" <ann@one.example>',
        "Ann (billing) <ann@one.example>",
        "ann@one。example",
    ],
)
def test_an_address_is_found_in_whatever_came_along_with_it(text):
    assert one(text) == Entry(1, "ann@one.example")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ann Lee <ann@one.example>", "Ann Lee"),
        ("Ann Lee<ann@one.example>", "Ann Lee"),
        ('"Lee, Ann" <ann@one.example>', "Lee, Ann"),
        ("“Lee; Ann” <ann@one.example>", "Lee; Ann"),
        ("'Ann Lee' <ann@one.example>", "Ann Lee"),
        (r'"Ann \"The\\Pen\" Lee" <ann@one.example>', r'Ann "The\Pen" Lee'),
        ("12. Nguye\u0302\u0303n\xa0 An\u200b <mailto:ann@one.example>", "Nguyễn An"),
        ("Ann\x00\x1b Lee <ann@one.example>", "Ann Lee"),
        ("An\ud800n <ann@one.example>", "Ann"),
        ("O'Neil <ann@one.example>", "O'Neil"),
        ('"Sales (EU)" <ann@one.example>', "Sales (EU)"),
    ],
)
def test_a_name_before_the_address_is_kept(text, name):
    assert one(text) == Entry(1, "ann@one.example", name)


@pytest.mark.parametrize("gap", [",", ";", "\t", " ", ", ", "\n", "\r", "\r\n", " ;\n\n, "])
def test_addresses_may_be_parted_by_commas_semicolons_tabs_spaces_and_lines(gap):
    found = parse_pasted(gap.join(["a@x.example", "B B <b@x.example>", "c@x.example", '"d@x.example"']))
    assert [entry.email for entry in found.entries] == [f"{who}@x.example" for who in "abcd"]
    assert [entry.name for entry in found.entries] == ["", "B B", "", ""]
    assert not found.refused


def test_lines_are_counted_whatever_ends_them():
    found = parse_pasted("a@x.example\r\n\rb@x.example\n\nc@x.example\u2028d@x.example")
    assert [(entry.line, entry.email[0]) for entry in found.entries] == [
        (1, "a"),
        (3, "b"),
        (5, "c"),
        (5, "d"),
    ]


def test_several_addresses_in_one_pair_of_brackets_are_all_taken():
    assert [entry.email for entry in parse_pasted("<a@x.example, b@x.example>").entries] == [
        "a@x.example",
        "b@x.example",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ann at x.example", "Did you mean ann@x.example?"),
        ("ann(at)x.example", "Did you mean ann@x.example?"),
        ("nobody", 'Missing "@"'),
        ("ann@localhost", "no dot"),
        ('""@x.example', "Nothing before"),
        ("a\x00b@x.example", "unreadable"),
        ("Ann <>", "Missing address between"),
        (f"{'n' * 201} <ann@x.example>", "201 characters"),
    ],
)
def test_a_refusal_says_in_plain_words_what_is_wrong(text, words):
    assert words in reason(text)


def test_words_beside_an_address_are_refused_and_the_address_is_kept():
    found = parse_pasted("Ben Ng ben@x.example thanks")
    assert [entry.email for entry in found.entries] == ["ben@x.example"]
    assert [refusal.text for refusal in found.refused] == ["Ben Ng", "thanks"]


def test_a_duplicate_lends_its_name_to_an_entry_without_one():
    found = parse_pasted("a@x.example\nAnn <a@X.example>\nBen <a@x.example>")
    assert found.entries == (Entry(1, "a@x.example", "Ann"),)
    assert found.duplicates == (Duplicate(2, "a@x.example", 1), Duplicate(3, "a@x.example", 1))


def test_an_unclosed_quote_does_not_hide_the_addresses_behind_it():
    found = parse_pasted('a@x.example, "Ben <b@x.example>, Cy <c@x.example>')
    assert [entry.email for entry in found.entries] == ["a@x.example", "b@x.example", "c@x.example"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "junk",
    [
        "x" * 5_000_000,
        '"\\' * 2_500_000,
        "(<" * 1_000_000,
        "@ " * 2_500_000,
        "<a " * 500_000 + ">",
        "a@b <" * 100_000,
        "x" * 5_000_000 + " <a@b.example>",
        "'" * 2_500_000 + "a@b.example" + "'" * 2_500_000,
        "".join(map(chr, range(256))) * 2_000,
    ],
    ids=range(9),
)
def test_five_megabytes_of_junk_are_read_in_linear_time_and_shown_short(junk):
    found = parse_pasted(junk)
    assert not found.entries
    assert all(len(refusal.text) <= addresses.TEXT_MAX for refusal in found.refused)


def test_a_hundred_thousand_addresses_on_one_line_are_all_found():
    line = "; ".join(f"user{number}@x.example" for number in range(100_000))
    assert len(parse_pasted(line).entries) == 100_000


@given(st.text() | messy)
def test_no_text_makes_it_raise_and_all_it_accepts_is_valid(text):
    found = parse_pasted(text)
    assert all(judged(entry.email) for entry in found.entries)
    assert all(
        "\r" not in entry.name and "\n" not in entry.name and "\0" not in entry.name
        for entry in found.entries
    )
    for refusal in found.refused:
        assert refusal.text.encode()
        assert refusal.reason


@given(st.text() | messy)
def test_what_was_accepted_parses_to_itself(text):
    entries = parse_pasted(text).entries
    again = parse_pasted("\n".join(map(written, entries)))
    assert [(one.email, one.name) for one in again.entries] == [(one.email, one.name) for one in entries]
    assert not again.refused
    assert not again.duplicates


@given(st.lists(st.from_regex(r"[a-z0-9@.-]{1,12}", fullmatch=True)), st.sampled_from([",", ";", "\t", "\n"]))
def test_every_token_is_an_entry_a_duplicate_or_a_refusal(tokens, gap):
    tokens = [token for token in tokens if token.strip(".-")]
    found = parse_pasted(gap.join(tokens))
    assert len(found.entries) + len(found.duplicates) + len(found.refused) == len(tokens)


def test_rows_become_entries_with_their_fields():
    found = parse_rows(
        [
            {"email": "a@X.example", "name": "Ann", "city": "Huế", "age": 7, "vip": True, "left": None},
            {"email": " b@x.example ", "name": None},
            {"email": "a@x.example", "name": "Other"},
            {"email": "A@x.example"},
        ]
    )
    fields = {"city": "Huế", "age": 7, "vip": True}
    assert found.entries == (
        Entry(1, "a@x.example", "Ann", fields),
        Entry(2, "b@x.example"),
        Entry(4, "A@x.example"),
    )
    assert found.duplicates == (Duplicate(3, "a@x.example", 1),)
    assert [note.line for note in found.noted] == [4]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (7, "row.no-object"),
        ("nobody", "address.no-at-in-words"),
        ("", "row.empty"),
        ("a@x.example, b@x.example", "row.several-addresses"),
        ({}, "row.no-email"),
        ({"email": 5}, "row.no-email"),
        ({"email": ""}, "address.no-at"),
        ({"email": "a@x.example, b@x.example"}, "address.space"),
        ({"email": "a\r\nBcc:b@x.example"}, "address.space"),
        ({"email": "a@x.example", "name": 5}, "name.no-string"),
        ({"email": "a@x.example", "name": "A\r\nBcc: b@x.example"}, "name.control-character"),
        ({"email": "a@x.example", "name": "A\nB"}, "name.control-character"),
        ({"email": "a@x.example", "name": "A\0B"}, "name.control-character"),
        ({"email": "a@x.example", "name": "A\ud800"}, "name.control-character"),
        ({"email": "a@x.example", "name": "A" * 201}, "name.too-long"),
        ({"email": "a@x.example", 5: "A"}, "field.invalid-name"),
        ({"email": "a@x.example", "tags": ["A"]}, "field.wrong-type"),
        ({"email": "a@x.example", "city": "A\0"}, "field.unstorable"),
        ({"email": "a@x.example", "n": 10**5000}, "field.too-many-digits"),
        ({"email": "a@x.example", "n": 2**63}, "field.too-many-digits"),
        ({"email": "a@x.example", "n": float("nan")}, "field.too-many-digits"),
        ({"email": "a@x.example", "tags": {"a": 1}}, "field.wrong-type"),
        ({"email": "a@x.example", "city": "x" * 65_537}, "field.too-long"),
        ({"email": "a@x.example", "city": "ế" * 22_000}, "field.too-long"),
    ],
)
def test_a_wrong_row_is_refused_with_its_number_and_the_reason(row, code):
    found = parse_rows([{"email": "ok@x.example"}, row])
    assert [entry.email for entry in found.entries] == ["ok@x.example"]
    (refusal,) = found.refused
    assert refusal.line == 2
    assert refusal.reason.code == code


values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.text(), max_size=1)
)
keys = st.sampled_from(["email", "name", "city", "x y"]) | st.text(max_size=3)


@given(st.lists(st.dictionaries(keys, values, max_size=4) | values))
def test_no_rows_make_it_raise_and_each_is_accounted_for(rows):
    found = parse_rows(rows)
    assert len(found.entries) + len(found.duplicates) + len(found.refused) == len(rows)
