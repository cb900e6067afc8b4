"""What is packed in a ZIP archive, measured before anyone unpacks it.

A few kilobytes can unpack to more than any memory holds, and a sheet of two cells can span ten thousand
million. The sizes that an archive declares are nothing to rely on: its members are inflated, counted and
thrown away, and the places of their cells are read by an XML parser that knows no entities from outside.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from contextlib import contextmanager
from copy import copy
from functools import lru_cache
from typing import TYPE_CHECKING
from xml.parsers import expat

from mailing.core.reasons import Reason
from mailing.uploads.cells import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

MEMBERS_MAX = 10_000
UNPACKED_MAX = 512  # MB
CELLS_MAX = 6_000_000  # of one sheet, the empty ones between others too

_MB = 1 << 20
_CHUNK = 1 << 18
_METHODS = frozenset((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
_ENCRYPTED = 0x1
_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, expat.ExpatError),
    *(NotImplementedError, RuntimeError, ValueError, OSError, EOFError),
)
_CELL = re.compile(rb"<(?:[\w.-]{1,40}:)?(?:c|row|table-cell|table-row)[\s/>]")
_TAG_MAX = 64  # bytes: no such tag is longer
_PLACE = re.compile(r"([A-Za-z]{1,3})([0-9]{1,7})")
_LETTERS = re.compile(r"[A-Za-z]{1,3}")


@contextmanager
def opened(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Open an archive for reading. Whatever is wrong with it is an ``UnreadableError``."""
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > MEMBERS_MAX:
                raise UnreadableError(Reason("upload.too-many-files", most=MEMBERS_MAX))
            if any(member.flag_bits & _ENCRYPTED for member in members):
                raise UnreadableError(Reason("upload.password"))
            if not _METHODS.issuperset(member.compress_type for member in members):
                raise UnreadableError(Reason("upload.damaged"))
            yield archive
    except _BROKEN as error:
        raise UnreadableError(Reason("upload.damaged")) from error


def check_workbook(file: BinaryIO) -> None:
    """Raise ``UnreadableError`` unless a workbook can be unpacked and its sheets held."""
    with opened(file) as archive:
        left, sheets = UNPACKED_MAX * _MB, []
        for member in archive.infolist():
            before, cells = b"", False
            for chunk in _inflated(archive, member):
                left -= len(chunk)
                if left < 0:
                    raise UnreadableError(Reason("upload.unpacks-too-large", most=UNPACKED_MAX))
                cells = cells or bool(_CELL.search(before + chunk))
                before = chunk[-_TAG_MAX:]
            if cells:
                sheets.append(member)
        for member in sheets:
            extent = _Extent()
            for chunk in _inflated(archive, member):
                extent.feed(chunk)


def _inflated(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield all that a member unpacks to, whatever size it declares."""
    whole = copy(member)
    whole.file_size = 1 << 60
    with archive.open(whole) as content:
        while chunk := content.read(_CHUNK):
            yield chunk


class _Extent:
    """How far the cells of a sheet reach, in the XML of XLSX or ODS. Empty ones at its end don't count."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._row = self._column = self._bottom = self._right = 0
        self._row_text = ""
        self._cell = False  # it has begun, and may be empty

    def feed(self, chunk: bytes) -> None:
        """Read on. Raises ``UnreadableError`` once it reaches too far."""
        self._parser.Parse(chunk)

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        tag = name.rpartition(":")[2] if ":" in name else name
        if tag == "c":
            self._cell = True
            place = attributes.get("r", "")
            column = _number(place.removesuffix(self._row_text))
            if column:
                self._column = column
            elif parts := _PLACE.fullmatch(place):
                self._column, self._row = _number(parts[1]), int(parts[2])
            else:
                self._column += 1
        elif tag == "row":
            self._cell, self._column = False, 0
            self._row = int(attributes.get("r", self._row + 1))
            self._row_text = str(self._row)
        elif tag in {"table-cell", "covered-table-cell"}:
            self._column += int(attributes.get("table:number-columns-repeated", 1))
            self._cell = True
            if any(key.startswith("office:") for key in attributes):
                self._fill()
        elif tag == "table-row":
            self._cell, self._column = False, 0
            self._row += int(attributes.get("table:number-rows-repeated", 1))
        elif tag == "table":
            self._cell = False
            self._row = self._column = self._bottom = self._right = 0
        elif self._cell:  # something within it
            self._fill()

    def _fill(self) -> None:
        self._cell = False
        if self._row > self._bottom or self._column > self._right:
            self._bottom, self._right = max(self._bottom, self._row), max(self._right, self._column)
            if self._bottom * self._right > CELLS_MAX:
                raise UnreadableError(Reason("upload.too-many-cells", most=CELLS_MAX))

    def _refuse(self, *_about: object) -> None:
        raise UnreadableError(Reason("upload.damaged"))


@lru_cache(maxsize=20_000)
def _number(letters: str) -> int:
    """Return which column of a sheet these letters name, from 1; 0 if they are none."""
    if not _LETTERS.fullmatch(letters):
        return 0
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number
