"""Mail of strangers: what is odd is read as far as it goes, what is right is read right, nothing raises."""

from __future__ import annotations

import json
import time
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailing.core.reasons import Reason
from mailing.foreign import mail as foreign_mail
from mailing.foreign.mail import ForeignMail, Part, read, subject_and_id
from tests.support.odd_mail import ODD, Odd, multipart, nested
from tests.unit.i18n.test_languages import in_vietnamese
from webapp.i18n.domain_texts import say

MOST_S = 3.0  # of processor time, for the worst of some megabytes: it takes less than half a second alone


def files(mail: ForeignMail) -> list[tuple[str, str, int]]:
    return [(file.name, file.kind, file.size) for file in mail.attachments]


def depth(part: Part) -> int:
    return 1 + max(map(depth, part.parts), default=0)


def count(part: Part) -> int:
    return 1 + sum(map(count, part.parts))


def check(raw: bytes, most_s: float = MOST_S) -> ForeignMail:
    """What holds for every message whatever."""
    begun = time.process_time()
    mail = read(raw)
    spent = time.process_time() - begun
    assert spent < most_s, f"{spent:.2f} s"
    said = [
        mail.sender,
        mail.to,
        mail.subject,
        mail.date,
        mail.message_id,
        mail.text,
        mail.html,
        *map(str, mail.faults),
    ]
    said += [text for file in mail.attachments for text in (file.name, file.kind)]
    for text in said:
        text.encode()
        assert "\0" not in text
    for line in (mail.sender, mail.to, mail.subject, mail.date, mail.message_id):
        assert line.splitlines() in ([line], [])
    assert len(mail.faults) <= foreign_mail.FAULTS_MOST
    assert count(mail.root) <= foreign_mail.PARTS_MOST + foreign_mail.DEPTH_MOST
    assert depth(mail.root) <= foreign_mail.DEPTH_MOST + 1
    assert subject_and_id(raw) == (mail.subject, mail.message_id)
    return mail


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_odd_mail_is_read_as_far_as_it_goes(odd: Odd):
    mail = check(odd.raw)
    shown = dict(odd.shown)
    if "files" in shown:
        assert files(mail) == shown.pop("files")
    assert {name: getattr(mail, name) for name in shown} == shown
    assert odd.fault in " ".join(map(str, mail.faults))
    assert bool(mail.faults) == bool(odd.fault)


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_every_fault_is_a_sentence_in_both_languages(odd: Odd):
    for fault in read(odd.raw).faults:
        assert str(fault).endswith(".")
        assert in_vietnamese(lambda fault=fault: say(fault)) != str(fault)


@pytest.mark.parametrize(
    "raw",
    [
        nested(60) + b"\r\n" * 1_000_000,
        b"Content-Type: multipart/mixed; boundary=-\n\n" + b"\n---x" * 500_000,
        b"From: " + b'"\\' * 30_000 + b"\n\n",
        b"From: " + b"<" * 60_000 + b"\n\n",
        b"To: " + b"a:" * 30_000 + b"\n\n",
        b"To: " + b"a@b," * 15_000 + b"\n\n",
        b"Subject: " + b"=?a?q?" * 10_000 + b"\n\n",
        b"Content-Type: text/plain; " + b" " * 60_000 + b"\n\n",
        b"Content-Type: text/plain" + b';a="' * 15_000 + b"\n\n",
        b"Content-Type: text/plain; n*0=" + b"; n*1=".join([b"x"] * 8_000) + b"\n\n",
        b"Content-Transfer-Encoding: uuencode\n\nbegin 644 x\n" + b"\xff\n" * 200_000,
        b"Content-Transfer-Encoding: base64\n\n" + b"=" * 2_000_000,
        b"Content-Transfer-Encoding: quoted-printable\n\n" + b"= " * 100_000,
        b"".join(b"Content-Type: text/plain; charset=x%d\n" % n for n in range(40_000)),
        b"Subject: " + b" ".join(b"=?x%d?q?a?=" % n for n in range(5_000)) + b"\n\n",
        b"\n" * 2_000_000,
        b" \n" * 1_000_000,
        b"\r" * 2_000_000,
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_no_message_takes_long(raw: bytes):
    check(raw)


def test_what_is_larger_than_the_limit_is_read_up_to_it(monkeypatch):
    monkeypatch.setattr(foreign_mail, "SIZE_MOST", 1000)
    mail = read(b"Subject: s\r\n\r\n" + b"x" * 2000)
    assert (mail.subject, len(mail.text)) == ("s", 1000 - 14)
    assert mail.faults == (Reason("foreign-mail.too-large", n=2_014, most=1_000),)


def test_a_report_is_parted_for_whoever_looks_into_it():
    mail = read(ODD["a delivery report"].raw)
    human, status, original = mail.root.parts
    assert (mail.root.kind, human.kind, status.kind) == (
        "multipart/report",
        "text/plain",
        "message/delivery-status",
    )
    assert status.body == b"Reporting-MTA: dns; x\r\n\r\nStatus: 5.1.1"
    assert original.parts[0].fields.first("subject").strip() == b"mine"
    assert original.parts[0].body == b"x"


def test_of_8_000_addresses_the_first_hundred_are_shown_and_the_rest_is_counted():
    mail = read(b"To: " + b", ".join(b"p%d@b" % n for n in range(8000)) + b"\r\n\r\n")
    assert mail.to.count("@") == 100
    assert mail.to.endswith("p99@b")
    assert str(mail.faults[-1]).startswith("The field To has 7,")


TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\x00\x85\u2028\u2029", exclude_categories=["Cc", "Cs"])
    | st.just("\n"),
    max_size=300,
)
LINE = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Zs", "Cf"]), max_size=80
)


@given(LINE, TEXT, TEXT, st.sampled_from(["7bit", "base64", "quoted-printable"]), LINE)
def test_what_a_library_writes_right_is_read_right(
    subject: str, text: str, html: str, encoding: str, name: str
):
    written = EmailMessage(policy=SMTP)
    written["From"] = "Ann Lee <ann@example.org>"
    written["To"] = "bob@example.org, Cy <cy@example.org>"
    written["Subject"] = subject
    usable = encoding if encoding != "7bit" or (text + html).isascii() else "base64"
    long = any(len(line) > 900 for line in (text + html).splitlines())
    usable = "base64" if long else usable
    written.set_content(text, cte=usable)
    written.add_alternative(html, subtype="html", cte=usable)
    written.add_attachment(b"\x00\xff", "application", "pdf", filename=name or "x")
    mail = check(written.as_bytes())
    assert (mail.sender, mail.to) == ("Ann Lee <ann@example.org>", "bob@example.org, Cy <cy@example.org>")
    assert mail.text.rstrip("\n") == text.rstrip("\n")
    assert mail.html.rstrip("\n") == html.rstrip("\n")
    assert mail.subject == subject
    assert [file.size for file in mail.attachments] == [2]
    assert mail.faults == ()


BASES = [odd.raw for odd in ODD.values() if len(odd.raw) < 2_000]
SCRAPS = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"\0",
        b"--cut\r\n",
        b"--cut--\r\n",
        b"=?utf-8?q?",
        b"?=",
        b"=?",
        b'"',
        b"<",
        b">",
        b"(",
        b")",
        b",",
        b";",
        b":",
        b"=",
        b"*0*=",
        b"''",
        b"%",
        b"\\",
        b"[",
        b"\xff\xfe",
        b"\xc3",
        b"Content-Type: ",
        b"multipart/mixed; boundary=cut",
        b"message/rfc822",
        b"; charset=",
        b"utf-16",
        b"hz",
        b"Content-Transfer-Encoding: ",
        b"base64",
        b"uuencode\r\n\r\nbegin 644 a\r\n",
        b"quoted-printable",
        b"To: ",
        b"From: ",
        b"Subject: ",
        b"Message-ID: ",
    ]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    raw = bytearray(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 8))):
        at = draw(st.integers(0, len(raw)))
        to = min(len(raw), at + draw(st.sampled_from([0, 0, 1, 5, 40])))
        raw[at:to] = draw(SCRAPS | st.binary(max_size=4) | st.sampled_from(BASES))
    return bytes(raw)


@given(mutated() | st.lists(SCRAPS, max_size=60).map(b"".join) | st.binary(max_size=200))
@settings(max_examples=400)
def test_whatever_comes_is_read_and_never_raises(raw: bytes):
    check(raw, 1.0)


@given(
    st.recursive(
        st.sampled_from(BASES), lambda inner: st.lists(inner, max_size=4).map(lambda it: multipart(*it))
    )
)
@settings(max_examples=60)
def test_any_tree_of_odd_parts_is_read(raw: bytes):
    check(raw, 1.0)


def test_a_record_can_be_told_to_a_log():
    assert json.dumps(read(b"Subject: s\r\n\r\nx").faults) == "[]"
