"""The header of an email says how to leave, on one line that nothing encodes."""

from __future__ import annotations

import email
from dataclasses import replace
from email import policy

import pytest

from mailing.messages.compose import Message, MissingFieldError, prepare
from mailing.suppression import leave_tokens
from mailing.suppression.leave_addresses import make
from mailing.suppression.leave_tokens import Leaver
from mailing.suppression.list_fields import ListFields, slug
from mailing.suppression.purposes import Purpose

KEY = "ab" * 32
SITE = "https://mail.example.org/volley"
TEXT = "Hello {{ name }}. Leave: {{ unsubscribe_url }}"
HTML = '<p>Hello</p><a href="{{ unsubscribe_url }}">leave</a>'


EVENTS = Purpose("Events")


def fields(purpose: Purpose = EVENTS, site: str = SITE, *, rehearsal: bool = False) -> ListFields:
    return ListFields(12, purpose, "0123456789abcdef", KEY, site, rehearsal)


def filled(about: ListFields | None, text: str = TEXT, to: str = "ann@x.example") -> bytes:
    message = Message("Club <club@example.org>", "Hi", text, HTML if text == TEXT else "", list_fields=about)
    return prepare(message, token="t", domain=None).fill(7, to, "Ann", None, 0).data


def test_bulk_mail_offers_one_click_by_https_and_says_what_it_is() -> None:
    data = filled(fields())
    head = data.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    token = leave_tokens.seal(KEY, Leaver(12, 7, "Events", "ann@x.example"))
    assert f"List-Unsubscribe: <{SITE}/u/{token}>" in head
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in head
    assert "List-Id: <events.example.org>" in head
    assert "Feedback-ID: c12:events:bulk:0123456789abcde" in head
    assert "Precedence: bulk" in head
    assert "Message-ID: <t.7@example.org>" in head
    assert not [line for line in head if line.startswith("Auto-Submitted")]


def test_the_line_is_whole_for_the_longest_address() -> None:
    to = f"{'x' * 64}@{'y' * 60}.{'z' * 60}.{'w' * 60}.example"
    read = email.message_from_bytes(filled(fields(Purpose("ệ" * 60)), to=to), policy=policy.default)
    url = str(read["List-Unsubscribe"])
    assert url.startswith(f"<{SITE}/u/")
    whom = leave_tokens.unseal(KEY, url.rpartition("/")[2])
    assert whom is not None
    assert whom.email == to


def test_the_link_stands_in_text_and_html_as_it_is() -> None:
    read = email.message_from_bytes(filled(fields()), policy=policy.default)
    url = str(read["List-Unsubscribe"]).strip("<>")
    for part in ("plain", "html"):
        body = read.get_body((part,))
        assert body is not None
        assert url in body.get_content()


def test_transactional_mail_offers_nothing_and_is_said_to_be_automatic() -> None:
    head = filled(fields(Purpose(transactional=True)), "Your code").partition(b"\r\n\r\n")[0].decode()
    assert "List-" not in head
    assert "Precedence" not in head
    assert "Auto-Submitted: auto-generated" in head
    assert ":transactional:transactional:" in head


def test_without_https_there_is_a_link_and_no_button() -> None:
    data = filled(fields(site="http://127.0.0.1:5000")).decode()
    assert "List-Unsubscribe" not in data
    assert "http://127.0.0.1:5000/u/" in data.replace("=\r\n", "")
    assert "List-Id" in data


def test_without_any_public_url_a_message_with_the_link_cannot_be_filled() -> None:
    with pytest.raises(MissingFieldError):
        filled(fields(site=""))
    assert b"List-Id" in filled(fields(site=""), "Hello")


def test_the_link_of_a_rehearsal_is_for_nobody() -> None:
    link = fields(rehearsal=True).link(7, "ann@x.example")
    assert leave_tokens.unseal(KEY, link.rpartition("/")[2]) == Leaver(12, 7, "Events", "")


def test_a_message_of_no_campaign_has_none_of_it() -> None:
    assert b"List-" not in filled(None, "Hello")


def test_topics_have_labels_of_ascii_that_stay_apart() -> None:
    assert slug("Our Events") == "our-events"
    assert slug("Sự kiện").startswith("su-kien-")
    assert slug("Sự kiện") != slug("Su kien")
    assert slug("Новости") != slug("новинки")
    assert slug("") == ""


def test_beside_the_link_stands_an_address_where_bounces_have_a_domain() -> None:
    about = replace(fields(), mail_domain="bounces.example.org")
    to = f"{'x' * 64}@{'y' * 60}.{'z' * 60}.example"
    read = email.message_from_bytes(filled(about, to=to), policy=policy.default)
    https, mailto = str(read["List-Unsubscribe"]).split(", ")
    assert https.startswith(f"<{SITE}/u/")
    local = make(KEY, 12, 7, to)
    assert mailto == f"<mailto:{local}@bounces.example.org?subject=unsubscribe>"
    assert read["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_without_https_there_is_the_address_alone() -> None:
    about = replace(fields(site="http://127.0.0.1:5000"), mail_domain="b.example")
    data = filled(about).decode()
    assert "List-Unsubscribe: <mailto:u-" in data
    assert "One-Click" not in data


@pytest.mark.parametrize("about", [fields(Purpose(transactional=True)), fields(rehearsal=True)])
def test_nobody_leaves_by_mail_what_is_transactional_or_rehearsed(about: ListFields) -> None:
    assert b"mailto:" not in filled(replace(about, mail_domain="b.example"), "Your code")
