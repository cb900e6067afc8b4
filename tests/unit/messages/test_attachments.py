"""A file's name is safe in every header, and its part says what it is."""

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.foreign import mail as foreign_mail
from mailing.messages import attachments
from mailing.messages.attachments import NAME_MAX, Attachment, abridged, cid_of, clean_name, named


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [
        ("report.pdf", "report.pdf"),
        ("../../x", "x"),
        ("C:\\fakepath\\photo.png", "photo.png"),
        ("/etc/passwd", "passwd"),
        ("a\r\nBcc: eve@x.example", "aBcc_ eve@x.example"),
        ('say "hi" <now>.txt', "say _hi_ _now_.txt"),
        ("tab\there   and there.txt", "tab here and there.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("Ba\u0301o ca\u0301o.pdf", "Báo cáo.pdf"),
        (".bashrc", "bashrc"),
        ("...", "file"),
        ("", "file"),
        ("\0\x1f\ud800", "file"),
        ("x" * 300 + ".pdf", "x" * (NAME_MAX - 4) + ".pdf"),
        ("é" * 300 + ".pdf", "é" * ((NAME_MAX - 4) // 2) + ".pdf"),
        ("x." + "y" * 300, ("x." + "y" * 300)[:NAME_MAX]),
    ],
)
def test_a_name_keeps_what_people_read_and_nothing_that_leads_elsewhere(given, cleaned):
    assert clean_name(given) == cleaned


@given(st.text(max_size=400))
def test_any_name_is_cleaned_once_and_for_all(name):
    cleaned = clean_name(name)
    assert clean_name(cleaned) == cleaned
    assert 0 < len(cleaned.encode()) <= NAME_MAX
    assert not set(cleaned) & set('/\\\r\n\0"<>')


@given(st.text(max_size=300), st.binary(min_size=1, max_size=500), st.booleans())
def test_a_part_reads_back_as_what_it_was_made_of(name, data, inline):
    part = attachments.part(Attachment(name, "image/png", data, "logo.png"), inline=inline)
    assert part.isascii()
    assert max(map(len, part.split(b"\r\n"))) <= 998
    assert b"\n" not in part.replace(b"\r\n", b"")
    parsed = email.message_from_bytes(part, policy=email.policy.default)
    assert not parsed.defects
    assert parsed.get_content_type() == "image/png"
    assert parsed.get_content_disposition() == ("inline" if inline else "attachment")
    assert parsed["Content-ID"] == ("<logo.png>" if inline else None)
    assert parsed.get_content() == data
    assert parsed.get_filename() == clean_name(name)
    assert [file.name for file in foreign_mail.read(part).attachments] == [clean_name(name)]


@given(st.integers(0, 400) | st.sampled_from([57 * 1000, 57 * 1000 + 1]))
def test_how_much_a_file_takes_is_known_without_encoding_it(size):
    part = attachments.part(Attachment("x", "image/png", bytes(size)), inline=False)
    assert len(part.partition(b"\r\n\r\n")[2]) == attachments.encoded_size(size)


def test_a_long_name_beyond_ascii_is_one_parameter_with_an_ascii_name_beside_it():
    part = attachments.part(Attachment("Đề " * 30 + "án.pdf", "application/pdf", b"x"), inline=False)
    head = part.partition(b"\r\n\r\n")[0].decode()
    assert head.count("filename*=utf-8''") == 1
    assert "filename*0" not in head
    assert f'name="{"De " * 30}an.pdf"' in head


def test_a_name_in_letters_without_ascii_forms_still_has_its_end():
    assert attachments.ascii_name("报告.pdf") == "__.pdf"
    assert cid_of("报告.png") == "png"
    assert cid_of("Ảnh bìa.png") == "Anh-bia.png"
    assert cid_of("🎉") == "image"


@given(st.text(max_size=100))
def test_an_id_made_of_any_name_is_found_where_html_names_it(name):
    cid = cid_of(clean_name(name))
    Attachment("x", "image/png", b"x", cid)
    assert named(f"<img src='cid:{cid}'> url(CID:{cid})") == {cid}


@pytest.mark.parametrize(
    ("kind", "cid"),
    [("text/plain\r\nX: y", ""), ("png", ""), ("image/png", "a>\r\nX: y"), ("image/png", " ")],
)
def test_what_no_header_can_hold_is_refused(kind, cid):
    with pytest.raises(ValueError, match="No header can hold"):
        Attachment("x", kind, b"x", cid)


@pytest.mark.parametrize(("data", "charset"), [("Xin chào".encode(), "utf-8"), (b"\xff\xfeH\0", None)])
def test_a_text_says_its_charset_where_that_is_certain(data, charset):
    part = attachments.part(Attachment("a.txt", "text/plain", data), inline=False)
    assert email.message_from_bytes(part).get_content_charset() == charset


def test_the_source_of_a_message_is_shown_without_what_is_encoded():
    part = attachments.part(Attachment("a.bin", "application/octet-stream", bytes(5000)), inline=False)
    source = "Subject: x\r\n\r\n" + part.decode() + "\r\n--b--\r\n"
    shown = abridged(source)
    assert len(shown) < 400
    assert shown.endswith("\r\n\r\n[…]\n\r\n--b--\r\n")
    assert abridged("Dear Ann,\r\n" * 50) == "Dear Ann,\r\n" * 50
