"""What a file is, by how it begins and what is packed in it: its name says nothing."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.uploads import encodings
from mailing.uploads.cells import UnreadableError
from mailing.uploads.plans import Format

if TYPE_CHECKING:
    from typing import BinaryIO

_HEAD = 8_192  # bytes
_BINARY = 0.02  # of the characters of a text are at most control characters
_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = re.compile(  # the stream in which Office keeps one with a password; before 2007 a record says so
    re.escape("EncryptedPackage".encode("utf-16-le"))
    + rb"|\x09\x08\x10\x00\x00\x06\x05\x00.{12}(?:\x86\x00\x00\x00)?\x2f\x00",
    re.DOTALL,
)
_ENCRYPTED_MAX = 64  # bytes: no such sign is longer
_BEGINNINGS = (
    (b"%PDF", "pdf"),
    (b"\x89PNG", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF8", "image"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"Rar!", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"BZh", "archive"),
    (b"\xfd7zXZ", "archive"),
    (b"\x28\xb5\x2f\xfd", "archive"),
    (b"PK\x05\x06", "archive"),  # a ZIP archive with nothing in it
    (b"MZ", "program"),
    (b"\x7fELF", "program"),
    (b"{\\rtf", "document"),
)
_PACKED = (  # a name within the archive, and what holds such a one
    (re.compile(r"xl/workbook\.bin\Z", re.IGNORECASE), "xlsb"),
    (re.compile(r"xl/", re.IGNORECASE), Format.XLSX),
    (re.compile(r"word/", re.IGNORECASE), "document"),
    (re.compile(r"ppt/", re.IGNORECASE), "slides"),
)
_OPEN_DOCUMENT = {
    b"application/vnd.oasis.opendocument.spreadsheet": Format.ODS,
    b"application/vnd.oasis.opendocument.text": "document",
    b"application/vnd.oasis.opendocument.presentation": "slides",
}
_TEXTS = (  # what a text begins with
    (re.compile(r"\s*<(?:!doctype html|html|head|body|table|div)\b", re.IGNORECASE), "web-page"),
    (re.compile(r"\s*<(?:\?xml|\w+[\s>])(?![^<>]*@)", re.IGNORECASE), "xml"),
    (re.compile(r"(?:Return-Path|Received|Delivered-To|MIME-Version): ", re.IGNORECASE), "mailbox"),
    (re.compile(r"\s*BEGIN:VCARD\b", re.IGNORECASE), Format.VCARD),
)
_OBJECT = re.compile(r"\s*\{\s*[\"}]")
_ARRAY = re.compile(r"\s*\[\s*[\[{\"\]]")
_ENDINGS = {
    "csv": (Format.CSV,),
    "tsv": (Format.CSV,),
    "tab": (Format.CSV,),
    "xlsx": (Format.XLSX,),
    "xlsm": (Format.XLSX,),
    "xls": (Format.XLS,),
    "ods": (Format.ODS,),
    "json": (Format.JSON, Format.JSONL),
    "jsonl": (Format.JSONL, Format.JSON),
    "ndjson": (Format.JSONL, Format.JSON),
    "vcf": (Format.VCARD,),
    "zip": (Format.ZIP,),
}


def of(file: BinaryIO) -> Format:
    """Return what kind of list a file is. Raises ``UnreadableError`` if it is none."""
    file.seek(0)
    head = file.read(_HEAD)
    kind: Format | str
    if head.startswith(_ZIP):
        kind = _packed(file)
    elif head.startswith(_OLE):
        kind = _compound(file)
    else:
        kind = next((kind for start, kind in _BEGINNINGS if head.startswith(start)), "") or _text(file)
    if not isinstance(kind, Format):
        raise UnreadableError(Reason("upload.no-list", kind=said(kind)))
    return kind


def said(kind: str) -> Reason:
    """Return a kind of file in words, as part of a sentence."""
    return Reason(f"file-kind.{kind}")


def misnamed(name: str, kind: Format) -> bool:
    """Tell whether the end of a file's name promises another kind."""
    promised = _ENDINGS.get(name.rpartition(".")[2].lower())
    return promised is not None and kind not in promised


def _packed(file: BinaryIO) -> Format | str:
    """Return what a ZIP archive is: workbooks and documents are such archives too."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if "mimetype" in names:
                with archive.open("mimetype") as kind:
                    return _OPEN_DOCUMENT.get(kind.read(100).strip(), "archive")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise UnreadableError(Reason("upload.damaged")) from error
    return next((kind for begins, kind in _PACKED if any(map(begins.match, names))), Format.ZIP)


def _compound(file: BinaryIO) -> Format | str:
    """Return what a file of Office before 2007 is; one with a password of any year is such a file."""
    file.seek(0)
    carried = b""
    while chunk := file.read(1 << 20):
        if _ENCRYPTED.search(carried + chunk):
            raise UnreadableError(Reason("upload.password"))
        carried = chunk[-_ENCRYPTED_MAX:]
    return Format.XLS


def _text(file: BinaryIO) -> Format | str:
    head = encodings.beginning(file)
    if not head.strip("\ufeff \t\r\n\0"):
        raise UnreadableError(Reason("upload.empty"))
    control = sum(sign < " " and sign not in "\t\r\n\f\v\x1c\x1f\0" for sign in head)
    if control > len(head) * _BINARY:
        raise UnreadableError(Reason("upload.binary"))
    if found := next((kind for begins, kind in _TEXTS if begins.match(head)), ""):
        return found
    if _ARRAY.match(head):
        return Format.JSON
    return _objects(head) if _OBJECT.match(head) else Format.CSV


def _objects(head: str) -> Format:
    """Return whether each line is an object, or the whole file is one."""
    first, _, rest = head.strip().partition("\n")
    several = first.rstrip().endswith(("}", "},")) and rest.lstrip().startswith("{")
    return Format.JSONL if several else Format.JSON
