"""Reports as mail servers write them, with made-up people in them."""

from __future__ import annotations

from textwrap import dedent

RETURNED = "Message-ID: {message_id}\nFrom: Club <club@sender.example>\nTo: {recipient}\nSubject: Hello\n"


def dsn(
    recipient: str = "ann@x.example",
    status: str = "5.1.1",
    diagnostic: str = "550 5.1.1 <ann@x.example>: Recipient address rejected: User unknown",
    *,
    to: str = "club@sender.example",
    action: str = "failed",
    message_id: str = "<t.1@sender.example>",
    number: str = "1",
) -> bytes:
    """Postfix's report of a delivery (RFC 3464)."""
    text = f"""\
        Return-Path: <>
        Received: by mx.sender.example (Postfix) id 4ABC{number}; Fri, 27 Nov 2026 06:00:00 +0000 (UTC)
        Date: Fri, 27 Nov 2026 06:00:00 +0000 (UTC)
        From: MAILER-DAEMON@mx.sender.example (Mail Delivery System)
        Subject: Undelivered Mail Returned to Sender
        To: {to}
        Auto-Submitted: auto-replied
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type=delivery-status; boundary="4ABC.1/mx.sender.example"
        Message-Id: <{number}.report@mx.sender.example>

        This is a MIME-encapsulated message.

        --4ABC.1/mx.sender.example
        Content-Description: Notification
        Content-Type: text/plain; charset=us-ascii

        This is the mail system at host mx.sender.example.

        I'm sorry to have to inform you that your message could not
        be delivered to one or more recipients. It's attached below.

        <{recipient}>: host mx.x.example[192.0.2.1] said: ## (in reply to RCPT TO command)

        --4ABC.1/mx.sender.example
        Content-Description: Delivery report
        Content-Type: message/delivery-status

        Reporting-MTA: dns; mx.sender.example
        X-Postfix-Queue-ID: 4ABC1
        X-Postfix-Sender: rfc822; {to}
        Arrival-Date: Fri, 27 Nov 2026 06:00:00 +0000 (UTC)

        Final-Recipient: rfc822; {recipient}
        Original-Recipient: rfc822;{recipient}
        Action: {action}
        Status: {status}
        Remote-MTA: dns; mx.x.example
        Diagnostic-Code: smtp; ##

        --4ABC.1/mx.sender.example
        Content-Description: Undelivered Message Headers
        Content-Type: text/rfc822-headers

        @@
        --4ABC.1/mx.sender.example--
        """
    returned = RETURNED.format(message_id=message_id, recipient=recipient)
    return crlf(dedent(text).replace("@@\n", returned + "\n").replace("##", diagnostic))


def complaint(
    *,
    kind: str = "abuse",
    original_from: str = "club@sender.example",
    message_id: str = "<t.1@sender.example>",
    recipient: str = "redacted@isp.example",
) -> bytes:
    """A feedback report (RFC 5965)."""
    text = f"""\
        From: <abuse@isp.example>
        Date: Fri, 27 Nov 2026 06:00:00 +0000
        Subject: FW: Hello
        To: <abuse@sender.example>
        Message-ID: <{abs(hash((kind, original_from, message_id)))}@isp.example>
        MIME-Version: 1.0
        Content-Type: multipart/report; report-type=feedback-report; boundary="part1"

        --part1
        Content-Type: text/plain; charset="US-ASCII"

        This is an email abuse report for an email message received from IP 192.0.2.9.

        --part1
        Content-Type: message/feedback-report

        Feedback-Type: {kind}
        User-Agent: SomeGenerator/1.0
        Version: 1
        Original-Mail-From: <{original_from}>
        Original-Rcpt-To: <{recipient}>

        --part1
        Content-Type: message/rfc822
        Content-Disposition: inline

        @@
        Hello there.
        --part1--
        """
    returned = RETURNED.format(message_id=message_id, recipient=recipient)
    return crlf(dedent(text).replace("@@\n", returned + "\n"))


def plain(sender: str, subject: str, text: str, *more: str) -> bytes:
    """A report that is one text."""
    head = [f"From: {sender}", "To: club@sender.example", f"Subject: {subject}", *more]
    return crlf("\n".join([*head, "", dedent(text)]))


def crlf(text: str) -> bytes:
    """Return the lines as they go over the line."""
    return text.replace("\n", "\r\n").encode()


QMAIL = plain(
    "MAILER-DAEMON@mx.y.example",
    "failure notice",
    """\
    Hi. This is the qmail-send program at mx.y.example.
    I'm afraid I wasn't able to deliver your message to the following addresses.
    This is a permanent error; I've given up. Sorry it didn't work out.

    <ann@x.example>:
    Sorry, no mailbox here by that name. (#5.1.1)

    --- Below this line is a copy of the message.

    Return-Path: <club@sender.example>
    Message-ID: <t.1@sender.example>
    To: ann@x.example
    """,
)
EXIM = plain(
    "Mail Delivery System <Mailer-Daemon@mx.y.example>",
    "Mail delivery failed: returning message to sender",
    """\
    This message was created automatically by mail delivery software.

    A message that you sent could not be delivered to one or more of its
    recipients. This is a permanent error. The following address(es) failed:

      ann@x.example
        host mx.x.example [192.0.2.1]
        SMTP error from remote mail server after RCPT TO:<ann@x.example>:
        552 5.2.2 Mailbox full

    ------ This is a copy of the message, including all the headers. ------

    Return-path: <club@sender.example>
    Message-ID: <t.1@sender.example>
    """,
    "X-Failed-Recipients: ann@x.example",
    "Auto-Submitted: auto-replied",
)
SENDMAIL = plain(
    "Mail Delivery Subsystem <MAILER-DAEMON@mx.y.example>",
    "Returned mail: see transcript for details",
    """\
    The original message was received at Fri, 27 Nov 2026 06:00:00 GMT
    from mx.sender.example [192.0.2.9]

       ----- The following addresses had permanent fatal errors -----
    <ann@x.example>
        (reason: 550 5.1.1 <ann@x.example>... User unknown)

       ----- Transcript of session follows -----
    ... while talking to mx.x.example.:
    >>> RCPT To:<ann@x.example>
    <<< 550 5.1.1 <ann@x.example>... User unknown
    550 5.1.1 <ann@x.example>... User unknown
    """,
)
YAHOO = plain(
    "MAILER-DAEMON@yahoo.com",
    "Failure Notice",
    """\
    Sorry, we were unable to deliver your message to the following address.

    <ann@x.example>:
    554: delivery error: dd This user doesn't have a yahoo.com account (ann@x.example) [0]

    --- Below this line is a copy of the message.
    """,
)
GMAIL = dsn(
    diagnostic="550-5.1.1 The email account that you tried to reach does not exist. Please try\n"
    " 550-5.1.1 double-checking the recipient's email address for typos or\n"
    " 550-5.1.1 unnecessary spaces. 550 5.1.1 https://support.google.com/mail/?p=NoSuchUser",
)
EXCHANGE = dsn(diagnostic="550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found", status="5.1.10")
OUTLOOK = dsn(
    diagnostic="550 5.4.1 Recipient address rejected: Access denied. AS(201806281) "
    "[AM6EUR05FT020.eop-eur05.prod.protection.outlook.com]",
    status="5.4.1",
)
OUTLOOK_BLOCKS = dsn(
    diagnostic="550 5.7.515 Access denied, sending domain SENDER.EXAMPLE does not meet the required "
    "authentication level.",
    status="5.7.515",
)
VACATION = plain(
    "Ann <ann@x.example>",
    "Out of office: Hello",
    "I am away until Monday. The mailbox of bob@x.example does not exist any more.\n",
    "Auto-Submitted: auto-replied",
    "In-Reply-To: <t.1@sender.example>",
)
CHALLENGE = plain(
    "Ann <ann@x.example>",
    "Please confirm your message to me",
    "Your message could not be delivered until you verify your address. Click here.\n",
)
