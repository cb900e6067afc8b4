"""One report in the exact form of each server that most mail goes through, with made-up people in it."""

from __future__ import annotations

from textwrap import dedent

from tests.support.bounces import crlf

_RETURNED = """\
Message-ID: <t.1@sender.example>
Date: Fri, 27 Nov 2026 07:00:00 +0100
From: Club <club@sender.example>
To: Ann Lee <ann@x.example>
Subject: Picnic
"""


def _written(text: str) -> bytes:
    """Return the bytes; ``~`` at the end of a line says that it goes on in the next."""
    return crlf(dedent(text).replace("~\n", " ").replace("@@\n", _RETURNED))


GMAIL = _written("""\
    From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>
    To: club@sender.example
    Auto-Submitted: auto-replied
    Subject: Delivery Status Notification (Failure)
    References: <t.1@sender.example>
    In-Reply-To: <t.1@sender.example>
    X-Failed-Recipients: ann@x.example
    Message-ID: <6927f0aa.050a0220.12ab.34cd.GMR@mx.google.com>
    Date: Thu, 26 Nov 2026 22:00:02 -0800 (PST)
    MIME-Version: 1.0
    Content-Type: multipart/report; boundary="000000000000aa11bb22cc33"; report-type=delivery-status

    --000000000000aa11bb22cc33
    Content-Type: multipart/related; boundary="000000000000dd44ee55ff66"

    --000000000000dd44ee55ff66
    Content-Type: multipart/alternative; boundary="000000000000778899aabbcc"

    --000000000000778899aabbcc
    Content-Type: text/plain; charset="UTF-8"


    ** Address not found **

    Your message wasn't delivered to ann@x.example because the address couldn't be found, or is unable~
    to receive mail.

    Learn more here: https://support.google.com/mail/?p=NoSuchUser

    The response was:

    550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the~
    recipient's email address for typos or unnecessary spaces. For more information, go to~
    https://support.google.com/mail/?p=NoSuchUser ab12cd34ef.56 - gsmtp

    --000000000000778899aabbcc
    Content-Type: text/html; charset="UTF-8"

    <html><body><h2>Address not found</h2><p>Your message wasn't delivered to <b>ann@x.example</b></p>~
    </body></html>
    --000000000000778899aabbcc--
    --000000000000dd44ee55ff66
    Content-Type: image/png; name="icon.png"
    Content-Disposition: attachment; filename="icon.png"
    Content-Transfer-Encoding: base64
    Content-ID: <icon.png>

    iVBORw0KGgo=
    --000000000000dd44ee55ff66--
    --000000000000aa11bb22cc33
    Content-Type: message/delivery-status

    Reporting-MTA: dns; googlemail.com
    Arrival-Date: Thu, 26 Nov 2026 22:00:01 -0800 (PST)
    X-Original-Message-ID: <t.1@sender.example>

    Final-Recipient: rfc822; ann@x.example
    Action: failed
    Status: 5.1.1
    Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try
     550-5.1.1 double-checking the recipient's email address for typos or
     550-5.1.1 unnecessary spaces. For more information, go to
     550 5.1.1  https://support.google.com/mail/?p=NoSuchUser ab12cd34ef.56 - gsmtp
    Last-Attempt-Date: Thu, 26 Nov 2026 22:00:02 -0800 (PST)

    --000000000000aa11bb22cc33
    Content-Type: message/rfc822

    @@

    Hello
    --000000000000aa11bb22cc33--
    """)

EXCHANGE_ONLINE = _written("""\
    From: Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@x.onmicrosoft.com>
    To: club@sender.example
    Date: Fri, 27 Nov 2026 06:00:03 +0000
    Content-Type: multipart/report; report-type=delivery-status;
    \tboundary="c0ffee00-1111-2222-3333-444455556666"
    Content-Language: en-US
    Message-ID: <0a1b2c3d-0000-4444-8888-1234567890ab@AM0PR01MB0000.eurprd01.prod.exchangelabs.com>
    In-Reply-To: <t.1@sender.example>
    References: <t.1@sender.example>
    Subject: Undeliverable: Picnic
    Auto-Submitted: auto-replied
    X-MS-PublicTrafficType: Email
    MIME-Version: 1.0

    --c0ffee00-1111-2222-3333-444455556666
    Content-Type: multipart/alternative; differences=Content-Type;
    \tboundary="c0ffee11-1111-2222-3333-444455556666"

    --c0ffee11-1111-2222-3333-444455556666
    Content-Type: text/plain; charset="us-ascii"
    Content-Transfer-Encoding: quoted-printable

    Delivery has failed to these recipients or groups:

    ann@x.example<mailto:ann@x.example>
    The email address you entered couldn't be found. Please check the recipient=
    's email address and try to resend the message. If the problem continues, p=
    lease contact your email admin.

    Diagnostic information for administrators:

    Generating server: AM0PR01MB0000.eurprd01.prod.exchangelabs.com

    ann@x.example
    Remote server returned '550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipien=
    t ann@x.example not found by SMTP address lookup'
    --c0ffee11-1111-2222-3333-444455556666--
    --c0ffee00-1111-2222-3333-444455556666
    Content-Type: message/delivery-status

    Reporting-MTA: dns;AM0PR01MB0000.eurprd01.prod.exchangelabs.com
    Received-From-MTA: dns;mx.sender.example
    Arrival-Date: Fri, 27 Nov 2026 06:00:02 +0000

    Final-Recipient: rfc822;ann@x.example
    Action: failed
    Status: 5.1.10
    Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ann@x.example not found~
    by SMTP address lookup

    --c0ffee00-1111-2222-3333-444455556666
    Content-Type: message/rfc822

    @@

    Hello
    --c0ffee00-1111-2222-3333-444455556666--
    """)

YAHOO = _written("""\
    Return-Path: <>
    From: MAILER-DAEMON@yahoo.com
    To: club@sender.example
    Date: 27 Nov 2026 06:00:03 -0000
    Subject: Failure Notice
    X-Yahoo-Newman-Property: bmail

    Sorry, we were unable to deliver your message to the following address.

    <ann@x.example>:
    550: 5.1.1 <ann@x.example>: Recipient address rejected: User unknown in virtual mailbox table

    --- Below this line is a copy of the message.

    @@

    Hello
    """)

POSTFIX = _written("""\
    Return-Path: <>
    Date: Fri, 27 Nov 2026 06:00:03 +0000 (UTC)
    From: MAILER-DAEMON@mx.sender.example (Mail Delivery System)
    Subject: Undelivered Mail Returned to Sender
    To: club@sender.example
    Auto-Submitted: auto-replied
    MIME-Version: 1.0
    Content-Type: multipart/report; report-type=delivery-status;
    \tboundary="4XyZ1.1764223203/mx.sender.example"
    Content-Transfer-Encoding: 8bit
    Message-Id: <20261127060003.4XyZ1@mx.sender.example>

    This is a MIME-encapsulated message.

    --4XyZ1.1764223203/mx.sender.example
    Content-Description: Notification
    Content-Type: text/plain; charset=utf-8
    Content-Transfer-Encoding: 8bit

    This is the mail system at host mx.sender.example.

    I'm sorry to have to inform you that your message could not
    be delivered to one or more recipients. It's attached below.

    For further assistance, please send mail to postmaster.

    If you do so, please include this problem report. You can
    delete your own text from the attached returned message.

                       The mail system

    <ann@x.example>: host mx.x.example[192.0.2.1] said: 550 5.1.1 <ann@x.example>:
        Recipient address rejected: User unknown in local recipient table (in reply
        to RCPT TO command)

    --4XyZ1.1764223203/mx.sender.example
    Content-Description: Delivery report
    Content-Type: message/delivery-status

    Reporting-MTA: dns; mx.sender.example
    X-Postfix-Queue-ID: 4XyZ1
    X-Postfix-Sender: rfc822; club@sender.example
    Arrival-Date: Fri, 27 Nov 2026 06:00:01 +0000 (UTC)

    Final-Recipient: rfc822; ann@x.example
    Original-Recipient: rfc822;ann@x.example
    Action: failed
    Status: 5.1.1
    Remote-MTA: dns; mx.x.example
    Diagnostic-Code: smtp; 550 5.1.1 <ann@x.example>: Recipient address rejected:
        User unknown in local recipient table

    --4XyZ1.1764223203/mx.sender.example
    Content-Description: Undelivered Message Headers
    Content-Type: text/rfc822-headers
    Content-Transfer-Encoding: 8bit

    @@

    --4XyZ1.1764223203/mx.sender.example--
    """)

EXIM = _written("""\
    Return-path: <>
    X-Failed-Recipients: ann@x.example
    Auto-Submitted: auto-replied
    From: Mail Delivery System <Mailer-Daemon@mx.sender.example>
    To: club@sender.example
    References: <t.1@sender.example>
    Content-Type: multipart/report; report-type=delivery-status; boundary=1764223203-eximdsn-1804289383
    MIME-Version: 1.0
    Subject: Mail delivery failed: returning message to sender
    Message-Id: <E1vOpQr-000001-2x@mx.sender.example>
    Date: Fri, 27 Nov 2026 06:00:03 +0000

    --1764223203-eximdsn-1804289383
    Content-type: text/plain; charset=us-ascii

    This message was created automatically by mail delivery software.

    A message that you sent could not be delivered to one or more of its
    recipients. This is a permanent error. The following address(es) failed:

      ann@x.example
        host mx.x.example [192.0.2.1]
        SMTP error from remote mail server after RCPT TO:<ann@x.example>:
        550 5.1.1 No such user here

    --1764223203-eximdsn-1804289383
    Content-type: message/delivery-status

    Reporting-MTA: dns; mx.sender.example

    Action: failed
    Final-Recipient: rfc822;ann@x.example
    Status: 5.0.0
    Remote-MTA: dns; mx.x.example
    Diagnostic-Code: smtp; 550 5.1.1 No such user here

    --1764223203-eximdsn-1804289383
    Content-type: message/rfc822

    Return-path: <club@sender.example>
    @@

    Hello
    --1764223203-eximdsn-1804289383--
    """)

SENDMAIL = _written("""\
    Return-Path: <MAILER-DAEMON>
    Date: Fri, 27 Nov 2026 06:00:03 GMT
    From: Mail Delivery Subsystem <MAILER-DAEMON>
    Message-Id: <202611270600.5AR603ab000001@mx.sender.example>
    To: <club@sender.example>
    MIME-Version: 1.0
    Content-Type: multipart/report; report-type=delivery-status;
    \tboundary="5AR603ab000001.1764223203/mx.sender.example"
    Subject: Returned mail: see transcript for details
    Auto-Submitted: auto-generated (failure)

    This is a MIME-encapsulated message

    --5AR603ab000001.1764223203/mx.sender.example

    The original message was received at Fri, 27 Nov 2026 06:00:01 GMT
    from localhost [127.0.0.1]

       ----- The following addresses had permanent fatal errors -----
    <ann@x.example>
        (reason: 550 5.1.1 <ann@x.example>... User unknown)

       ----- Transcript of session follows -----
    ... while talking to mx.x.example.:
    >>> DATA
    <<< 550 5.1.1 <ann@x.example>... User unknown
    550 5.1.1 <ann@x.example>... User unknown
    <<< 503 5.0.0 Need RCPT (recipient)

    --5AR603ab000001.1764223203/mx.sender.example
    Content-Type: message/delivery-status

    Reporting-MTA: dns; mx.sender.example
    Received-From-MTA: DNS; localhost
    Arrival-Date: Fri, 27 Nov 2026 06:00:01 GMT

    Final-Recipient: RFC822; ann@x.example
    Action: failed
    Status: 5.1.1
    Remote-MTA: DNS; mx.x.example
    Diagnostic-Code: SMTP; 550 5.1.1 <ann@x.example>... User unknown
    Last-Attempt-Date: Fri, 27 Nov 2026 06:00:02 GMT

    --5AR603ab000001.1764223203/mx.sender.example
    Content-Type: text/rfc822-headers

    Return-Path: <club@sender.example>
    @@

    --5AR603ab000001.1764223203/mx.sender.example--
    """)

QMAIL = _written("""\
    Return-Path: <>
    Received: (qmail 12345 invoked for bounce); 27 Nov 2026 06:00:03 -0000
    Date: 27 Nov 2026 06:00:03 -0000
    From: MAILER-DAEMON@mx.sender.example
    To: club@sender.example
    Subject: failure notice

    Hi. This is the qmail-send program at mx.sender.example.
    I'm afraid I wasn't able to deliver your message to the following addresses.
    This is a permanent error; I've given up. Sorry it didn't work out.

    <ann@x.example>:
    192.0.2.1 does not like recipient.
    Remote host said: 550 5.1.1 <ann@x.example>: Recipient address rejected: User unknown
    Giving up on 192.0.2.1.

    --- Below this line is a copy of the message.

    Return-Path: <club@sender.example>
    Received: (qmail 12344 invoked by uid 1000); 27 Nov 2026 06:00:01 -0000
    @@

    Hello
    """)

EXCHANGE = _written("""\
    From: <postmaster@x.example>
    To: <club@sender.example>
    Date: Fri, 27 Nov 2026 06:00:03 +0000
    MIME-Version: 1.0
    Content-Type: multipart/report; report-type=delivery-status;
    \tboundary="9B095B5ADSN=_01DC5F1A2B3C4D5E00000001EX01.x.example"
    X-DSNContext: 7ce717b1 - 1196 - 00000002 - 00000000
    Message-ID: <AbCdEf0000000001@EX01.x.example>
    Subject: Delivery Status Notification (Failure)

    This is a MIME-formatted message.
    Portions of this message may be unreadable without a MIME-capable mail program.

    --9B095B5ADSN=_01DC5F1A2B3C4D5E00000001EX01.x.example
    Content-Type: text/plain; charset=unicode-1-1-utf-7

    This is an automatically generated Delivery Status Notification.

    Delivery to the following recipients failed.

           ann@x.example




    --9B095B5ADSN=_01DC5F1A2B3C4D5E00000001EX01.x.example
    Content-Type: message/delivery-status

    Reporting-MTA: dns;EX01.x.example
    Received-From-MTA: dns;mx.sender.example
    Arrival-Date: Fri, 27 Nov 2026 06:00:02 +0000

    Final-Recipient: rfc822;ann@x.example
    Action: failed
    Status: 5.1.1

    --9B095B5ADSN=_01DC5F1A2B3C4D5E00000001EX01.x.example
    Content-Type: message/rfc822

    @@

    Hello
    --9B095B5ADSN=_01DC5F1A2B3C4D5E00000001EX01.x.example--
    """)
