"""DKIM signatures, judged by programs that we did not write."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailing.domains.dkim import Signer, relaxed_body
from mailing.messages import compose
from mailing.messages.attachments import Attachment
from mailing.messages.compose import Message
from tests.support.signed import BOTH, DOMAIN, ED25519, RSA, by_perl, good, published

if TYPE_CHECKING:
    from mailing.domains.dkim import Key

NOW_S = int(time.time())  # the judges know no other time
RECORDS = published((RSA, ED25519))
FROM = b"From: Club <club@sender.example>\r\n"
BODIES = {
    "empty": b"",
    "one empty line": b"\r\n",
    "empty lines only": b"\r\n\r\n\r\n",
    "no line break at its end": b"Hello",
    "empty lines at its end": b"Hello\r\n\r\n\r\n",
    "blanks at the ends of lines": b"Hello \t\r\n  \r\n\tyou  there\t \r\n \r\n",
    "8-bit": "Xin chào  bạn\r\n".encode(),
    "no text at all": bytes(range(14, 256)) + b"\r\n",
    "a line of dots": b".\r\n..\r\n",
}


def signed(header: bytes, body: bytes, signer: Signer = BOTH, tail: bytes = b"") -> bytes:
    head = header + b"\r\n" + body
    return signer.fields(head, tail, NOW_S) + head + tail


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_both_signatures_are_good_whatever_the_body_is(body: bytes) -> None:
    header = FROM + b"To: ann@x.example\r\nSubject: A  picnic\t \r\n"
    assert good(signed(header, body), RECORDS) == [True, True]


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_verifier_in_another_language_finds_it_good_too(body: bytes) -> None:
    header = FROM + b"To: ann@x.example\r\nSubject: A picnic\r\n  in\r\n\tthe park \r\n"
    assert by_perl(signed(header, body, Signer(DOMAIN, (RSA,))), RSA) == f"{DOMAIN}=pass"
    broken = signed(header, body, Signer(DOMAIN, (RSA,))).replace(b"A picnic", b"A party")
    assert by_perl(broken, RSA).startswith(f"{DOMAIN}=fail")


HEADERS = {
    "folded": FROM + b"Subject: A picnic\r\n in the park,\r\n\tand  cake\r\nTo:\r\n ann@x.example\r\n",
    "8-bit": FROM + "To: nguyễn@x.example\r\nSubject: Chào\r\n".encode(),
    "two of one name": FROM
    + b"To: a@x.example\r\nReferences: <1@x>\r\nTo: b@x.example\r\nReferences: <2@x>\r\n",
    "odd names": b"FROM:Club <club@sender.example>\r\nsubject:x\r\nX-Own: 1\r\n",
    "lists": FROM
    + b"List-Id: <a.sender.example>\r\nList-Unsubscribe: <https://x.example/u/1>\r\n"
    + b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nFeedback-ID: 1:volley\r\n",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_both_signatures_are_good_whatever_the_header_is(header: bytes) -> None:
    assert good(signed(header, b"Hello\r\n"), RECORDS) == [True, True]


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=60)
LINES = st.lists(WORDS | st.sampled_from(["", " ", "\t", "a  b", "end "]), max_size=8)
NAMES = st.sampled_from(["Subject", "To", "Cc", "Reply-To", "X-Own", "List-Id", "References", "Precedence"])


@settings(max_examples=300, deadline=None)
@given(
    fields=st.lists(st.tuples(NAMES, st.lists(WORDS, min_size=1, max_size=3)), max_size=6),
    lines=LINES,
    files=LINES,
)
def test_any_message_is_signed_so_that_others_find_it_good(
    fields: list[tuple[str, list[str]]], lines: list[str], files: list[str]
) -> None:
    header = FROM
    for name, folds in fields:
        kept = [re.sub(r"[\x00-\x08\x0b-\x1f\x85\u2028\u2029]", "", fold).strip() or "x" for fold in folds]
        header += f"{name}: {chr(13)}{chr(10)} ".encode() + "\r\n\t".join(kept).encode() + b"\r\n"
    body, tail = ("\r\n".join(each).encode() for each in (lines, files))
    assert good(signed(header, body, tail=tail + b"\r\n"), RECORDS) == [True, True]


@given(LINES, LINES)
def test_a_body_in_two_parts_is_canonicalized_like_the_whole(lines: list[str], more: list[str]) -> None:
    body, tail = ("\r\n".join(each).encode() for each in (lines, more))
    assert relaxed_body(body, tail) == relaxed_body(body + tail)


CHANGES = {
    "another subject": (b"Subject: A picnic", b"Subject: A party"),
    "a second From": (FROM, FROM + b"From: mallory@y.example\r\n"),
    "a Reply-To": (FROM, FROM + b"Reply-To: mallory@y.example\r\n"),
    "a Cc": (FROM, b"Cc: mallory@y.example\r\n" + FROM),
    "a second Subject": (FROM, b"Subject: Free money\r\n" + FROM),
    "another link to leave by": (b"/u/1>", b"/u/2>"),
    "a second link to leave by": (FROM, b"List-Unsubscribe: <https://y.example>\r\n" + FROM),
    "more text": (b"Hello\r\n", b"Hello\r\nBuy this\r\n"),
}


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
def test_nobody_can_change_or_add_what_is_read_or_acted_upon(old: bytes, new: bytes) -> None:
    header = FROM + b"Subject: A picnic\r\nList-Unsubscribe: <https://x.example/u/1>\r\n"
    mail = signed(header, b"Hello\r\n")
    assert good(mail, RECORDS) == [True, True]
    at = mail.rfind(old)
    changed = mail[:at] + new + mail[at + len(old) :]
    assert good(changed, RECORDS) == [False, False]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject: A picnic", b"Subject:   A \r\n picnic  "),
        (b"DKIM-Signature: v=1; a=rsa", b"Received: from x by y\r\nDKIM-Signature: v=1; a=rsa"),
        (b"Hello you\r\n", b"Hello  \t you \r\n\r\n"),
    ],
)
def test_what_relays_do_on_the_way_breaks_nothing(old: bytes, new: bytes) -> None:
    mail = signed(FROM + b"Subject: A picnic\r\n", b"Hello you\r\n")
    assert good(mail.replace(old, new), RECORDS) == [True, True]


@pytest.mark.parametrize("key", [RSA, ED25519], ids=lambda key: key.algorithm)
def test_a_signature_says_nothing_about_length_and_holds_for_a_week(key: Key) -> None:
    field = Signer(DOMAIN, (key,)).fields(FROM + b"\r\n", b"", NOW_S)
    tags = dict(
        part.strip().split(b"=", 1) for part in field.partition(b":")[2].replace(b"\r\n", b"").split(b";")
    )
    assert tags[b"a"] == f"{key.algorithm}-sha256".encode()
    assert tags[b"c"] == b"relaxed/relaxed"
    assert b"l" not in tags
    assert int(tags[b"x"]) - int(tags[b"t"]) == 7 * 86_400
    assert max(map(len, field.split(b"\r\n"))) <= 78
    assert field.isascii()


@pytest.mark.parametrize("files", [(), (Attachment("a.txt", "text/plain", b"line \n" * 500),)], ids=len)
@pytest.mark.parametrize("text", ["Dear {{ name }},\n\nHello\n", "Dear all\n"])
@pytest.mark.parametrize("subject", ["Picnic", "Picnic, {{ name }}"])
def test_what_is_composed_for_recipients_is_signed_with_its_files(
    text: str, subject: str, files: tuple[Attachment, ...]
) -> None:
    message = Message("Câu lạc bộ <club@sender.example>", subject, text, f"<p>{text}</p>", files)
    prepared = compose.prepare(message, token="t", domain=None)
    for number, name in enumerate(("Ann", "Nguyễn Văn An", "Bob")):
        filled = prepared.fill(number, f"p{number}@x.example", name, None, 1_790_000_000_000)
        fields = BOTH.fields(filled.head, filled.tail, NOW_S)
        assert good(fields + filled.data, RECORDS) == [True, True]
