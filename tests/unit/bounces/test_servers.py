"""Reports in the form of the servers that most mail goes through, and what is easily taken for one."""

from __future__ import annotations

import pytest

from mailing.bounces.causes import BounceClass, Cause
from mailing.bounces.reading import Kind, read
from tests.support import bounces
from tests.support import bounces_as_written as written

ANN = "ann@x.example"


@pytest.mark.parametrize(
    "name", ["GMAIL", "EXCHANGE_ONLINE", "YAHOO", "POSTFIX", "EXIM", "SENDMAIL", "QMAIL", "EXCHANGE"]
)
@pytest.mark.parametrize("line", [b"\r\n", b"\n", b"\r"], ids=["crlf", "lf", "cr"])
def test_each_server_names_the_dead_mailbox_and_the_message(name: str, line: bytes) -> None:
    raw: bytes = getattr(written, name)
    report = read(raw.replace(b"\r\n", line))
    assert report.kind is Kind.BOUNCED
    assert [(it.recipient, it.cause) for it in report.failures] == [(ANN, Cause.NO_MAILBOX)]
    if line != b"\r":
        assert "<t.1@sender.example>" in report.message_ids


def test_the_recipients_stand_below_the_line_that_announces_them() -> None:
    text = """\
        Your message

          To:      all@lists.example
          Subject: Picnic

        did not reach the following recipient(s):

        ann@x.example on Fri, 27 Nov 2026 07:00:00 +0100
            The recipient name is not recognized
        """
    report = read(bounces.plain("System Administrator <postmaster@x.example>", "Undeliverable: Picnic", text))
    assert [(it.recipient, it.cause) for it in report.failures] == [(ANN, Cause.NO_MAILBOX)]


def test_a_name_alone_is_one_at_the_reporters_own_domain() -> None:
    text = "Your mail to the following recipients could not be delivered:\n\tann\n"
    report = read(
        bounces.plain("Mail Delivery Subsystem <MAILER-DAEMON@x.example>", "Mail Delivery Problem", text)
    )
    assert [it.recipient for it in report.failures] == [ANN]


def test_a_report_within_a_report_of_a_gateway_is_read() -> None:
    outer = (
        b"From: postmaster@gateway.example\r\nSubject: Delivery Status Notification (Failure)\r\n"
        b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="outer"\r\n\r\n'
        b"--outer\r\nContent-Type: message/rfc822\r\n\r\n"
    )
    report = read(outer + written.EXCHANGE + b"\r\n--outer--\r\n")
    assert [(it.recipient, it.cause) for it in report.failures] == [(ANN, Cause.NO_MAILBOX)]


@pytest.mark.parametrize(
    ("said", "cause"), [("Quota exceeded", Cause.FULL), ("I do not know you. No such user.", Cause.OTHER)]
)
def test_a_mailbox_that_rejects_by_a_receipt_is_not_dead(said: str, cause: Cause) -> None:
    text = f"""\
        --b
        Content-Type: text/plain; charset=utf-8

        Your message to <ann@x.example> was automatically rejected:
        {said}
        --b
        Content-Type: message/disposition-notification

        Final-Recipient: rfc822; ann@x.example
        Original-Message-ID: <t.1@sender.example>
        Disposition: automatic-action/MDN-sent-automatically; deleted

        --b--
        """
    raw = bounces.plain(
        "Mail Delivery Subsystem <postmaster@x.example>",
        "Automatically rejected mail",
        text,
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=disposition-notification; boundary="b"',
    )
    report = read(raw)
    assert report.kind is Kind.BOUNCED
    assert [(it.recipient, it.cause) for it in report.failures] == [(ANN, cause)]


def test_while_a_server_tries_on_nothing_has_bounced() -> None:
    text = """\
        Your message could not be delivered to the following recipients:

        ann@x.example

        Delivery attempts will continue to be made for 5 days.
        """
    report = read(bounces.plain("postmaster@x.example", "Delivery failure notification", text))
    assert report.kind is Kind.DELAYED


def test_a_status_that_is_a_reply_says_why_and_failure_means_failed() -> None:
    raw = bounces.dsn(action="failure", status="553 Exceeded maximum inbound message size", diagnostic="")
    raw = raw.replace(b"Diagnostic-Code: smtp; \r\n", b"")
    (failure,) = read(raw).failures
    assert failure.cause.bounce_class is BounceClass.POLICY


@pytest.mark.parametrize(
    ("sender", "subject", "text", "fields"),
    [
        ("Ann <ann@x.example>", "Automatic reply: Picnic", "I no longer work here. Mailbox closed.\n", ()),
        (
            "Ann <ann@x.example>",
            "Re: Picnic",
            "Bob's address bob@x.example does not exist.\n",
            ("In-Reply-To: <a@b>",),
        ),
        ("Desk <help@x.example>", "[Ticket 12] Picnic", "We could not deliver an answer yet.\n", ()),
        (
            "Abwesend <ann@x.example>",
            "Abwesenheitsnotiz",
            "Diese Adresse existiert nicht mehr.\n",
            ("Auto-Submitted: auto-replied",),
        ),
        ("Ann <ann@x.example>", "Trả lời tự động: Picnic", "Hộp thư không còn tồn tại.\n", ()),
        (
            "postmaster@x.example",
            "Warning: message delayed 4 hours",
            "ann@x.example\nuser unknown? will keep trying\n",
            (),
        ),
    ],
)
def test_no_reply_or_delay_is_taken_for_a_dead_mailbox(
    sender: str, subject: str, text: str, fields: tuple[str, ...]
) -> None:
    report = read(bounces.plain(sender, subject, text, *fields))
    assert report.kind is not Kind.BOUNCED
