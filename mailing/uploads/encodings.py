"""Which encoding a file of text is in, and how many lines it has.

A byte order mark decides, then whether all of it is UTF-8, then zero bytes in every other place (UTF-16),
then chardet, which is shown the lines that are not ASCII.
"""

from __future__ import annotations

import codecs
import io
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import chardet

from mailing.core.reasons import Reason, UnfitError

if TYPE_CHECKING:
    from typing import BinaryIO

HEAD = 65_536  # bytes
_CHUNK = 1 << 20
_GUESSED_MAX = 131_072  # bytes that chardet is shown
_ZEROS = 0.2  # of every other byte: text in UTF-16 with ASCII in it has more
_BROKEN_MAX = 0.01  # of the bytes that are not ASCII: more means that it is no UTF-8

BOMS = (  # the longer ones first
    ("utf-32-le", codecs.BOM_UTF32_LE),
    ("utf-32-be", codecs.BOM_UTF32_BE),
    ("utf-8", codecs.BOM_UTF8),
    ("utf-16-le", codecs.BOM_UTF16_LE),
    ("utf-16-be", codecs.BOM_UTF16_BE),
)
_GUESSED = re.compile(
    r"(?:iso|cp|mac|koi8|euc|shift|big5|gb|johab|tis|kz)[\w-]{0,20}"
)  # other ones that chardet knows
ENCODINGS = {  # what a person may choose: Python's name, and what people call it
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16 LE",
    "utf-16-be": "UTF-16 BE",
    "cp1258": "Windows-1258",
    "cp1252": "Windows-1252",
    "cp1250": "Windows-1250",
    "cp1251": "Windows-1251",
    "cp1253": "Windows-1253",
    "cp1254": "Windows-1254",
    "cp1255": "Windows-1255",
    "cp1256": "Windows-1256",
    "cp1257": "Windows-1257",
    "cp874": "Windows-874",
    "koi8-r": "KOI8-R",
    "mac-roman": "Mac Roman",
    "shift_jis": "Shift JIS",
    "gb18030": "GB 18030",
    "big5": "Big5",
    "cp949": "EUC-KR",
}


@dataclass(frozen=True, slots=True)
class Text:
    """What was found out about a file of text. ``lines`` is how many it has, blank ones too."""

    encoding: str
    lines: int


def find(file: BinaryIO) -> Text:
    """Return the encoding of a file, by Python's name, and count its lines."""
    file.seek(0)
    head = file.read(HEAD)
    encoding = next((name for name, bom in BOMS if head.startswith(bom)), "") or _wide(head)
    file.seek(0)
    if encoding.startswith(("utf-16", "utf-32")):
        return Text(encoding, _lines(file))
    guessed, lines = _scan(file)
    return Text(encoding or guessed, lines)


def beginning(file: BinaryIO) -> str:
    """Return how a file begins, as text; what is no UTF-8 and no UTF-16 becomes U+FFFD."""
    file.seek(0)
    head = file.read(HEAD)
    encoding = next((name for name, bom in BOMS if head.startswith(bom)), "") or _wide(head) or "utf-8"
    return head.decode(encoding, "replace").removeprefix("\ufeff")


def checked(name: str) -> str:
    """Return Python's name of an encoding that a person has chosen. Raises ``UnfitError``."""
    if name in ENCODINGS:
        return name
    with suppress(LookupError):
        if _GUESSED.fullmatch(name):
            return codecs.lookup(name).name
    raise UnfitError(Reason("upload.unknown-encoding", name=f"{name:.40}"))


def opened(file: BinaryIO, encoding: str) -> io.TextIOWrapper:
    """Return a file as text behind its byte order mark, each line with the end that it has.

    Bytes that are none of this encoding become U+FFFD. ``detach`` it, or it closes the file.
    """
    file.seek(0)
    head = file.read(4)
    bom = next((bom for name, bom in BOMS if name == encoding and head.startswith(bom)), b"")
    file.seek(len(bom))
    return io.TextIOWrapper(file, encoding, errors="replace", newline="")


def _wide(head: bytes) -> str:
    """Return which UTF-16 it is, without a mark, if it is any."""
    even, odd = head[::2].count(0), head[1::2].count(0)
    least = len(head) // 2 * _ZEROS
    if odd > least and even < odd // 4:
        return "utf-16-le"
    return "utf-16-be" if even > least and odd < even // 4 else ""


def _lines(file: BinaryIO) -> int:
    """Count the ends of lines, of whatever width the letters are."""
    feeds = returns = 0
    while chunk := file.read(_CHUNK):
        feeds += chunk.count(b"\n")
        returns += chunk.count(b"\r")
    return feeds or returns


def _scan(file: BinaryIO) -> tuple[str, int]:
    """Return the encoding of a file without a mark, and how many lines it has."""
    decoder, utf8 = codecs.getincrementaldecoder("utf-8")(), True
    feeds = returns = 0
    odd = bytearray()  # the lines that are not ASCII, the first of them
    while chunk := file.read(_CHUNK):
        feeds += chunk.count(b"\n")
        returns += chunk.count(b"\r")
        if utf8:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                utf8 = False
        if len(odd) < _GUESSED_MAX and not chunk.isascii():
            odd += b"\n".join(line for line in chunk.splitlines() if not line.isascii())[:_GUESSED_MAX]
    if utf8:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            utf8 = False
    return ("utf-8" if utf8 else _guess(bytes(odd[:_GUESSED_MAX]))), feeds or returns


def _guess(odd: bytes) -> str:
    """Return the encoding of lines that are not ASCII, and not all UTF-8."""
    high = sum(byte > 0x7F for byte in odd)  # noqa: PLR2004
    if odd.decode("utf-8", "replace").count("\ufffd") <= high * _BROKEN_MAX:
        return "utf-8"
    name = chardet.detect(odd, prefer_superset=True)["encoding"] or "cp1252"
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp1252"
