"""Text as quoted-printable lines (RFC 2045 section 6.7), in pieces that never meet within a line.

Pure. Every piece starts at the beginning of an encoded line and ends with a line break, a soft one (``=``)
where the text has none. No line is longer than 76 characters, and none begins with a dot.
"""

from __future__ import annotations

import re
from binascii import b2a_qp
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, cast

from mailing.messages.values import printed, unify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.messages.templates import Piece, Render, Segment
    from mailing.messages.values import Values

_PLAIN = re.compile(r"[!-\-/-<>-~](?:[ -<>-~]{0,70}[!-<>-~])?")  # a short line that needs no quoting
_OVERLONG = re.compile(rb"^(.{74,75})(=20|=09)$", re.MULTILINE)  # b2a_qp forgets its limit at a final space
_LEADING_DOT = re.compile(rb"^\.(.*)", re.MULTILINE)
_ROOM = 72  # what fits on a line of 76 behind =2E and before a soft break


def pieces(*segments: Segment) -> list[Piece]:
    """Return the pieces of a body. Neighbouring constants become one, so they need no break between."""
    found: list[Piece] = []
    for constant, run in groupby(segments, key=lambda segment: isinstance(segment, str)):
        if constant:
            found.append(quoted("".join(cast("Iterator[str]", run))))
        else:
            found += [partial(_quoted_value, render) for render in cast("Iterator[Render]", run)]
    return found


def quoted(text: str) -> bytes:
    """Return a whole number of quoted-printable lines that decode to ``text``, its line ends as CRLF."""
    # The x keeps the end of the text from being the end of the encoding: so the last line has room for
    # the soft break, and a final space or dot needs no escape.
    lines = b2a_qp(unify(text).encode() + b"x", istext=True)[:-1]
    while b"\n." in lines or lines.startswith(b"."):
        lines = _LEADING_DOT.sub(_spell_dot, lines)
    if b"\n" in lines:
        lines = _OVERLONG.sub(rb"\1=\n\2", lines).replace(b"\n", b"\r\n")
    return lines if lines.endswith(b"\n") or not lines else lines + b"=\r\n"


def _quoted_value(render: Render, values: Values) -> bytes:
    value = render(values)
    text = value if isinstance(value, str) else printed(value)
    return text.encode() + b"=\r\n" if _PLAIN.fullmatch(text) else quoted(text)


def _spell_dot(line: re.Match[bytes]) -> bytes:
    """Spell the dot that begins a line: a careless server might take it for the end of the message."""
    return b"=2E" + (line[1] if len(line[1]) <= _ROOM else b"=\n" + line[1])
