"""What a file is, by what stands in it: a name may say anything.

Pure. Only the beginning is looked at, and of an archive the names in its first entry. Where two kinds begin
alike, such as a table and other text, the end of the name decides between them, and only between those.
"""

from __future__ import annotations

import re

IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What every mail program shows, and no browser runs."""

HTML, SVG, ANY = "text/html", "image/svg+xml", "application/octet-stream"
_TEXT, _XML, _ZIP, _OLE = "text/plain", "application/xml", "application/zip", "application/x-ole-storage"
_LOOKED_AT = 4_096  # bytes of a text

_BEGINNINGS = tuple(  # the first that fits
    (re.compile(beginning, re.DOTALL), kind)
    for beginning, kind in (
        (rb"\x89PNG\r\n\x1a\n", "image/png"),
        (rb"\xff\xd8\xff", "image/jpeg"),
        (rb"GIF8[79]a", "image/gif"),
        (rb"RIFF.{4}WEBP", "image/webp"),
        (rb"RIFF.{4}WAVE", "audio/wav"),
        (rb".{4}ftyp(?:heic|heix|mif1|msf1)", "image/heic"),
        (rb".{4}ftypavif", "image/avif"),
        (rb".{4}ftyp", "video/mp4"),
        (rb"II\*\0|MM\0\*", "image/tiff"),
        (rb"%PDF-", "application/pdf"),
        (rb"PK(?:\x03\x04|\x05\x06)", _ZIP),
        (rb"\x1f\x8b", "application/gzip"),
        (rb"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
        (rb"Rar!\x1a\x07", "application/vnd.rar"),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OLE),
        (rb"\{\\rtf", "application/rtf"),
        (rb"ID3|\xff[\xfb\xf3\xf2]", "audio/mpeg"),
        (rb"OggS", "audio/ogg"),
        (rb"MZ", "application/vnd.microsoft.portable-executable"),
        (rb"\x7fELF", "application/x-elf"),
    )
)
_BEFORE = (  # the first element: what is read of it is never read another way, so it costs its length
    r"(?:(?><\?xml.*?\?>)|(?><!--.*?-->)|(?><!doctype svg[^>\[]*(?:\[.*?\])?\s*>)|\s)*+"
)
_TEXTS = tuple(
    (re.compile(beginning, re.DOTALL | re.IGNORECASE), kind)
    for beginning, kind in (
        (rf"{_BEFORE}<(?:\w+:)?svg[\s>/]", SVG),
        (rf"{_BEFORE}<(?:!doctype html|html|head|body|script|iframe|style|meta)\b", HTML),
        (r"<\?xml", _XML),
        (r"begin:vcalendar", "text/calendar"),
        (r"begin:vcard", "text/vcard"),
    )
)
_OFFICE = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."
_BY_END = {  # of the name, where what stands in the file fits several kinds
    (_TEXT, "csv"): "text/csv",
    (_ZIP, "docx"): f"{_OFFICE}wordprocessingml.document",
    (_ZIP, "xlsx"): f"{_OFFICE}spreadsheetml.sheet",
    (_ZIP, "pptx"): f"{_OFFICE}presentationml.presentation",
    (_ZIP, "odt"): f"{_ODF}text",
    (_ZIP, "ods"): f"{_ODF}spreadsheet",
    (_ZIP, "odp"): f"{_ODF}presentation",
    (_ZIP, "epub"): "application/epub+zip",
    (_OLE, "doc"): "application/msword",
    (_OLE, "xls"): "application/vnd.ms-excel",
    (_OLE, "ppt"): "application/vnd.ms-powerpoint",
    (_OLE, "msg"): "application/vnd.ms-outlook",
}
_CLAIMS = {  # what a file with such a name must be
    **dict.fromkeys(("png", "jpg", "jpeg", "gif", "webp"), IMAGES),
    "pdf": frozenset({"application/pdf"}),
    **{end: frozenset({kind}) for (_family, end), kind in _BY_END.items() if end != "csv"},
    "zip": frozenset({_ZIP}),
    **dict.fromkeys(("csv", "txt"), frozenset({_TEXT, "text/csv", ANY})),  # ANY: UTF-16, from a spreadsheet
}
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")


def end_of(name: str) -> str:
    """Return the end of a name behind its last dot, lower-case; empty if it has none."""
    return name.rpartition(".")[2].lower() if "." in name else ""


def kind_of(data: bytes, name: str) -> str:
    """Return the media type of a file; ``application/octet-stream`` where it is none of those known here."""
    kind = next((kind for beginning, kind in _BEGINNINGS if beginning.match(data)), "") or _kind_of_text(data)
    return _BY_END.get((kind, end_of(name)), kind)


def is_as_named(kind: str, name: str) -> bool:
    """Whether a file of this kind may have the name: ``photo.png`` is an image, and no page."""
    claim = _CLAIMS.get(end_of(name))
    return claim is None or kind in claim


def _kind_of_text(data: bytes) -> str:
    if _CONTROL.search(data):
        return ANY
    beginning = data[:_LOOKED_AT].decode("utf-8-sig", "replace").lstrip()
    return next((kind for pattern, kind in _TEXTS if pattern.match(beginning)), _TEXT)
