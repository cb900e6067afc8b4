"""A row becomes a contact: what is said of it stays, what is odd about it is told, and nothing is lost."""

import pytest

from mailing.core.reasons import Reason, UnfitError
from mailing.uploads import rows
from mailing.uploads.plans import Format, Plan, PlannedColumn, Role
from tests.unit.uploads.samples import contacts, look


def plan(*columns: tuple[str, Role], **other: object) -> Plan:
    planned = tuple(
        PlannedColumn(header, role, header.lower() if role is Role.FIELD else "") for header, role in columns
    )
    return Plan(format=Format.CSV, columns=planned, **other)


PLAIN = plan(("email", Role.EMAIL), ("name", Role.NAME), ("City", Role.FIELD))


def test_a_plain_row():
    assert rows.reader(PLAIN)(["Ann@X.example ", " Ann Lee ", " Hue"]) == (
        "Ann@x.example",
        "Ann Lee",
        {"city": "Hue"},
        "active",
        "",
        (),
    )


def test_a_plan_without_addresses_reads_nothing():
    with pytest.raises(UnfitError) as raised:
        rows.reader(plan(("name", Role.NAME)))
    assert str(raised.value) == "Choose the column that holds the email addresses."


def test_a_short_row_has_no_more_than_it_says():
    assert rows.reader(PLAIN)(["a@x.example"]).fields is None


def test_a_name_with_commas_that_made_cells_of_them_is_put_together_again():
    taken, _refused = contacts(
        "name,email,city\nLee, Ann,a@x.example,Hue\nBen,b@x.example,Hue\nC,c@x.example,Hue\n"
    )
    assert [(one.name, one.email, one.fields) for one in taken][:1] == [
        ("Lee, Ann", "a@x.example", {"city": "Hue"})
    ]


def test_cells_beyond_the_last_column_are_told():
    assert rows.reader(PLAIN)(["a@x.example", "A", "Hue", "", "more"]).notes == (
        Reason("note.more-cells", cells=("more",)),
    )


def test_keys_of_json_that_came_later_are_told():
    lines = ['{"email": "a@x.example"}'] * 300 + ['{"email": "b@x.example", "late": 1}']
    taken, _refused = contacts("\n".join(lines), "a.jsonl")
    assert taken[-1].notes == (Reason("note.more-cells", cells=("late: 1",)),)


def test_an_address_that_brings_its_name_along():
    found = rows.reader(PLAIN)(["Ann Lee <ann@x.example>", "", ""])
    assert (found.email, found.name) == ("ann@x.example", "Ann Lee")


def test_an_address_as_its_own_name_is_no_name():
    assert rows.reader(PLAIN)(["a@x.example", "A@x.example", ""]).name == ""


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        (["", "A", ""], "row.no-address"),
        (["a at b", "A", ""], "address.no-at-but-spelt"),
        (["a@b@c.example", "A", ""], "address.several-at"),
        (["a@x.example", "A" * 300, ""], "name.too-long"),
        (["a@x.example", "A", "x" * 70_000], "field.too-long"),
    ],
)
def test_a_row_that_is_no_contact_says_why(cells, code):
    with pytest.raises(UnfitError) as raised:
        rows.reader(PLAIN)(cells)
    assert raised.value.reason.code == code


def test_a_number_that_no_database_keeps_is_refused():
    contact = rows.reader(plan(("email", Role.EMAIL), ("n", Role.FIELD)))
    with pytest.raises(UnfitError) as raised:
        contact(["a@x.example", 2**70])
    assert raised.value.reason.code == "field.too-many-digits"


def test_objects_may_hold_a_thousand_fields_and_no_more():
    contact = rows.reader(plan(("email", Role.EMAIL), ("attributes", Role.FIELDS)))
    assert len(contact(["a@x.example", {f"k{n}": n for n in range(1_000)}]).fields) == 1_000
    with pytest.raises(UnfitError) as raised:
        contact(["a@x.example", {f"k{n}": n for n in range(1_001)}])
    assert raised.value.reason.code == "row.too-many-fields"


def test_what_should_be_an_object_and_is_none_is_kept_as_it_is():
    contact = rows.reader(plan(("email", Role.EMAIL), ("Extra data", Role.FIELDS)))
    assert contact(["a@x.example", "{broken"]).fields == {"extra_data": "{broken"}


def test_a_file_can_say_the_standing_of_all_its_contacts():
    found = rows.reader(plan(("email", Role.EMAIL), standing="unsubscribed"))(["a@x.example"])
    assert (found.standing, found.why) == ("unsubscribed", "unsubscribed")


def test_json_with_names_of_fields_keeps_them():
    taken, _refused = contacts(
        '[{"email": "a@x.example", "firstName": "Ann", "address": {"city": "Hue"}}]', "a.json"
    )
    assert taken[0].fields == {"firstName": "Ann", "address": '{"city":"Hue"}'}
    assert taken[0].name == "Ann"


def test_addresses_alone_are_a_list_of_json():
    assert [one.email for one in contacts('["a@x.example", "b@x.example"]', "a.json")[0]] == [
        "a@x.example",
        "b@x.example",
    ]


def test_a_card_without_its_photograph():
    photo = "PHOTO;ENCODING=b:" + "\n ".join(["QUJD" * 18] * 3_000)
    card = (
        "BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=4E=67=75=79=E1=BB=85=6E;=\n=41=6E\n"
        f"{photo}\nORG:CLB;Sach\nEMAIL;TYPE=home:b@x.example\nEMAIL;PREF=1:a@x.example\nEND:VCARD\n"
    )
    taken, refused = contacts(card + "BEGIN:VCARD\nFN:No Mail\nEND:VCARD\n", "a.vcf")
    assert [(one.email, one.name) for one in taken] == [("a@x.example", "An Nguyễn")]
    assert taken[0].notes == (Reason("note.more-addresses", who=("b@x.example",)),)
    assert [(code, text) for _line, text, code in refused] == [("row.no-address", ", No Mail")]
    assert look(card, "a.vcf").plan.format == "vcard"
