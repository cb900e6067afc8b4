"""The bytes of foreign mail as text: charsets, transfer encodings, encoded words. Nothing here raises.

Pure. Whatever stands there has a meaning here: a charset that does not exist is read as UTF-8 or else as
Latin-1, broken base64 as far as it goes. ``note`` takes the reason where that was needed.
The time is in proportion to the bytes.
"""

from __future__ import annotations

import re
from binascii import Error, a2b_base64, a2b_qp, a2b_uu
from encodings.aliases import aliases
from typing import TYPE_CHECKING, TypeAlias

from mailing.core.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Note: TypeAlias = Callable[[Reason], None]

UNREADABLE = "\ufffd"
QUOTED = 60  # characters of what came that a sentence quotes

_NO_CHARSETS = {  # codecs that make no text of bytes, and what must not be read (RFC 7567, WHATWG Encoding)
    *("base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec"),
    *("idna", "mbcs", "utf_7"),
}
_OTHERS = ("cp720", "cp737", "cp874", "koi8_t", "koi8_u", "mac_cyrillic", "utf_8_sig")  # have no alias
_WIDER = {  # what is sent under a narrow name is often of its wider brother
    **dict.fromkeys(("gb2312", "gbk"), "gb18030"),
    "windows_874": "cp874",
    "sjis": "cp932",
    "shift_jis": "cp932",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
}
_CHARSETS = {
    name: codec
    for name, codec in {
        **{codec: codec for codec in (*aliases.values(), *_OTHERS)},
        **aliases,
        **_WIDER,
    }.items()
    if codec not in _NO_CHARSETS
}
_UNFIT = re.compile("[\0\ud800-\udfff]")  # no text can hold them
_WORD = re.compile(r"=\?([^?*\s]{1,64})(?:\*[^?\s]{0,64})?\?([bBqQ])\?([^?]*)\?=")
_STRAY = re.compile(rb"[^A-Za-z0-9+/]+")
_BAD_ESCAPE = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?(?:\n|\Z))")
_MOST_STRAY = 0.05  # more than that of it, and it is no base64
_QUARTET = 4


def quote(text: str) -> str:
    """Return ``text`` as a sentence may quote it."""
    plain = " ".join(text.split())
    return f"“{plain[:QUOTED]}…”" if len(plain) > QUOTED else f"“{plain}”"


def codec(charset: str) -> str | None:
    """Return Python's name of the codec of a charset (RFC 2978); None if it makes no text."""
    name = re.sub(r"[^a-z0-9.]+", "_", charset.strip().lower()).removeprefix("x_")
    return _CHARSETS.get(name)


def decode(data: bytes, charset: str, note: Note) -> str:
    """Return ``data`` as text, in lines that end with LF."""
    known = codec(charset)
    if known is None:
        text, other = _guess(data)
        note(Reason("foreign-mail.charset-unknown", quoted=quote(charset), other=other))
    elif known == "ascii":
        text, other = _guess(data)
        if not data.isascii():
            note(Reason("foreign-mail.no-ascii", other=other))
    else:
        text = data.decode(known, "replace")
        if UNREADABLE in text:
            note(Reason("foreign-mail.charset-invalid", name=charset.strip(), mark=UNREADABLE))
    if _UNFIT.search(text):
        note(Reason("foreign-mail.broken-characters", mark=UNREADABLE))
        text = _UNFIT.sub(UNREADABLE, text)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _guess(data: bytes) -> tuple[str, str]:
    try:
        return data.decode(), "UTF-8"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "Latin-1"


def undo(data: bytes, encoding: str, note: Note) -> bytes:
    """Return the content of a body from its Content-Transfer-Encoding (RFC 2045 section 6)."""
    name = encoding.strip().lower()
    if name in {"", "7bit", "8bit", "binary"}:
        return data
    if name == "base64":
        return _unbase64(data, note)
    if name == "quoted-printable":
        if _BAD_ESCAPE.search(data):
            note(Reason("foreign-mail.quoted-printable-broken"))
        return a2b_qp(data)
    if name in {"x-uuencode", "uuencode", "x-uue", "uue"}:
        return _unuuencode(data, note)
    note(Reason("foreign-mail.encoding-unknown", quoted=quote(encoding)))
    return data


def _unbase64(data: bytes, note: Note) -> bytes:
    packed = b"".join(data.split(b"\n")).replace(b"\r", b"").replace(b"\t", b"").strip()
    body, padding, rest = packed.partition(b"=")
    clean = _STRAY.sub(b"", body)
    stray = len(body) - len(clean)
    if stray > max(1, _MOST_STRAY * len(body)):
        note(Reason("foreign-mail.no-base64"))
        return data
    over = len(clean) % _QUARTET
    wrong = over == 1 or (len(padding + rest) != -over % _QUARTET) or rest.strip(b"=")
    if stray or wrong:
        note(Reason("foreign-mail.base64-broken"))
    if over == 1:
        clean = clean[:-1]
    try:
        return a2b_base64(clean + b"=" * (-len(clean) % _QUARTET))
    except Error:  # a last character of a quartet that holds no whole byte
        return data


def _unuuencode(data: bytes, note: Note) -> bytes:
    lines = iter(data.splitlines())
    if not any(line.startswith(b"begin ") for line in lines):
        note(Reason("foreign-mail.no-uuencoding"))
        return data
    decoded: list[bytes] = []
    for line in lines:
        if line.rstrip() in {b"end", b"`", b""}:
            if line.startswith(b"end"):
                return b"".join(decoded)
            continue
        try:
            decoded.append(a2b_uu(line))
        except Error:
            try:  # Some encoders pad a line with what is too much.
                decoded.append(a2b_uu(line[: ((line[0] - 32) & 63) * 4 // 3 + 3]))
            except Error:
                break
    note(Reason("foreign-mail.uuencoding-broken"))
    return b"".join(decoded)


def words(text: str, note: Note) -> str:
    """Return ``text`` with its encoded words decoded (RFC 2047), also where they are broken in two."""
    return "".join(_pieces(text, note))


def _pieces(text: str, note: Note) -> Iterator[str]:
    charset, held, end = "", b"", 0
    for word in _WORD.finditer(text):
        gap = text[end : word.start()]
        decoded = _unword(word[2].lower(), word[3], note)
        if not (held and charset == word[1].lower() and not gap.strip()):
            if held:
                yield decode(held, charset, note)
            if not held or gap.strip():
                yield gap
            held = b""
        charset, held, end = word[1].lower(), held + decoded, word.end()
    if held:
        yield decode(held, charset, note)
    yield text[end:]


def _unword(kind: str, text: str, note: Note) -> bytes:
    data = text.encode("utf-8", "replace")
    return _unbase64(data.replace(b" ", b""), note) if kind == "b" else a2b_qp(data, header=True)
