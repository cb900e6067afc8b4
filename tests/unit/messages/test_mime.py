"""What is sent is what ``email`` makes of the same content, but for boundaries, and reads back whole."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from email.utils import format_datetime, parsedate_to_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailing.foreign import mail as foreign_mail
from mailing.messages import attachments, compose
from mailing.messages.attachments import Attachment
from mailing.messages.compose import ComposeError, MergeError, Message, prepare
from mailing.messages.headers import write_date
from mailing.smtp.envelope import stuffed
from tests.support.messages import FROM, NOW_MS, fill, rendered

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))
LOGO = Attachment("logo.png", "image/png", PNG, "logo.png")
INVOICE = Attachment("Hóa đơn tháng mười một.pdf", "application/pdf", b"%PDF-1.7" + bytes(300))
NOTES = Attachment("notes.txt", "text/plain", "Xin chào\n.\n".encode())

RICH = "multipart/alternative(text/plain multipart/related(text/html image/png))"

words = st.text(alphabet="abcXYZ0189 àếđỷ🎉,;:@<>()!?'\"=_-", max_size=120).map(
    lambda it: " ".join(it.split())
)
bodies = st.lists(
    st.text(st.characters(exclude_characters="{}\0", exclude_categories=["Cs"]), max_size=80)
    | st.sampled_from(
        [*("{{ name }}", "{{ city }}", ".", "\n.\n", "\r\n.", " \n", "=", "=\n", "\t\n", "From x\n", "\n\n")]
    )
    | st.sampled_from(["x" * 1500, "é" * 400, "🎉" * 60, "y" * 76, '<img src="cid:logo.png">']),
    max_size=8,
).map("".join)
files = st.lists(
    st.builds(
        Attachment,
        st.text(max_size=90) | st.just("é" * 150 + ".pdf"),
        st.sampled_from(["application/pdf", "text/plain", "text/csv", "application/octet-stream"]),
        st.binary(max_size=400) | st.just(b"\n.\r\n" * 40) | st.just("Chào".encode()),
    )
    | st.just(LOGO),
    max_size=3,
    unique_by=lambda file: file.cid or object(),
)


def reference(message: Message, name: str, city: str) -> EmailMessage:
    """The same content by the standard library, with the one change that attachments.py has reasons for."""
    values = {"name": name, "email": "ann@one.example", "city": city}
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["From"] = message.sender_from
    mail["To"] = email.headerregistry.Address(name, addr_spec="ann@one.example")
    mail["Date"] = format_datetime(parsedate_to_datetime(write_date(NOW_MS).decode()[6:]))
    mail["Message-ID"] = "<t0k3n.7@x.example>"
    mail["Subject"] = rendered(message.subject, **values).removesuffix("\n")
    text, html = message.text.strip() and message.text, message.html.strip() and message.html
    inline = [file for file in message.files if html and file.cid in attachments.named(message.html)]
    if text or not html:
        mail.set_content(rendered(message.text, **values), cte="quoted-printable")
    if html:
        add = mail.add_alternative if text else mail.set_content
        add(rendered(message.html, html=True, **values), subtype="html", cte="quoted-printable")
    if inline:
        shown = mail.get_payload()[1] if text else mail
        for file in inline:
            main, sub = file.type.split("/")
            more = {"cid": f"<{file.cid}>", "filename": file.name, "disposition": "inline"}
            shown.add_related(file.data, main, sub, **more)
        shown.set_param("type", "text/html")
    for file in message.files:
        if file not in inline:
            mail.add_attachment(file.data, *file.type.split("/"), filename=attachments.clean_name(file.name))
    return mail


def shape(part: EmailMessage):
    """What a part is, without its boundary; a text says its charset by one way or the other."""
    kept = {name: value for name, value in part.get_params() if name not in {"boundary", "name", "charset"}}
    if part.is_multipart():
        return kept, [shape(inner) for inner in part.iter_parts()]
    encoded = part["Content-Transfer-Encoding"]
    what = (part.get_content_disposition(), part.get_filename(), part["Content-ID"], encoded)
    lines = part.get_payload().split() if encoded == "base64" else part.get_payload(decode=True).splitlines()
    return kept, what, lines


def without_folds(header) -> str:
    """A header without its spaces: the library makes new ones where it parts a long name."""
    return "".join(str(header).split())


def parsed(data: bytes) -> EmailMessage:
    return email.message_from_bytes(data, policy=email.policy.default)


@settings(max_examples=60)
@given(words, words, bodies, bodies, words, files)
def test_it_is_what_the_standard_library_makes_of_the_same_content(  # noqa: PLR0917
    subject, name, text, html, city, attached
):
    message = Message(FROM, subject + "{{ city }}", text, html, tuple(attached))
    data = fill(message, name=name, fields={"city": city}).data
    ours, theirs = parsed(data), parsed(reference(message, name, city).as_bytes())
    assert not any(part.defects for part in ours.walk())
    assert shape(ours) == shape(theirs)
    for header in ("From", "To", "Date", "Message-ID", "MIME-Version"):
        assert without_folds(ours[header]) == without_folds(theirs[header])
    assert without_folds(ours["Subject"]) == without_folds(subject + city)
    assert stuffed(data) == data + b".\r\n"
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert data.isascii()
    assert b"bcc" not in data.partition(b"\r\n\r\n")[0].lower()


@settings(max_examples=60)
@given(bodies, bodies, words, files)
def test_a_parser_that_knows_nothing_of_it_reads_all_of_it_back(text, html, city, attached):
    message = Message(FROM, "s", text + "{{ city }}x", html + "{{ city }}x", tuple(attached))
    read = foreign_mail.read(fill(message, fields={"city": city}).data)
    values = {"name": "Ann", "email": "ann@one.example", "city": city}
    assert not read.faults
    assert read.text == rendered(message.text, **values)
    assert read.html == rendered(message.html, html=True, **values)
    inline = [file for file in attached if file.cid in attachments.named(message.html)]
    expected = inline + [file for file in attached if file not in inline]
    assert [(file.name, file.kind, file.size) for file in read.attachments] == [
        (attachments.clean_name(file.name), file.type, len(file.data)) for file in expected
    ]


@pytest.mark.parametrize(
    ("text", "html", "attached", "structure"),
    [
        ("t", "", (), "text/plain"),
        ("", "<p>h", (), "text/html"),
        ("t", "<p>h", (), "multipart/alternative(text/plain text/html)"),
        ("t", "", (INVOICE,), "multipart/mixed(text/plain application/pdf)"),
        ("t", "<p>h", (LOGO,), "multipart/mixed(multipart/alternative(text/plain text/html) image/png)"),
        ("t", "", (LOGO,), "multipart/mixed(text/plain image/png)"),
        ("", "<img src=cid:logo.png>", (LOGO,), "multipart/related(text/html image/png)"),
        (
            "t",
            "<img src=cid:logo.png>",
            (INVOICE, LOGO, NOTES),
            f"multipart/mixed({RICH} application/pdf text/plain)",
        ),
    ],
)
def test_only_the_parts_that_are_needed_are_there(text, html, attached, structure):
    def told(part):
        inner = " ".join(map(told, part.iter_parts())) if part.is_multipart() else ""
        return part.get_content_type() + (f"({inner})" if inner else "")

    assert told(parsed(fill(Message(FROM, "s", text, html, attached)).data)) == structure


def test_no_boundary_is_the_beginning_of_another_or_too_long():
    prepared = prepare(
        Message(FROM, "s", "t", "<img src=cid:logo.png>", (LOGO, NOTES)), token="m_" * 32, domain=None
    )
    mail = parsed(prepared.fill(1, "ann@one.example", "", None, NOW_MS).data)
    found = [part.get_boundary() for part in mail.walk() if part.is_multipart()]
    assert len(found) == 3
    assert max(map(len, found)) <= 70  # RFC 2046 section 5.1.1
    assert not any(a != b and a.startswith(b) for a in found for b in found)
    assert [part.get_content_type() for part in mail.walk() if not part.is_multipart()] == [
        *("text/plain", "text/html", "image/png", "text/plain")
    ]


def test_all_who_get_it_share_the_files_and_nobody_copies_them():
    prepared = prepare(
        Message(FROM, "{{ name }}", "Hi {{ name }}", "<p>{{ name }}", (INVOICE,)), token="t", domain=None
    )
    ann, bob = (prepared.fill(n, f"{n}@one.example", f"N{n}", None, NOW_MS) for n in (1, 2))
    assert ann.tail is bob.tail
    assert b"application/pdf" in ann.tail
    assert b"N1" in ann.head
    assert ann.data == ann.head + ann.tail
    assert fill(Message(FROM, "s", "t")).tail == b""


def test_files_count_where_a_message_is_too_large():
    large = Attachment("a.bin", "application/octet-stream", bytes(10_000_000))
    one = prepare(Message(FROM, "s", "{{ a }}", "", (large,)), token="t", domain=None)
    assert one.length > 13_600_000
    assert one.most == compose.TEXT_MAX + len(attachments.part(large, inline=False))
    assert one.oversize({"a": 9_000_000}) is None
    assert "limit is 23.7 MB" in str(one.oversize({"a": 11_000_000}))
    without = prepare(Message(FROM, "s", "{{ a }}"), token="t", domain=None)
    encoded = attachments.encoded_size(len(large.data))
    assert without.oversize({"a": 9_000_000}, encoded) is None
    assert "limit is 23.7 MB" in str(without.oversize({"a": 11_000_000}, encoded))
    constant = prepare(Message(FROM, "s", "é" * 900_000), token="t", domain=None)
    assert constant.oversize({}, encoded) is None
    assert "limit is 30 MB" in str(constant.oversize({}, 2 * encoded))
    two = prepare(Message(FROM, "s", "{{ a }}", "", (large, large)), token="t", domain=None)
    assert two.most == compose.MESSAGE_MAX
    assert "limit is 30 MB" in str(two.oversize({"a": 4_000_000}))
    with pytest.raises(MergeError, match="30 MB"):
        two.fill(1, "ann@one.example", "", {"a": "x" * 4_000_000}, NOW_MS)
    with pytest.raises(ComposeError, match="limit is 30 MB"):
        prepare(Message(FROM, "s", "é" * 900_000, "", (large, large)), token="t", domain=None)
