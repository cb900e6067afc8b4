"""The HTML of a message with the pictures that came with it in place (RFC 2392).

Pure. A frame that loads nothing can show no ``cid:`` address, but what stands in the address itself. Only
kinds that no browser runs are put in; any other address stays as it is.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.foreign.mail import ForeignMail, Part

KINDS = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
SHOWN_MOST = 20 * 1024 * 1024  # bytes of pictures in one page, each as often as it is used

_CID = re.compile(r"""(?i)(?<=["'(=\s])cid:([^\s"'<>()]{1,250})""")


def in_place(mail: ForeignMail) -> str:
    """Return the HTML of a message, each ``cid:`` address of a picture turned into a ``data:`` URL."""
    if "cid:" not in mail.html.lower():
        return mail.html
    pictures, room = dict(_pictures(mail.root)), SHOWN_MOST

    def put(address: re.Match[str]) -> str:
        nonlocal room
        picture = pictures.get(unquote(address[1]))
        if picture is None or picture.size > room:
            return address[0]
        room -= picture.size
        return f"data:{picture.kind};base64,{b64encode(picture.body).decode()}"

    return _CID.sub(put, mail.html)


def _pictures(part: Part) -> Iterator[tuple[str, Part]]:
    if part.kind in KINDS:
        yield part.fields.first("content-id").decode("utf-8", "replace").strip().strip("<>"), part
    for inner in part.parts:
        yield from _pictures(inner)
