"""What comes back is read: who it was, why, and whether the mailbox is surely dead. Nothing raises."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailing.bounces.causes import BounceClass, Cause, judge
from mailing.bounces.reading import READ_MOST, Kind, read
from tests.support import bounces
from tests.support.odd_mail import ODD, nested

ANN = "ann@x.example"


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (bounces.dsn(), Cause.NO_MAILBOX),
        (bounces.QMAIL, Cause.NO_MAILBOX),
        (bounces.SENDMAIL, Cause.NO_MAILBOX),
        (bounces.YAHOO, Cause.NO_MAILBOX),
        (bounces.GMAIL, Cause.NO_MAILBOX),
        (bounces.EXCHANGE, Cause.NO_MAILBOX),
        (bounces.OUTLOOK, Cause.NO_MAILBOX),
        (bounces.EXIM, Cause.FULL),
        (bounces.OUTLOOK_BLOCKS, Cause.POLICY),
    ],
    ids=["postfix", "qmail", "sendmail", "yahoo", "gmail", "exchange", "outlook", "exim", "outlook-blocks"],
)
@pytest.mark.parametrize("line", [b"\r\n", b"\n", b"\r"], ids=["crlf", "lf", "cr"])
def test_the_reports_of_known_servers_name_who_and_why(raw: bytes, cause: Cause, line: bytes) -> None:
    report = read(raw.replace(b"\r\n", line))
    assert report.kind is Kind.BOUNCED
    assert [(it.recipient, it.cause) for it in report.failures] == [(ANN, cause)]


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (bounces.VACATION, Kind.REPLIED),
        (bounces.CHALLENGE, Kind.REPLIED),
        (bounces.dsn(action="delayed", status="4.4.1"), Kind.DELAYED),
        (bounces.dsn(action="relayed", status="2.0.0"), Kind.OTHER),
        (bounces.dsn(action="delivered", status="2.0.0"), Kind.OTHER),
        (bounces.complaint(), Kind.COMPLAINED),
        (bounces.complaint(kind="fraud"), Kind.COMPLAINED),
        (bounces.complaint(kind="not-spam"), Kind.OTHER),
        (bounces.complaint(kind="auth-failure"), Kind.OTHER),
        (bounces.plain("Bob <bob@y.example>", "Lunch?", "The user unknown to me called.\n"), Kind.OTHER),
        (b"", Kind.OTHER),
    ],
)
def test_what_is_no_bounce_is_told_apart(raw: bytes, kind: Kind) -> None:
    assert read(raw).kind is kind


@pytest.mark.parametrize(
    ("text", "people"),
    [
        (
            (
                "Addresses here look like name.surname@x.example. The address to which\nyour message was "
                "addressed, ann@x.example, is no address of ours.\nPerhaps you look for al@x.example.\n"
            ),
            ["ann@x.example"],
        ),
        (
            (
                "Message not delivered to the following:\n\n  ann    No such user\n\nWhoever was reached by "
                "emailing NAME@x.example\nis reached by emailing to NAME@y.example now, not at\n"
                "ann.lee@x.example. Do not mail NAME@z.example.\n"
            ),
            ["ann@x.example", "ann@y.example"],
        ),
        (
            "Message not delivered to the following recipients:\n\n  ann@x.example    No such user\n",
            ["ann@x.example"],
        ),
    ],
)
def test_a_report_without_a_standard_means_whom_it_says_it_means(text: str, people: list[str]) -> None:
    report = read(bounces.plain("MAILER-DAEMON@mx.x.example", "Returned mail: user unknown", text))
    assert report.kind is Kind.BOUNCED
    assert [it.recipient for it in report.failures] == people


def test_a_receipt_of_the_reader_is_an_automatic_reply() -> None:
    raw = bounces.plain(
        "Ann <ann@x.example>",
        "Not read: Hello",
        "--b\r\nContent-Type: text/plain\r\n\r\nYour message was deleted without being read.\r\n--b\r\n"
        "Content-Type: message/disposition-notification\r\n\r\n"
        "Disposition: automatic-action/MDN-sent-automatically; deleted\r\n--b--\r\n",
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=disposition-notification; boundary="b"',
    )
    assert read(raw).kind is Kind.REPLIED


def test_the_returned_message_names_itself_wherever_it_stands() -> None:
    for raw in (bounces.dsn(), bounces.QMAIL, bounces.EXIM, bounces.complaint()):
        assert read(raw).message_ids == ["<t.1@sender.example>"]


def test_an_international_address_is_read() -> None:
    raw = bounces.dsn().replace(b"Final-Recipient: rfc822; ann@", b"Final-Recipient: utf-8; \\x{E4}nn@")
    assert read(raw).failures[0].recipient == "änn@x.example"


@pytest.mark.parametrize(
    ("status", "diagnostic", "bounce_class"),
    [
        ("5.1.1", "550 5.1.1 User unknown", BounceClass.HARD),
        ("5.0.0", "550 ann@x.example...User unknown", BounceClass.HARD),
        ("5.2.1", "550 5.2.1 The email account that you tried to reach is inactive.", BounceClass.HARD),
        (
            "5.1.2",
            "Host or domain name not found. Name service error for name=x.example type=MX: Host not found",
            BounceClass.HARD,
        ),
        (
            "5.2.1",
            "550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents more.",
            BounceClass.SOFT,
        ),
        (
            "5.2.2",
            "552 5.2.2 The email account that you tried to reach is over quota and inactive.",
            BounceClass.SOFT,
        ),
        ("4.1.1", "450 4.1.1 unverified address: user unknown", BounceClass.SOFT),
        ("4.4.7", "delivery time expired", BounceClass.SOFT),
        ("5.2.0", "550 Requested action not taken: mailbox unavailable", BounceClass.SOFT),
        (
            "5.4.4",
            "Name service error for name=x.example type=MX: Host not found, try again",
            BounceClass.SOFT,
        ),
        ("5.1.8", "550 5.1.8 Sender address rejected: Domain not found", BounceClass.POLICY),
        (
            "5.0.0",
            "550 Verification failed for <club@sender.example> Sender verify failed",
            BounceClass.POLICY,
        ),
        ("5.7.1", "550 5.7.1 Relaying denied", BounceClass.POLICY),
        ("5.7.26", "550-5.7.26 This mail is unauthenticated", BounceClass.POLICY),
        (
            "5.7.1",
            "554 5.7.1 Service unavailable; Client host [192.0.2.9] blocked using zen.spamhaus.org",
            BounceClass.POLICY,
        ),
        ("5.3.4", "552 5.3.4 Message size exceeds fixed limit", BounceClass.POLICY),
        ("5.4.6", "554 5.4.6 Too many hops", BounceClass.SOFT),
        ("5.1.1", "554 5.1.1 aliasing/forwarding loop broken: User unknown", BounceClass.SOFT),
        ("", "", BounceClass.SOFT),
    ],
)
def test_a_mailbox_is_dead_only_where_that_is_sure(
    status: str, diagnostic: str, bounce_class: BounceClass
) -> None:
    assert judge(status, diagnostic).bounce_class is bounce_class


@given(st.binary(max_size=2_000))
def test_any_bytes_are_read(raw: bytes) -> None:
    read(raw)


@given(st.integers(0, 4_000), st.binary(max_size=60), st.sampled_from([0, 1, 2, 3]))
@settings(max_examples=150)
def test_a_report_with_anything_in_it_is_read(place: int, junk: bytes, which: int) -> None:
    raw = (bounces.dsn(), bounces.complaint(), bounces.QMAIL, bounces.EXIM)[which]
    read(raw[:place] + junk + raw[place:])
    read(raw[:place] + junk)


@pytest.mark.parametrize("name", ODD)
def test_odd_mail_is_read(name: str) -> None:
    read(ODD[name].raw)


def test_a_long_report_and_a_thousand_parts_cost_little() -> None:
    begun = time.process_time()
    read(bounces.dsn() + b"x" * (50 * READ_MOST))
    read(nested(1_000))
    read(bounces.crlf("From: MAILER-DAEMON@x\nSubject: failure notice\n\n" + "a@b.example <" * 80_000))
    read(bounces.crlf("From: MAILER-DAEMON@x\nSubject: failure notice\n\n" + "mailbox " * 120_000))
    read(bounces.crlf("Content-Type: text/html\nSubject: failure notice\n\n" + "<p " * 300_000))
    assert time.process_time() - begun < 3
