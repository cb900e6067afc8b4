"""Mail as it should not be and is: what each shows all the same, and a word of the sentence about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Odd:
    """Raw mail, what reading it must give, and what one of its faults must say ("" for none)."""

    raw: bytes
    shown: dict[str, Any] = field(default_factory=dict)
    fault: str = ""


def body(content_type: str, text: bytes, *more: str) -> bytes:
    head = [f"Content-Type: {content_type}", *more]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + text


def nested(depth: int) -> bytes:
    levels = (
        f"Content-Type: multipart/mixed; boundary=level{n}.\r\n\r\n--level{n}.\r\n".encode()
        for n in range(depth)
    )
    return b"".join(levels) + b"\r\nthe kernel\r\n"


def multipart(
    *parts: bytes, kind: str = "mixed", boundary: str = "cut", end: bytes = b"--cut--\r\n"
) -> bytes:
    inner = b"".join(b"--cut\r\n" + part + b"\r\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode() + inner + end


UMLAUT = "Grüße aus Köln\n"
PDF = b"Content-Type: application/pdf\r\nContent-Disposition: attachment; "

ODD: dict[str, Odd] = {
    "a charset that does not exist": Odd(
        body("text/plain; charset=x-klingon", b"qapla'"), {"text": "qapla'"}, "x-klingon"
    ),
    "an empty charset": Odd(body('text/plain; charset=""', UMLAUT.encode()), {"text": UMLAUT}, "UTF-8"),
    "a charset of another use: rot13": Odd(
        body("text/plain; charset=rot13", b"nhgb"), {"text": "nhgb"}, "rot13"
    ),
    "a charset of another use: hex": Odd(body("text/plain; charset=hex", b"4142"), {"text": "4142"}, "hex"),
    "a charset of another use: zlib": Odd(
        body("text/plain; charset=zlib_codec", b"x"), {"text": "x"}, "zlib"
    ),
    "a charset of another use: base64": Odd(
        body("text/plain; charset=base64", b"QQ=="), {"text": "QQ=="}, "base64"
    ),
    "a charset of another use: idna": Odd(
        body("text/plain; charset=idna", b"xn--a"), {"text": "xn--a"}, "idna"
    ),
    "a charset of another use: punycode": Odd(
        body("text/plain; charset=punycode", b"a-"), {"text": "a-"}, "punycode"
    ),
    "a charset of Python": Odd(
        body("text/plain; charset=unicode_escape", rb"\ud800"), {"text": r"\ud800"}, "unicode_escape"
    ),
    "a charset that always fails": Odd(
        body("text/plain; charset=undefined", b"x"), {"text": "x"}, "undefined"
    ),
    "utf-7": Odd(
        body("text/plain; charset=utf-7", b"+2AA- +ADw-b+AD4-"), {"text": "+2AA- +ADw-b+AD4-"}, "utf-7"
    ),
    "a NUL in the charset": Odd(body('text/plain; charset="utf\0-8"', b"x"), {"text": "x"}),
    "a charset with a path": Odd(body("text/plain; charset=../../etc/passwd", b"x"), {"text": "x"}, "passwd"),
    "a charset of 5,000 characters": Odd(
        body(f"text/plain; charset={'u' * 5000}", b"x"), {"text": "x"}, "uuu…"
    ),
    "a charset in Cyrillic": Odd(body("text/plain; charset=köi8", b"x"), {"text": "x"}, "köi8"),
    "bytes that are not of the charset": Odd(
        body("text/plain; charset=utf-8", b"caf\xe9 au lait"),
        {"text": "caf\ufffd au lait"},
        "not valid utf-8",
    ),
    "8-bit bytes without a charset": Odd(b"Subject: x\r\n\r\ncaf\xe9", {"text": "café"}, "Latin-1"),
    "half a UTF-16 character": Odd(
        body("text/plain; charset=utf-16-le", b"h\0i"), {"text": "h\ufffd"}, "utf-16"
    ),
    "a Windows charset by its short name": Odd(
        body("text/plain; charset=cp1252", b"\x80 5"), {"text": "€ 5"}
    ),
    "a Japanese charset": Odd(
        body("text/plain; charset=ISO-2022-JP", "日本".encode("iso2022_jp")), {"text": "日本"}
    ),
    "a Korean charset by an old name": Odd(
        body("text/plain; charset=ks_c_5601-1987", "한".encode("cp949")), {"text": "한"}
    ),
    "a NUL in the text": Odd(b"Subject: x\r\n\r\nA\0B", {"text": "A\ufffdB"}, "NUL"),
    "NUL bytes everywhere": Odd(b"\0Subject\0: x\0\r\n\0\r\n\0", {"subject": ""}, "no header"),
    "nothing at all": Odd(b"", {"text": "", "html": "", "subject": ""}, "empty"),
    "only line ends": Odd(b"\r\n\r\n\r\n", {"subject": ""}, "empty"),
    "only a header": Odd(
        b"Subject: alone\r\nTo: a@b.example\r\n", {"subject": "alone", "to": "a@b.example", "text": ""}
    ),
    "a header that is cut off": Odd(b"Subject: alo", {"subject": "alo", "text": ""}),
    "no header": Odd(
        b"Dear Ann,\r\nno header here\r\n", {"text": "Dear Ann,\nno header here\n"}, "no header"
    ),
    "a line that is no field": Odd(
        b"Subject: s\r\nnot a field\r\nTo: a@b.example\r\n\r\nx",
        {"subject": "s", "to": "", "text": "not a field\nTo: a@b.example\n\nx"},
        "not a header field",
    ),
    "a line of an mbox before it": Odd(
        b"From ann@b.example Mon Jan  1\r\nSubject: s\r\n\r\nx", {"subject": "s", "text": "x"}
    ),
    "lone CR as line end": Odd(
        b"Subject: s\rTo: a@b.example\r\rone\rtwo", {"subject": "s", "text": "one\ntwo"}, "lone CR"
    ),
    "lone LF as line end": Odd(
        b"Subject: s\nTo: a@b.example\n\none\ntwo", {"subject": "s", "text": "one\ntwo"}
    ),
    "all line ends at once": Odd(
        b"Subject: s\r\nTo: a@b.example\n\r\none\rtwo\r\nthree\n", {"text": "one\ntwo\nthree\n"}
    ),
    "a space before the colon": Odd(b"Subject : s\r\n\r\n", {"subject": "s"}),
    "a subject twice": Odd(
        b"Subject: one\r\nSubject: two\r\n\r\n", {"subject": "one"}, "2 fields named Subject"
    ),
    "From: <": Odd(b"From: <\r\n\r\n", {"sender": "<"}, "From"),
    'From: "': Odd(b'From: "\r\n\r\n', {"sender": '"'}, "From"),
    "From: a group and nothing": Odd(b"From: g: a@b.example;, <>,\r\n\r\n", {"sender": "a@b.example"}),
    "From without an address": Odd(b"From: Mailer Daemon\r\n\r\n", {"sender": "Mailer Daemon"}),
    "From with two angles": Odd(b"From: Ann <<a@b.example>>\r\n\r\n", {"sender": "Ann <a@b.example>"}),
    "From with a comment": Odd(
        b"From: a@b.example (Ann (A.) Lee)\r\n\r\n", {"sender": "Ann (A.) Lee <a@b.example>"}
    ),
    "From with an open comment": Odd(b"From: a@b.example (Ann\r\n\r\n", {"sender": "Ann <a@b.example>"}),
    "From with a quoted comma": Odd(
        b'From: "Lee, Ann" <a@b.example>\r\n\r\n', {"sender": "Lee, Ann <a@b.example>"}
    ),
    "From with an encoded comma": Odd(
        b"From: =?utf-8?q?Lee=2C_Ann?= <a@b.example>\r\n\r\n", {"sender": "Lee, Ann <a@b.example>"}
    ),
    "raw Latin-1 in From": Odd(
        b"From: Ren\xe9 <r@b.example>\r\n\r\n", {"sender": "René <r@b.example>"}, "Latin-1"
    ),
    "raw UTF-8 in From": Odd("From: René <r@b.example>\r\n\r\n".encode(), {"sender": "René <r@b.example>"}),
    "an IPv6 literal": Odd(b"From: a@[IPv6:::1]\r\n\r\n", {"sender": "a@[IPv6:::1]"}),
    "nobody known": Odd(b"To: undisclosed-recipients:;\r\n\r\nx", {"to": ""}),
    "a group": Odd(
        b"To: all: Ann <a@b.example>, c@d.example;\r\n\r\n", {"to": "Ann <a@b.example>, c@d.example"}
    ),
    "8,000 addresses": Odd(
        b"To: " + b",\r\n ".join(b"p%d@b.example" % n for n in range(8000)) + b"\r\n\r\nx",
        {"text": "x"},
        "The first 100",
    ),
    "fields of 5 MB in all": Odd(
        (b"X: " + b"y" * 60_000 + b"\r\n") * 80 + b"\r\nx", {"text": "x"}, "too long"
    ),
    "60,000 brackets": Odd(b"To: " + b"(" * 60_000 + b"\r\n\r\nx", {"text": "x"}),
    "Message-ID: <": Odd(b"Message-ID: <\r\n\r\n", {"message_id": "<"}, "Message-ID"),
    "Message-ID: <a@[>": Odd(b"Message-ID: <a@[>\r\n\r\n", {"message_id": "<a@[>"}),
    "a Message-ID with markup": Odd(
        b"Message-ID: <script>alert(1)</script>\r\n\r\n", {"message_id": "<script>"}
    ),
    "a Message-ID on its second line": Odd(
        b"Message-ID:\r\n <1@b.example>\r\n\r\n", {"message_id": "<1@b.example>"}
    ),
    "a date that is none": Odd(b"Date: yesterday, about noon\r\n\r\n", {"date": "yesterday, about noon"}),
    "a word broken within a character": Odd(
        b"Subject: =?utf-8?q?caf=C3?=\r\n =?utf-8?q?=A9?= noir\r\n\r\n", {"subject": "café noir"}
    ),
    "a word broken within base64": Odd(
        b"Subject: =?utf-8?b?Y2Fm\r\n w6k=?= noir\r\n\r\n", {"subject": "café noir"}
    ),
    "a word of an unknown charset": Odd(
        b"Subject: =?x-klingon?q?caf=E9?=\r\n\r\n", {"subject": "café"}, "x-klingon"
    ),
    "a word with spaces": Odd(b"Subject: =?utf-8?q?caf=C3=A9 noir?=\r\n\r\n", {"subject": "café noir"}),
    "a word of broken base64": Odd(b"Subject: =?utf-8?b?Y2Fmw6k*?=\r\n\r\n", {"subject": "café"}, "base64"),
    "a word with no end": Odd(b"Subject: =?utf-8?q?caf=C3=A9\r\n\r\n", {"subject": "=?utf-8?q?caf=C3=A9"}),
    "a word that breaks the line": Odd(
        b"Subject: =?utf-8?q?a=0D=0ABcc:_b?=\r\n\r\n", {"subject": "a Bcc: b"}
    ),
    "12,000 words": Odd(b"Subject: " + b"=?a?q?b?= " * 12_000 + b"\r\n\r\nx", {"text": "x"}, "Subject"),
    "a header of 5 MB": Odd(
        b"Subject: " + b"x" * 5_000_000 + b"\r\nTo: a@b.example\r\n\r\nx", {"to": "a@b.example"}, "5,000,003"
    ),
    "a header of a million lines": Odd(
        b"Subject: " + b"x\r\n " * 1_000_000 + b"\r\n\r\nx", {"text": "x"}, "65,536"
    ),
    "a header of 100,000 fields": Odd(
        b"X: y\r\n" * 100_000 + b"Subject: late\r\n\r\nx", {"subject": "", "text": "x"}, "first 1,000 fields"
    ),
    "base64 with signs in it": Odd(
        body("text/plain", b"aGVsbG8gd29y!bGQgYW5kIGFs\r\nbA==", "Content-Transfer-Encoding: base64"),
        {"text": "hello world and all"},
        "base64",
    ),
    "base64 that is cut off": Odd(
        body("text/plain", b"aGVsbG8gd", "Content-Transfer-Encoding: base64"), {"text": "hello "}, "base64"
    ),
    "base64 without its end": Odd(
        body("text/plain", b"aGVsbG8", "Content-Transfer-Encoding: base64"), {"text": "hello"}, "base64"
    ),
    "base64 with more behind its end": Odd(
        body("text/plain", b"aGk=\r\n-- \r\nlist footer", "Content-Transfer-Encoding: base64"),
        {"text": "hi"},
        "base64",
    ),
    "plain text called base64": Odd(
        body("text/plain", b"Hello, all. It is plain!", "Content-Transfer-Encoding: base64"),
        {"text": "Hello, all. It is plain!"},
        "base64",
    ),
    "quoted-printable that is broken": Odd(
        body("text/plain", b"caf=ZZ =", "Content-Transfer-Encoding: quoted-printable"),
        {"text": "caf=ZZ "},
        "quoted-printable",
    ),
    "a transfer encoding that does not exist": Odd(
        body("text/plain", b"x", "Content-Transfer-Encoding: rot13"), {"text": "x"}, "rot13"
    ),
    "a transfer encoding in capitals with a comment": Odd(
        body("text/plain", b"caf=C3=A9", "Content-Transfer-Encoding: Quoted-Printable ; yes"),
        {"text": "café"},
        "ASCII",
    ),
    "uuencode": Odd(
        body(
            "text/plain", b"begin 644 x\r\n%:&5L;&\\\r\n`\r\nend\r\n", "Content-Transfer-Encoding: x-uuencode"
        ),
        {"text": "hello"},
    ),
    "uuencode that is broken": Odd(
        body(
            "text/plain",
            b"begin 644 x\r\n%:&5L;&\\\r\n!!!!!!\xff\xff\r\n",
            "Content-Transfer-Encoding: uuencode",
        ),
        {"text": "hello"},
        "uuencoded",
    ),
    "text called uuencode": Odd(
        body("text/plain", b"hello", "Content-Transfer-Encoding: uuencode"), {"text": "hello"}, "uuencoded"
    ),
    "a Content-Type that is none": Odd(body("text", b"x"), {"text": "x"}, "Content-Type"),
    "a Content-Type of signs": Odd(body(';;;=="', b"x"), {"text": "x"}, "Content-Type"),
    "a Content-Type without its semicolon": Odd(
        body("text/html charset=utf-8", b"<p>x"), {"text": "<p>x"}, "Content-Type"
    ),
    "a multipart without a boundary": Odd(body("multipart/mixed", b"x"), {"text": "x"}, "boundary"),
    "a multipart with an empty boundary": Odd(
        body('multipart/mixed; boundary=""', b"--\r\nx"), {"text": "--\nx"}, "boundary"
    ),
    "a multipart without its parts": Odd(
        body("multipart/mixed; boundary=cut", b"x"), {"text": "x"}, "boundary"
    ),
    "a multipart without its end": Odd(multipart(b"\r\nhi", end=b""), {"text": "hi\n"}, "no end"),
    "a multipart that ends at once": Odd(
        body("multipart/mixed; boundary=cut", b"--cut--\r\n"), {"text": "--cut--\n"}, "boundary"
    ),
    "a multipart in base64": Odd(
        b"Content-Transfer-Encoding: base64\r\n" + multipart(b"\r\nhi"), {"text": "hi"}
    ),
    "a boundary that another begins with": Odd(multipart(b"\r\n--cutter\r\nhi"), {"text": "--cutter\nhi"}),
    "parts without headers": Odd(multipart(b"\r\none", b"\r\ntwo"), {"text": "one\ntwo"}),
    "text and HTML": Odd(
        multipart(b"\r\nplain", b"Content-Type: text/html\r\n\r\n<b>rich</b>", kind="alternative"),
        {"text": "plain", "html": "<b>rich</b>"},
    ),
    "only HTML": Odd(
        body("text/html; charset=x-none", "<p>é".encode()), {"text": "", "html": "<p>é"}, "x-none"
    ),
    "only a file": Odd(
        body("image/png; name=a.png", b"\x89PNG"), {"text": "", "files": [("a.png", "image/png", 4)]}
    ),
    "3,000 nested multiparts": Odd(nested(3000), {"html": ""}, "50 levels deep"),
    "40 nested multiparts": Odd(nested(40), {"text": "the kernel\n"}, "no end"),
    "2,000 nested messages": Odd(
        b"Content-Type: message/rfc822\r\n\r\n" * 2000 + b"Subject: kernel\r\n\r\nx",
        {"text": ""},
        "50 levels deep",
    ),
    "a message in base64 within": Odd(
        body("message/rfc822", b"U3ViamVjdDogeA==", "Content-Transfer-Encoding: base64"),
        {"files": [("", "message/rfc822", 10)]},
    ),
    "5,000 parts": Odd(multipart(*[b"\r\nx"] * 5000), {}, "1,000 parts"),
    "a part of a mailing list's digest": Odd(
        multipart(b"\r\nSubject: inner\r\n\r\nx", kind="digest"),
        {"text": "", "files": [("", "message/rfc822", 19)]},
    ),
    "a delivery report": Odd(
        multipart(
            b"\r\nIt could not be delivered.",
            b"Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nStatus: 5.1.1",
            b"Content-Type: message/rfc822\r\n\r\nSubject: mine\r\n\r\nx",
            kind="report",
        ),
        {
            "text": "It could not be delivered.",
            "files": [("", "message/delivery-status", 38), ("", "message/rfc822", 18)],
        },
    ),
    "a name in pieces": Odd(
        multipart(PDF + b"filename*1*=%A9.pdf; filename*0*=utf-8'fr'caf%C3\r\n\r\nx"),
        {"files": [("café.pdf", "application/pdf", 1)]},
    ),
    "a name in plain pieces": Odd(
        multipart(PDF + b'filename*0="long "; filename*1="name.pdf"\r\n\r\nx'),
        {"files": [("long name.pdf", "application/pdf", 1)]},
    ),
    "a name of an unknown charset": Odd(
        multipart(PDF + b"filename*=x-klingon''caf%E9.pdf\r\n\r\nx"),
        {"files": [("café.pdf", "application/pdf", 1)]},
        "x-klingon",
    ),
    "a name as an encoded word": Odd(
        multipart(PDF + b'filename="=?utf-8?q?caf=C3=A9.pdf?="\r\n\r\nx'),
        {"files": [("café.pdf", "application/pdf", 1)]},
    ),
    "a name with an open quote": Odd(
        multipart(PDF + b'filename="a.pdf\r\n\r\nx'), {"files": [("a.pdf", "application/pdf", 1)]}
    ),
    "a thousand parameters": Odd(body("text/plain" + "; a=b" * 1000, b"x"), {"text": "x"}, "parameters"),
    "TNEF": Odd(
        multipart(b"\r\nhi", b"Content-Type: application/ms-tnef; name=winmail.dat\r\n\r\nx\x9f"),
        {"text": "hi", "files": [("winmail.dat", "application/ms-tnef", 2)]},
        "TNEF",
    ),
}
