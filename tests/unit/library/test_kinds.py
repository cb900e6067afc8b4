"""A file is what stands in it, whatever it is called."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.library.kinds import is_as_named, kind_of

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
ZIP = b"PK\x03\x04" + bytes(20)


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (PNG, "x", "image/png"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "x", "image/jpeg"),
        (b"GIF89a\1\0\1\0", "x", "image/gif"),
        (b"RIFF\1\0\0\0WEBPVP8 ", "x", "image/webp"),
        (b"%PDF-1.7\n", "x", "application/pdf"),
        (ZIP, "x.zip", "application/zip"),
        (ZIP, "x.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "x.xls", "application/vnd.ms-excel"),
        (b"MZ\x90\0", "x.txt", "application/vnd.microsoft.portable-executable"),
        (b"a,b\n1,2\n", "x.csv", "text/csv"),
        (b"a,b\n1,2\n", "x", "text/plain"),
        ("Xin chào\n".encode(), "x.txt", "text/plain"),
        (b"\xff\xfea\0,\0b\0", "x.csv", "application/octet-stream"),
        (b"BEGIN:VCALENDAR\r\n", "x", "text/calendar"),
        (b"<!DOCTYPE html><p>", "x.png", "text/html"),
        (b" \n<script>alert(1)</script>", "x.txt", "text/html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "x.png", "image/svg+xml"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a --><!-- b -->\n<svg:svg>", "x", "image/svg+xml"),
        (
            b"<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x' [<!ENTITY a 'b'>]>\n<svg>",
            "x",
            "image/svg+xml",
        ),
        (b"<?xml version='1.0'?><feed/>", "x", "application/xml"),
        (b"\0\1\2", "x.png", "application/octet-stream"),
    ],
)
def test_the_kind_of_a_file_is_found_in_it(data, name, kind):
    assert kind_of(data, name) == kind


@pytest.mark.parametrize(
    ("kind", "name", "fits"),
    [
        ("image/png", "a.png", True),
        ("image/jpeg", "a.PNG", True),
        ("text/html", "a.png", False),
        ("text/html", "a.html", True),
        ("application/pdf", "a.pdf", True),
        ("application/zip", "a.pdf", False),
        ("application/vnd.microsoft.portable-executable", "a.docx", False),
        ("text/html", "a.txt", False),
        ("text/plain", "a", True),
    ],
)
def test_a_name_may_not_claim_what_the_file_is_not(kind, name, fits):
    assert is_as_named(kind, name) is fits


@given(st.binary(max_size=200), st.text(max_size=20))
def test_anything_has_a_kind(data, name):
    assert "/" in kind_of(data, name)


@pytest.mark.parametrize(
    "data", [b"<!-- --> " * 1000, b"<?xml ?>" * 1000, b"<!--" * 1000, b"<!doctype svg [" * 500 + b" " * 9000]
)
def test_what_is_made_to_be_slow_to_read_is_not(data):
    begun = time.process_time()
    kind_of(data, "x")
    assert time.process_time() - begun < 0.5
