"""Dates, numbers and first names in a message, as people of a language write them."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import SMTP

import pytest

from mailing.messages.compose import ComposeError, Message, prepare
from mailing.messages.given_names import first_name
from mailing.messages.values import MergeError


def filled(text, **values):
    data = prepare(Message("a@b.example", "x", text), token="t", domain=None).fill(
        1, "ann@example.org", "Ann", values, 0
    )
    return message_from_bytes(data.data, policy=SMTP).get_content().strip()


@pytest.mark.parametrize(
    ("code", "value", "shown"),
    [
        ('date("d MMMM yyyy", "vi")', "2026-11-26", "26 tháng 11 2026"),
        ('date("d MMMM yyyy")', "2026-11-26", "26 November 2026"),
        ("date", "2026-11-26", "November 26, 2026"),
        ('date("full", "de")', "2026-11-26T09:30:00Z", "Donnerstag, 26. November 2026"),
        ('date("HH:mm, d/M", "vi")', "2026-11-26 09:30", "09:30, 26/11"),
        ('date("yyyy-MM-dd", "vi")', "3/4/2026", "2026-04-03"),
        ('date("yyyy-MM-dd", "en")', "3/4/2026", "2026-03-04"),
        ('date("yyyy-MM-dd", "en-GB")', "03/04/2026", "2026-04-03"),
        ('date("yyyy-MM-dd", "de")', "3.4.2026", "2026-04-03"),
        ("date", "31/31/2026", "31/31/2026"),
        ("date", "next Tuesday", "next Tuesday"),
        ("date", "", ""),
        ("date", 5, "5"),
        ('date(locale="vi", pattern="yyyy")', "2026-11-26", "2026"),
        ("number", "1234567.5", "1,234,567.5"),
        ('number("vi")', 1234567, "1.234.567"),
        ('number("en", 2)', "1234.5", "1,234.50"),
        ('number("hi")', 12345678, "1,23,45,678"),
        ("number(decimals=0)", 0.5, "0"),
        ("number", "0.123456", "0.123456"),
        ("number", "n/a", "n/a"),
        ("number", True, "true"),
        ("number", "-12", "-12"),
    ],
)  # fmt: skip
def test_a_value_is_written_as_its_language_does(code, value, shown):
    assert filled(f"{{{{ value|{code} }}}}", value=value) == shown


def test_a_language_may_come_from_the_list_and_one_that_there_is_not_is_english():
    text = '{{ day|date("MMMM", tongue) }}'
    assert filled(text, day="2026-05-01", tongue="de") == "Mai"
    assert filled(text, day="2026-05-01", tongue="nowhere") == "May"


@pytest.mark.parametrize(
    "code",
    [
        *('date("ddddddd")', 'date("d", "xx-yy-zz")', 'date("")', "date(1)", 'date("d", "vi", 1)'),
        *('number("vietnam")', 'number("vi", 11)', 'number("vi", -1)', 'number("vi", "2")'),
        f'date("{"d" * 61}")',
    ],
)
def test_a_format_or_language_that_there_is_not_is_refused_with_its_place(code):
    with pytest.raises(ComposeError, match=r"line 2 of the text, column 4: .*Write {{ field\|(date|number)"):
        filled(f"\nHi {{{{ value|{code} }}}}", value="1")


def test_a_missing_value_takes_the_fallback_behind_the_filter_and_else_is_an_error():
    for code in ("first_name", "date", "number"):
        assert filled(f'{{{{ value|{code} or "soon" }}}}') == "soon"
        with pytest.raises(MergeError):
            filled(f"{{{{ value|{code} }}}}")


def test_a_date_is_never_long():
    with_most = '{{ value|date("' + "EEEE," * 12 + '", "vi") }}'
    assert len(filled(with_most, value="1/1/2026")) < 8 * 40 * 6


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("Ann Lee", "Ann"),
        ("Lee, Ann", "Ann"),
        ("Dr. Ann Lee", "Ann"),
        ("mr john smith", "john"),
        ("Ann", "Ann"),
        ("", ""),
        ("  ", ""),
        ("Lee,", "Lee"),
        ("Nguyễn Văn An", "An"),
        ("nguyen van an", "an"),
        ("LÊ THỊ HỒNG NHUNG", "NHUNG"),
        ("Đỗ Đức", "Đức"),
        ("Ho Chi Minh", "Minh"),
        ("Ông Trần Hưng Đạo", "Đạo"),
        ("Võ Nguyên Giáp", "Giáp"),
        ("Ly Nguyen", "Ly"),
        ("Mai Trần", "Mai"),
        ("An Nguyễn", "An"),
        ("Le Roux", "Le"),
        ("Van Morrison", "Van"),
        ("María José García", "María"),
        ("Jean-Luc Picard", "Jean-Luc"),
        ("山田 太郎", "山田"),
        (5, 5),
    ],
)
def test_the_first_name_of_a_name(name, first):
    assert first_name(name) == first


def test_a_greeting_with_a_first_name():
    assert filled("Hi {{ name|first_name }}") == "Hi Ann"
