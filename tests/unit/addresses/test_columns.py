"""A header becomes the name of a merge field, always the same way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.messages.compose import Message, prepare
from mailing.messages.field_names import FIELD_NAME_MAX, field_name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("First Name", "first_name"),
        ("first-name", "first_name"),
        ("  First   name: ", "first_name"),
        ("City", "city"),
        ("FNAME", "fname"),
        ("E-mail 2 Address", "e_mail_2_address"),
        ("Thành phố", "thanh_pho"),
        ("Tha\u0300nh pho\u0302\u0301", "thanh_pho"),
        ("Điểm", "diem"),
        ("Straße & Nr.", "strasse_nr"),
        ("Größe (cm)", "grosse_cm"),
        ("Client's name", "clients_name"),
        ("名前", "名前"),
        ("Имя", "имя"),
        ("2024", "field_2024"),
        ("if", "field_if"),
        ("???", "field"),
        ("", "field"),
        ("_id", "id"),
        ("Ａ１", "a1"),  # noqa: RUF001
    ],
)
def test_a_header_becomes_a_name_that_a_template_can_use(header, name):
    assert field_name(header) == name


@given(st.text(max_size=40) | st.from_regex(r"[\w .'-]{1,100}", fullmatch=True))
def test_whatever_the_header_its_name_can_be_used_and_stays_as_it_is(header):
    name = field_name(header)
    assert name.isidentifier()
    assert len(name) <= FIELD_NAME_MAX + len("field_")
    assert field_name(name) == name
    message = Message("a@b.example", "s", "{{ " + name + " }}")
    filled = prepare(message, token="t", domain=None).fill(1, "c@d.example", "C", {name: "here"}, 0)
    assert b"here" in filled.data or name in {"name", "email"}
