"""Fields that programs read come out as they are, however long; those for people stay valid RFC 2047."""

import email
import email.policy
import re
from email.header import decode_header, make_header
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.messages.policies import MAIL

TOKEN = "a1B2-_" * 40
URL = f"https://mail.club.example/unsubscribe/{TOKEN}?list=2026&to=ann%40one.example"
MACHINE = {
    "List-Unsubscribe": f"<{URL}>, <mailto:leave+{TOKEN}@club.example?subject=leave>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    "List-Id": f"<{'news.' * 30}club.example>",
    "List-Help": f"<{URL}>",
    "Message-ID": f"<{TOKEN}.7@{'mail.' * 20}club.example>",
    "In-Reply-To": f"<{TOKEN}@club.example>",
    "Feedback-ID": f"{TOKEN}:{TOKEN}:news:club",
    "References": " ".join(f"<{n}.{TOKEN}@club.example>" for n in range(12)),
    "Auto-Submitted": "auto-generated",
    "X-Campaign": TOKEN,
    "Archived-At": f"<{URL}>",
}
WORD = re.compile(rb"=\?[^?\s]*\?[^?\s]*\?[^?\s]*\?=")


def message(**more: str) -> EmailMessage:
    mail = EmailMessage(policy=MAIL)
    mail["From"], mail["To"], mail["Subject"] = "Club <club@x.example>", "Ann <ann@one.example>", "News"
    for name, value in more.items():
        mail[name] = value
    mail.set_content("Hello\n")
    return mail


def unfolded(data: bytes, name: str) -> str:
    """The field as a program reads it that knows no encoded words."""
    head = data.split(b"\r\n\r\n")[0].decode("ascii")
    return re.search(rf"(?im)^{name}: ((?:.|\r\n[ \t])*)$", head.replace("\r\n ", " ") + "\r")[1].strip()


@pytest.mark.parametrize("name", MACHINE)
@pytest.mark.parametrize("how", ["bytes", "string", "cloned", "parsed again"])
def test_a_field_for_programs_is_never_encoded_or_broken(name, how):
    mail = message(**{name: MACHINE[name]})
    if how == "string":
        data = mail.as_string().encode("ascii")
    elif how == "cloned":
        data = mail.as_bytes(policy=MAIL.clone(utf8=True))
    else:
        data = mail.as_bytes()
    if how == "parsed again":
        data = email.message_from_bytes(data, policy=MAIL).as_bytes()
    assert b"=?" not in data
    assert unfolded(data, name) == MACHINE[name]
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert email.message_from_bytes(data)[name].replace("\r\n", "").replace("\n", "") == MACHINE[name]


def test_the_library_alone_breaks_such_a_field():
    """The reason for all of this; when it fails, Python has mended it."""
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["List-Unsubscribe"] = f"<{URL}>"
    assert b"=?utf-8?q?" in mail.as_bytes()


@pytest.mark.parametrize("name", ["List-Unsubscribe", "Feedback-ID", "X-Campaign", "References"])
@pytest.mark.parametrize("value", ["<https://x.example/é>", "x" * 1_000])
def test_what_no_program_could_read_is_an_error_that_names_the_field(name, value):
    with pytest.raises(ValueError, match=name):
        message(**{name: value}).as_bytes()


@pytest.mark.parametrize(
    "filename", ["plan.pdf", "x" * 300 + ".pdf", "kế hoạch năm 2026 của câu lạc bộ.pdf", "é" * 200]
)
def test_the_name_of_a_file_survives(filename):
    mail = message()
    mail.add_attachment(b"x", maintype="application", subtype="pdf", filename=filename)
    data = mail.as_bytes()
    assert b"=?" not in data
    (part,) = email.message_from_bytes(data, policy=email.policy.default).iter_attachments()
    assert part.get_filename() == filename


readable = st.text(st.characters(exclude_categories=["C", "Zl", "Zp", "Zs"]), min_size=1, max_size=30)
texts = st.lists(readable, min_size=1, max_size=12).map(" ".join)


@given(texts, st.lists(readable, max_size=5).map(" ".join))
def test_what_people_read_is_valid_rfc_2047_and_survives(subject, name):
    mail = message()
    del mail["Subject"], mail["To"]
    mail["Subject"] = subject
    mail["To"] = email.headerregistry.Address(name, "ann", "one.example")
    data = mail.as_bytes()
    head = data.split(b"\r\n\r\n")[0]
    assert data.isascii()
    assert all(len(word) <= 75 for word in WORD.findall(head))
    assert all(len(line) <= 78 for line in head.split(b"\r\n"))
    parsed = email.message_from_bytes(data, policy=email.policy.default)
    assert [address.addr_spec for address in parsed["To"].addresses] == ["ann@one.example"]
    again = str(make_header(decode_header(email.message_from_bytes(data)["Subject"])))
    assert "".join(again.split()) == "".join(subject.split())


def test_several_addresses_stand_on_lines_of_their_own():
    mail = message()
    del mail["To"]
    mail["To"] = '"Lee, Ann" <ann@one.example>, bob@two.example, Nguyễn Văn Ấn <an@three.example>'
    mail["Reply-To"] = f"{'Ä' * 60} <reply@x.example>"
    data = mail.as_bytes()
    assert b'\r\nTo: "Lee, Ann" <ann@one.example>,\r\n bob@two.example,\r\n =?utf-8?b?' in data
    parsed = email.message_from_bytes(data, policy=email.policy.default)
    assert [it.addr_spec for it in parsed["To"].addresses] == [
        "ann@one.example",
        "bob@two.example",
        "an@three.example",
    ]
    assert parsed["To"].addresses[2].display_name == "Nguyễn Văn Ấn"
    assert parsed["Reply-To"].addresses[0].addr_spec == "reply@x.example"


@pytest.mark.parametrize("name", ["Content-Description", "Comments", "Thread-Topic", "Organization"])
def test_another_text_for_people_is_encoded_within_its_limits(name):
    mail = message()
    mail[name] = "Bản tin của câu lạc bộ, " * 9
    data = mail.as_bytes()
    assert all(len(line) <= 78 for line in data.split(b"\r\n"))
    assert email.message_from_bytes(data, policy=email.policy.default)[name].startswith("Bản tin của câu")
