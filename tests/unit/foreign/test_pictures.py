"""Pictures that came with a message stand in its HTML; nothing else is put there."""

from __future__ import annotations

from base64 import b64encode
from email.message import EmailMessage

import pytest

from mailing.foreign import pictures
from mailing.foreign.mail import read

DOT = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,"


def shown(html: str, kind: str = "gif") -> str:
    message = EmailMessage()
    message.set_content("text")
    message.add_alternative(html, subtype="html")
    message.get_payload()[1].add_related(DOT, "image", kind, cid="<dot@x.example>")
    return pictures.in_place(read(bytes(message)))


@pytest.mark.parametrize(
    "place",
    ["<img src='{}'>", '<td background="{}">', "<p style='background: url({})'>", "<img src={} alt=x>"],
)
def test_a_picture_stands_where_its_address_stood(place):
    data = f"data:image/gif;base64,{b64encode(DOT).decode()}"
    assert place.format(data) in shown(place.format("cid:dot@x.example"))
    assert place.format(data) in shown(place.format("CID:dot%40x.example"))


def test_an_unknown_address_a_word_and_a_drawing_with_scripts_stay_as_they_are():
    assert 'src="cid:other"' in shown('<img src="cid:other">')
    assert "acid:dot@x.example" in shown("<p>acid:dot@x.example</p>")
    assert 'src="cid:dot@x.example"' in shown('<img src="cid:dot@x.example">', kind="svg+xml")


def test_a_page_holds_a_bounded_number_of_bytes_of_pictures(monkeypatch):
    monkeypatch.setattr(pictures, "SHOWN_MOST", 2 * len(DOT))
    assert shown('<img src="cid:dot@x.example">' * 3).count("data:image/gif") == 2
