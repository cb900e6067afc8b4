"""A line of free text gives each address with the right name, whatever program it was copied from."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.addresses.parsing import parse_pasted


def people(text: str) -> list[tuple[str, str]]:
    found = parse_pasted(text)
    assert not found.refused, found.refused
    assert not found.duplicates, found.duplicates
    return [(entry.email, entry.name) for entry in found.entries]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Lefèvre, Anne <al@x.example>", [("al@x.example", "Lefèvre, Anne")]),
        (
            "Kim, Joon, MD <jk@x.example>; Park, Min <mp@x.example>",
            [("jk@x.example", "Kim, Joon, MD"), ("mp@x.example", "Park, Min")],
        ),
        ("Schäfer, Ute (Extern) <us@x.example>;", [("us@x.example", "Schäfer, Ute (Extern)")]),
        ("Ute Schäfer (Extern) <us@x.example>", [("us@x.example", "Ute Schäfer (Extern)")]),
        (
            "Kim, Joon <jk@x.example>, Park, Min <mp@x.example>",
            [("jk@x.example", "Kim, Joon"), ("mp@x.example", "Park, Min")],
        ),
        (
            'a@x.example, b@y.example, "C, D" <c@z.example>, E F <e@z.example>',
            [("a@x.example", ""), ("b@y.example", ""), ("c@z.example", "C, D"), ("e@z.example", "E F")],
        ),
        ("Ann <a@x.example>,\nBen <b@x.example>,\n", [("a@x.example", "Ann"), ("b@x.example", "Ben")]),
        ("Ng，Ben <b@x.example>", [("b@x.example", "Ng,Ben")]),  # noqa: RUF001
    ],
)
def test_a_comma_belongs_to_the_name_before_an_address(text, expected):
    assert people(text) == expected


def test_what_is_no_name_before_a_comma_is_refused_by_itself():
    found = parse_pasted("a@x.example, junk.example, mia at six.example, Ben <b@x.example>")
    assert [(entry.email, entry.name) for entry in found.entries] == [
        ("a@x.example", ""),
        ("b@x.example", "Ben"),
    ]
    assert [refusal.text for refusal in found.refused] == ["junk.example", "mia at six.example"]


@pytest.mark.parametrize(
    "label",
    ["To:", "From:", "Cc:", "BCC :", "Reply-To:", "E-Mail:", "Email:", "e-mail address:", "An:", "Von:",
     "An :", "Gửi:", "Đến:", "Người nhận:", "Địa chỉ email:", "Kontakt:", "收件人：",  # noqa: RUF001
     "To: Cc:", "mailto:", "EMAIL;TYPE=home:", "item1.EMAIL;type=INTERNET;type=pref:"],
)  # fmt: skip
def test_a_label_is_no_part_of_a_name_or_an_address(label):
    assert people(f"{label} ann@x.example") == [("ann@x.example", "")]
    assert people(f"{label}ann@x.example") == [("ann@x.example", "")]
    if "mailto" not in label:
        assert people(f"{label} Ann Lee <ann@x.example>") == [("ann@x.example", "Ann Lee")]


def test_members_of_a_group_are_read_and_its_name_names_nobody():
    assert people("Team: Ann <a@x.example>, b@x.example;") == [("a@x.example", "Ann"), ("b@x.example", "")]
    assert people("Team: b@x.example;") == [("b@x.example", "")]


@pytest.mark.parametrize(
    "text",
    [
        "Ann Lee [ann@x.example]",
        "Ann Lee (ann@x.example)",
        "Ann Lee: ann@x.example",
        "[Ann Lee](mailto:ann@x.example)",
        "[Ann Lee](mailto:ann@x.example?subject=Hello%20you)",
        "<mailto:ann@x.example|Ann Lee>",
        '<a href="mailto:ann@x.example?subject=Hi&amp;body=x">Ann Lee</a>',
        "<A class=x HREF='mailto:ann@x.example'><b>Ann Lee</b></A>",
        '<td>Ann Lee <a href="mailto:ann@x.example">ann@x.example</a></td>',
        "<li>Ann Lee &lt;ann@x.example&gt;</li>",
        "Ann Lee &lt;ann&#64;x.example&gt;",
        "Ann&nbsp;Lee &lt;ann@x.example&gt;",
        "Ann Lee＜ann＠x.example＞",  # noqa: RUF001
        "Ann\u00a0Lee <\u200bann@x.example>",
        "=?UTF-8?Q?Ann_Lee?= <ann@x.example>",
        '"=?UTF-8?B?QW5uIExlZQ==?=" <ann@x.example>',
        "cn=Ann Lee,mail=ann@x.example,ou=people,dc=x",
        "• Ann Lee <ann@x.example>",
    ],
)
def test_the_name_is_found_however_the_address_is_marked(text):
    assert people(text) == [("ann@x.example", "Ann Lee")]


@pytest.mark.parametrize(
    "text",
    [
        "[ann@x.example](mailto:ann@x.example)",
        "<mailto:ann@x.example|ann@x.example>",
        '<a href="mailto:ann@x.example">ann@x.example</a>',
        "ann@x.example [ann@x.example]",
        "mail=ann@x.example,ou=people,dc=x,dc=y",
        "EMAILADDRESS=ann@x.example, O=Club",
        "['ann@x.example',",
        '"ann@x.example",',
        "{ann@x.example}",
        "sip:ann@x.example",
    ],
)
def test_an_address_that_stands_twice_in_one_mark_is_one(text):
    assert people(text) == [("ann@x.example", "")]


def test_wide_punctuation_parts_addresses():
    expected = [(f"{who}@x.example", "") for who in "abcd"]
    assert people("a@x.example，b@x.example；c@x.example、d@x.example") == expected  # noqa: RUF001


def test_a_page_s_list_on_one_line_gives_everybody():
    link = '<li><a href="mailto:a@x.example">Ann</a></li>'
    page = f"<ul>{link}<li>Ben &lt;b@x.example&gt;</li></ul><br>c@x.example"
    assert people(page) == [("a@x.example", "Ann"), ("b@x.example", "Ben"), ("c@x.example", "")]


def test_signs_that_belong_to_a_name_stay():
    assert people("R&D <rd@x.example>") == [("rd@x.example", "R&D")]
    assert people("A & B Ltd. <ab@x.example>") == [("ab@x.example", "A & B Ltd.")]
    assert people("bounce+ann=y.example@x.example") == [("bounce+ann=y.example@x.example", "")]


def test_quoted_and_dotted_local_parts_are_taken_and_remarked_with_their_line():
    found = parse_pasted('ann@x.example\n"john doe"@x.example, Bob <"a, b"@x.example>\na..b@docomo.example')
    assert [(entry.email, entry.name) for entry in found.entries] == [
        ("ann@x.example", ""),
        ('"john doe"@x.example', ""),
        ('"a, b"@x.example', "Bob"),
        ("a..b@docomo.example", ""),
    ]
    assert not found.refused
    assert [(note.line, str(note.note)[:7]) for note in found.noted] == [
        (2, "unusual"),
        (2, "unusual"),
        (3, "unusual"),
    ]


@pytest.mark.parametrize("text", ["pia@localhost", "a@b"])
def test_a_host_without_a_dot_is_refused_in_plain_words(text):
    (refusal,) = parse_pasted(text).refused
    assert refusal.reason.code == "address.no-dot"


words = st.from_regex(r"[A-ZÉĐ][a-zàế]{1,8}", fullmatch=True)
names = st.lists(words, min_size=1, max_size=3).map(" ".join)
whole_names = names | st.tuples(names, names).map(", ".join)
locals_ = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)


@given(
    st.lists(st.tuples(locals_, whole_names), unique_by=lambda one: one[0]),
    st.sampled_from([";", "; ", "\n", ";\n"]),
)
def test_a_written_list_reads_as_it_was(listed, gap):
    text = gap.join(f"{name} <{local}@x.example>" for local, name in listed)
    assert people(text) == [(f"{local}@x.example", name) for local, name in listed]


JUNK = {
    "labels": "To: " * 250_000 + "b@c.example",
    "brackets": "[a@" * 300_000,
    "parentheses": "(a@" * 300_000,
    "links": "<a href=mailto:" * 60_000,
    "tags": "<b>" * 300_000,
    "comments": "<!--" * 250_000,
    "signs": "&lt;" * 250_000,
    "encoded words": "=?utf-8?q?a" * 90_000 + " <a@b.example>",
    "quoted": '"a"@' * 250_000,
    "commas": "Ab, " * 250_000 + "<a@b.example>",
    "names": "mail=a@b.example,ou=x," * 45_000,
    "colons": "".join(f"a{number}: x\n" for number in range(100_000)),
    "mixed colons": "".join(f"a{number}: x\nemail: a@b.example\n" for number in range(40_000)),
    "cards": "BEGIN:VCARD\nEMAIL;ENCODING=QUOTED-PRINTABLE:" + "=\n" * 300_000,
    "open quotes": "Name,Email\n" + '"a\n' * 300_000,
    "open cells": "Name,Email\n" + '"""x,' * 200_000,
    "headers": "email," + "a," * 300_000 + "\nx@y.example," + "b," * 300_000,
    "json": '[{"a":' * 160_000,
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", JUNK)
def test_ten_times_as_much_junk_takes_about_ten_times_as_long(kind):
    """Generous, for a busy machine: what grows with the square takes a hundred times as long."""
    junk = JUNK[kind]

    def took(text: str) -> float:
        begun = time.process_time()
        parse_pasted(text)
        return time.process_time() - begun

    assert took(junk) < 40 * took(junk[: len(junk) // 10]) + 0.5


def test_nothing_of_a_line_is_lost_in_silence():
    found = parse_pasted("Ben Ng ben@x.example thanks, see you")
    told = " ".join(refusal.text for refusal in found.refused)
    assert re.findall(r"\w+", told) == ["Ben", "Ng", "thanks", "see", "you"]


@pytest.mark.parametrize(
    "line",
    [
        "Ann Lee ann@x.example",
        "ann@x.example Ann Lee",
        "Ann Lee - ann@x.example",
        "ann@x.example \u2013 Ann Lee",
        "Name: Ann Lee, Email: ann@x.example",
        "Họ tên: Ann Lee, Địa chỉ email: ann@x.example",
    ],
)
def test_a_name_that_only_a_space_parts_from_its_address_is_its_name(line):
    assert people(line) == [("ann@x.example", "Ann Lee")]


def test_names_beside_their_addresses_may_stand_in_one_line():
    line = "Ann Lee ann@x.example, Ludwig van Beethoven lvb@x.example"
    assert people(line) == [("ann@x.example", "Ann Lee"), ("lvb@x.example", "Ludwig van Beethoven")]


@pytest.mark.parametrize(
    "line", ["please write to ann@x.example", "Please write to ann@x.example", "Doe, Jane jane@x.example"]
)
def test_words_that_may_not_be_the_whole_name_become_no_name(line):
    found = parse_pasted(line)
    assert [entry.name for entry in found.entries] == [""]
    assert found.refused
