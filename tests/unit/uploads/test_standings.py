"""Who has left another program stays away: files say it in their columns, and by what they are called."""

import json

import pytest

from mailing.core.states import Standing
from mailing.uploads import standings
from tests.unit.uploads.samples import contacts, look, packed, roles

MAUTIC = "id,title,firstname,lastname,email,city,points,attribution,preferred_locale,last_active"


def standing(data: str | bytes, name: str = "list.csv") -> list[tuple[str, str]]:
    taken, refused = contacts(data, name)
    assert refused == []
    return [(str(one.standing), one.why) for one in taken]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("", Standing.ACTIVE),
        ("Subscribed", Standing.ACTIVE),
        ("đang hoạt động", Standing.ACTIVE),
        ("Opted-out", Standing.UNSUBSCRIBED),
        ("Đã hủy đăng ký", Standing.UNSUBSCRIBED),
        ("Hard bounced", Standing.BOUNCED),
        ("Bị trả lại", Standing.BOUNCED),
        ("Marked as spam", Standing.BLOCKED),
        ("unconfirmed", Standing.BLOCKED),
        ("unsubscribed_members_export_0a.csv", Standing.UNSUBSCRIBED),
        ("never heard of", Standing.BLOCKED),
    ],
)
def test_a_word_tells_who_may_be_mailed(word, expected):
    assert standings.of_cell(word)[0] is expected


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("Status", ["active", "bounced"], ["active", "bounced"]),
        ("Trạng thái", ["Hoạt động", "Đã hủy"], ["active", "unsubscribed"]),
        ("Unsubscribed", ["no", "2026-01-02"], ["active", "unsubscribed"]),
        ("Unsubscribed", ["", "1"], ["active", "unsubscribed"]),
    ],
)
def test_a_column_that_tells_it_is_known_in_any_file(header, cells, expected):
    rows = "".join(f"p{n}@x.example,{cell}\n" for n, cell in enumerate(cells))
    assert [one for one, _why in standing(f"email,{header}\n{rows}")] == expected


def test_a_status_of_another_kind_is_a_merge_field():
    assert roles("email,Status\na@x.example,Gold\nb@x.example,active\n")["Status"] == "field"


def test_listmonk_by_its_api():
    person = {
        "id": 1,
        "created_at": "2024-02-01T08:00:00Z",
        "updated_at": "2024-02-01T08:00:00Z",
        "uuid": "5d0c",
        "email": "an@x.example",
        "name": "An",
        "attribs": {
            "city": "Huế",
            "year": 3,
            "firstName": "An",
            "first-job": "x",
            "email": "other",
            "no": None,
        },
        "status": "enabled",
        "lists": [
            {"subscription_status": "confirmed", "id": 1},
            {"subscription_status": "unsubscribed", "id": 2},
        ],
    }
    others = [
        person | {"email": "b@x.example", "status": "blocklisted"},
        person | {"email": "c@x.example", "lists": person["lists"][1:], "attribs": {}},
    ]
    data = json.dumps({"data": {"results": [person, *others], "query": "", "total": 3, "page": 1}})
    assert look(data, "subscribers.json").plan.recognised == "listmonk"
    taken, refused = contacts(data, "subscribers.json")
    assert refused == []
    assert [(str(one.standing), one.why) for one in taken] == [
        ("active", ""),
        ("blocked", "blocklisted"),
        ("unsubscribed", "unsubscribed"),
    ]
    assert taken[0].fields == {
        "city": "Huế",
        "year": 3,
        "firstName": "An",
        "first_job": "x",
        "email_2": "other",
    }
    assert taken[2].fields is None


def test_one_file_of_mailchimp_tells_it_by_its_name_and_its_columns():
    columns = "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,LEID,EUID"
    row = "an@x.example,An,2,,1,a"
    assert standing(f"{columns}\n{row}\n", "subscribed_members_export_1.csv") == [("active", "")]
    assert standing(f"{columns}\n{row}\n", "cleaned_members_export_1.csv") == [("bounced", "cleaned")]
    left = standing(f"{columns},UNSUB_TIME\n{row},2026-01-01 09:00:00\n", "renamed.csv")
    assert left == [("unsubscribed", "UNSUB_TIME")]


def test_an_archive_of_lists_with_other_names_says_nothing_of_standings():
    data = packed({"a.csv": "email,City\na@x.example,Hue\n", "folder/b.csv": "E-mail,email\nx,b@x.example\n"})
    plan = look(data, "lists.zip").plan
    assert [str(column.role) for column in plan.columns][:2] == ["skip", "email"]
    assert standing(data, "lists.zip") == [("active", ""), ("active", "")]


def test_mautic_by_its_columns():
    text = f"{MAUTIC},do_not_contact\n1,Ms,An,Lê,an@x.example,Huế,3,,,,\n2,,B,Ng,b@x.example,,0,,,,Bounced\n"
    plan = look(text).plan
    assert plan.recognised == "Mautic"
    assert plan.fields == ("title", "firstname", "lastname", "city")
    taken, _refused = contacts(text)
    assert [(one.name, str(one.standing), one.why) for one in taken] == [
        ("An Lê", "active", ""),
        ("B Ng", "bounced", "Bounced"),
    ]


def test_mautic_in_the_archive_in_which_it_sends_its_exports():
    data = packed({"contacts_export_2026_01_02.csv": f"{MAUTIC}\n1,,An,Lê,an@x.example,Huế,3,,,\n"})
    plan = look(data, "contacts_export_2026_01_02.zip").plan
    assert plan.recognised == "Mautic"
    assert plan.fields == ("title", "firstname", "lastname", "city")
    assert standing(data, "a.zip") == [("active", "")]


def test_mautic_leaves_out_who_left_unless_a_report_tells_them():
    names = (
        "id,title,firstname,lastname,company,position,email,mobile,phone,points,fax,address1,address2,city,"
    )
    names += (
        "state,zipcode,country,preferred_locale,timezone,last_active,attribution_date,attribution,website,"
    )
    names += "facebook,foursquare,instagram,linkedin,skype,twitter"
    row = f"7,Ms,An,Lê,,,an@x.example,,,3,,,,Huế{',' * 15}"
    found = look(f"{names},stage\n{row},Lead\n")
    assert [note.code for note in found.notes] == ["upload.silent-export"]
    assert {"id", "points", "stage", "preferred_locale", "last_active"}.isdisjoint(found.plan.fields)
    told = f"{names},DNC preferences\n{row},Unsubscribed: Email\n{row.replace('an@', 'binh@')},\n"
    assert look(told).notes == ()
    assert standing(told) == [("unsubscribed", "DNC preferences"), ("active", "")]


SENDY = (
    '"Name","Email","Joined","Last activity","Added via","Opt-in method","IP address","Country",'
    '"Country code","Signed up from","Status","GDPR","City"\n'
)


def test_sendy_by_the_columns_of_its_newer_versions():
    row = '"{}","{}","2026-01-02","2026-02-03","API","Double opt-in","203.0.113.7","Vietnam","VN","","{}",'
    row += '"Yes","Huế"\n'
    said = ("Active", "Bounced", "Marked as spam", "Unsubscribed", "Unconfirmed")
    text = SENDY + "".join(
        row.format(f'Bob "{n}" Lee', f"b{n}@x.example", word) for n, word in enumerate(said)
    )
    plan = look(text, "renamed.csv").plan
    assert (plan.recognised, plan.fields) == ("Sendy", ("country", "city"))
    taken, refused = contacts(text)
    assert not refused, "it writes quotation marks in names as they are"
    assert [str(one.standing) for one in taken] == ["active", "bounced", "blocked", "unsubscribed", "blocked"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("newsletter-active.csv", ("active", "")),
        ("newsletter-all.csv", ("active", "")),
        ("newsletter-unsubscribed.csv", ("unsubscribed", "unsubscribed")),
        ("newsletter-bounced (1).csv", ("bounced", "bounced")),
        ("newsletter-marked-as-spam.csv", ("blocked", "marked-as-spam")),
        ("newsletter-unconfirmed.csv", ("blocked", "unconfirmed")),
    ],
)
@pytest.mark.parametrize("header", ["", "Name,Email,City\n"])
def test_sendy_by_what_its_files_are_called(name, expected, header):
    text = f'{header}"An Lê","an@x.example","Huế"\n"Bình","b@x.example","Vinh"\n'
    assert look(text, name).plan.recognised == "Sendy"
    assert set(standing(text, name)) == {expected}


def test_other_files_are_not_taken_for_an_export():
    plan = look("email,name,status\na@x.example,A,enabled\n", "vip-active.csv").plan
    assert (plan.recognised, plan.standing) == ("", "")
