"""The parts of a message, one within the other: text and HTML, the images in it, and what is attached.

Pure. Only what is needed is there: ``multipart/mixed`` with attachments, ``alternative`` with two bodies
(RFC 2046 sections 5.1.3 and 5.1.4), ``related`` with images that the HTML names (RFC 2387). Files come last,
so that all of them stand behind the last field, in what is the same for everybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.messages import attachments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mailing.messages.attachments import Attachment
    from mailing.messages.marks import Part
    from mailing.messages.templates import Piece

_BODY = "Content-Type: text/{}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"


def assemble(
    bodies: Mapping[Part, Sequence[Piece]], html: str, files: Sequence[Attachment], token: str
) -> tuple[Sequence[Piece], int]:
    """Return the pieces of a message from its Content-Type on, and how many bytes of them are its files.

    ``bodies`` are encoded, the plainest first. An image is within the HTML where that names it, and attached
    where not. ``token`` makes boundaries that stand in no part.
    """
    named = attachments.named(html) if "html" in bodies else frozenset()
    inline = [attachments.part(file, inline=True) for file in files if file.cid in named]
    attached = [attachments.part(file, inline=False) for file in files if file.cid not in named]
    parts: dict[Part, list[Piece]] = {
        part: [_BODY.format("html" if part == "html" else "plain").encode(), *encoded]
        for part, encoded in bodies.items()
    }
    if inline:
        related: list[Sequence[Piece]] = [parts["html"], *([image] for image in inline)]
        parts["html"] = _multipart('related; type="text/html"', f"=_r_{token}", related)
    whole = [*parts.values()]
    shown = whole[0] if len(whole) == 1 else _multipart("alternative", f"=_a_{token}", whole)
    if attached:
        shown = _multipart("mixed", f"=_m_{token}", [shown, *([file] for file in attached)])
    return shown, sum(map(len, inline)) + sum(map(len, attached))


def _multipart(kind: str, boundary: str, parts: Sequence[Sequence[Piece]]) -> list[Piece]:
    """Return parts between lines with a boundary (RFC 2046 section 5.1.1).

    A boundary begins with ``=_``, which stands in no quoted-printable line and in no base64.
    """
    pieces: list[Piece] = [f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n'.encode()]
    for part in parts:
        pieces += [f"\r\n--{boundary}\r\n".encode(), *part]
    return [*pieces, f"\r\n--{boundary}--\r\n".encode()]
