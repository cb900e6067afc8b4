"""A file that goes with a message: its name, made safe, and its part of the message, encoded once.

Pure. A name beyond ASCII is one ``filename*=`` (RFC 2231 section 4) with an ASCII ``name=`` beside it on
Content-Type: pieces such as ``filename*0*=``, which ``email`` makes of long ones, show no name in some mail
programs. Whatever a name holds, no header line ends within it.
"""

from __future__ import annotations

import re
import unicodedata
from binascii import b2a_base64
from dataclasses import dataclass
from urllib.parse import quote

_LINE = 76  # characters of base64 (RFC 2045 section 6.8)
NAME_MAX = 240  # bytes of a name in UTF-8: as ``filename*=`` at most three times as many, on one line
CID_MAX = 60  # characters

_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,100}")
_CID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?:@[A-Za-z0-9.-]+)?")
_NAMED = re.compile(r"\bcid:([A-Za-z0-9][A-Za-z0-9._-]*(?:@[A-Za-z0-9.-]+)?)", re.IGNORECASE)
_UNFIT = re.compile(r'[<>:"|?*\\/]+')  # within a name, on one system or another
_QUOTABLE = re.compile(r"[ !#-\[\]-~]+")  # what needs no escape between quotation marks
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LETTERS = str.maketrans({"đ": "d", "Đ": "D"})  # they have no accent that could be left out
_ENCODED = re.compile(r"(?:[A-Za-z0-9+/]{76}\r?\n){3,}(?:[A-Za-z0-9+/=]{1,76}\r?\n)?")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a message. ``type`` is its media type; HTML may show it as ``cid:`` and its ``cid``.

    Raises ``ValueError`` for a type or a cid that no header can hold.
    """

    name: str
    type: str
    data: bytes
    cid: str = ""

    def __post_init__(self) -> None:
        """Keep out of headers what ends a line."""
        if not _TYPE.fullmatch(self.type) or (self.cid and not _CID.fullmatch(self.cid)):
            raise ValueError(f"No header can hold the type {self.type!a} or the id {self.cid!a}.")


def clean_name(name: str) -> str:
    """Return a name without folders, control characters and signs that some system forbids; never empty."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(sign for sign in last if unicodedata.category(sign)[0] != "C" or sign in "\t\u200d")
    shown = " ".join(_UNFIT.sub("_", unicodedata.normalize("NFC", shown)).split()).strip(". ")
    stem, dot, suffix = shown.rpartition(".")
    if not dot or len(suffix.encode()) > NAME_MAX // 4:
        stem, dot, suffix = shown, "", ""
    room = NAME_MAX - len((dot + suffix).encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + dot + suffix or "file"


def ascii_name(name: str) -> str:
    """Return a name in ASCII that still looks like it: accents are left out, other letters become ``_``."""
    plain = unicodedata.normalize("NFKD", name.translate(_LETTERS))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return re.sub(r'[^ -~]|["\\]', "_", plain)


def cid_of(name: str) -> str:
    """Return the id by which HTML may name an image of this name."""
    plain = _UNSAFE.sub("-", ascii_name(name)).strip("._-")
    stem, dot, suffix = plain.rpartition(".")
    return (stem[: CID_MAX - len(dot + suffix)] + dot + suffix)[-CID_MAX:].strip("._-") or "image"


def named(html: str) -> frozenset[str]:
    """Return the ids that HTML names as ``cid:`` (RFC 2392)."""
    return frozenset(_NAMED.findall(html))


def part(file: Attachment, *, inline: bool) -> bytes:
    """Return a file as one part of a message: its header, an empty line, and lines of base64."""
    name = clean_name(file.name)
    plain = _QUOTABLE.fullmatch(name) is not None
    filename = f'filename="{name}"' if plain else f"filename*=utf-8''{quote(name, safe='')}"
    head = (
        f'Content-Type: {file.type}{_charset(file)};\r\n name="{ascii_name(name)}"\r\n'
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: {'inline' if inline else 'attachment'};\r\n {filename}\r\n"
    )
    named_as = f"Content-ID: <{file.cid}>\r\n" if inline else ""
    encoded = b2a_base64(file.data, newline=False)
    lines = [encoded[at : at + _LINE] for at in range(0, len(encoded), _LINE)]
    return f"{head}{named_as}\r\n".encode() + b"\r\n".join([*lines, b""])


def encoded_size(size: int) -> int:
    """Return how many bytes of lines a file of ``size`` bytes becomes, without its header."""
    signs = -(-size // 3) * 4
    return signs + 2 * -(-signs // _LINE)


def _charset(file: Attachment) -> str:
    """Return the charset of a text; without one mail programs take it for ASCII (RFC 2045 section 5.2)."""
    if not file.type.startswith("text/"):
        return ""
    try:
        file.data.decode()
    except UnicodeDecodeError:
        return ""
    return '; charset="utf-8"'


def abridged(source: str) -> str:
    """Return the source of a message with ``[…]`` for its encoded files, which tell nobody anything."""
    return _ENCODED.sub("[…]\n", source)
