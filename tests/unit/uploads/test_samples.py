"""Real files, as programs and people write them, are read as ``files.expected.json`` says."""

import json

import pytest

from mailing.addresses.parsing import parse_pasted
from mailing.core.reasons import Reason
from mailing.core.states import Standing
from mailing.messages.field_names import field_name
from mailing.uploads import plans
from tests.unit.uploads.samples import LISTS, contacts, look, sample

EXPECTED = json.loads((LISTS / "files.expected.json").read_text())
ENCODINGS = {"windows-1252": "cp1252", "utf-16-le": "utf-16-le"}
DELIMITERS = {"tab": "\t"}
KINDS = {"no @": "address.no-at-in-words", "no address": "row.no-address"}
SAID_DIFFERENTLY = {"column3": "column_3"}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_sample_is_read_as_expected(name):
    expected = EXPECTED[name]
    plan = look(sample(name), name).plan
    assert plan.recognised == expected.get("recognised", "")
    assert plan.header == expected.get("header", True)
    if "encoding" in expected:
        assert plan.encoding == ENCODINGS[expected["encoding"]]
    if "delimiter" in expected:
        assert plan.delimiter == DELIMITERS[expected["delimiter"]]
    taken, refused = contacts(sample(name), name)
    active = [one for one in taken if one.standing is Standing.ACTIVE]
    distinct = list({one.email: one for one in active}.values())
    assert [(one.email, one.name) for one in distinct] == [
        (one["email"], one["name"]) for one in expected["accepted"]
    ]
    parts = {column.field for column in plan.columns if column.role in plans.PARTS}
    for one, wanted in zip(distinct, expected["accepted"], strict=True):
        found = {key: value for key, value in (one.fields or {}).items() if key not in parts}
        told = {key for note in one.notes if note.code == "note.nested" for key in note.values["fields"]}
        named = {SAID_DIFFERENTLY.get(key, field_name(key)): value for key, value in wanted["fields"].items()}
        assert {key: value for key, value in found.items() if key not in told} == named
    assert [(one.email, one.why) for one in taken if one.standing is not Standing.ACTIVE] == [
        (one["email"], one["why"]) for one in expected.get("suppressed", [])
    ]
    assert [(line, code) for line, _text, code in refused] == [
        (one["line"], KINDS[one["kind"]]) for one in expected.get("skipped", [])
    ]


def test_attributes_of_listmonk_keep_their_types_and_nested_ones_are_told():
    (_an, binh, *_), _refused = contacts(sample("listmonk-subscribers.csv"))
    assert binh.fields == {"city": "Hà Nội", "year": 1, "vip": False, "tags": '["a","b"]'}
    assert binh.notes == (Reason("note.nested", fields=("tags",)),)


def test_several_addresses_in_one_cell_give_the_first_and_tell_the_others():
    (_ha, khoa), _refused = contacts(sample("google-contacts.csv"))
    assert khoa.notes == (Reason("note.more-addresses", who=("khoa2@sach.example",)),)


def test_a_refused_row_of_an_archive_names_its_file():
    _taken, ((line, text, _code),) = contacts(sample("mailchimp-export.zip"))
    assert line == 4
    assert text.startswith("subscribed_members_export_0a1b2c.csv, not-an-address, X, Y")


@pytest.mark.parametrize(
    ("name", "kind", "total", "first"),
    [
        (
            "members-utf8bom-semicolon.csv",
            "csv",
            400,
            ("giang.phan0@truong.example", "Phan Giang", "Hải Phòng"),
        ),
        ("members-windows1258.csv", "csv", 120, ("giang.phan0@truong.example", "Phan Giang", "Hải Phòng")),
        ("members.xlsx", "xlsx", 250, ("giang.phan0@truong.example", "Phan Giang", "Hải Phòng")),
        ("people.jsonl", "jsonl", 60, ("giang.phan0@truong.example", "Phan Giang", "Hải Phòng")),
        ("contacts.vcf", "vcard", 40, ("giang.phan0@truong.example", "Phan Giang", None)),
    ],
)
def test_a_list_is_the_same_whatever_its_format_and_encoding(name, kind, total, first):
    assert look(sample(name), name).plan.format == kind
    taken, refused = contacts(sample(name), name)
    fields = taken[0].fields or {}
    assert (taken[0].email, taken[0].name, fields.get("thanh_pho", fields.get("city"))) == first
    assert len(taken) == total
    assert refused == []


def test_addresses_in_free_text_are_those_that_pasting_finds():
    taken, refused = contacts(sample("pasted-messy.txt"), "pasted-messy.txt")
    pasted = parse_pasted(sample("pasted-messy.txt").decode())
    found = dict.fromkeys((one.email, one.name) for one in taken)
    assert list(found) == [(entry.email, entry.name) for entry in pasted.entries]
    assert [(line, code) for line, _text, code in refused] == [
        (refusal.line, refusal.reason.code) for refusal in pasted.refused
    ]


@pytest.mark.parametrize("name", sorted(file.name for file in LISTS.iterdir() if "expected" not in file.name))
def test_a_plan_is_kept_as_json(name):
    plan = look(sample(name), name).plan
    assert plans.load(json.loads(json.dumps(plans.dump(plan)))) == plan
