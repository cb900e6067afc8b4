"""Files of every kind, made here, and what is read from them."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl

from mailing.core.reasons import UnfitError
from mailing.uploads import reading, rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LISTS = Path(__file__).parents[2] / "lists"

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
CELL = '<c r="{}" t="inlineStr"><is><t>{}</t></is></c>'
_TYPES = "application/vnd.openxmlformats-"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_XLSX = {
    "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType="'
    f'{_TYPES}package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
    f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{_SHEETS}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
    f'Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
}
_ODS_NAMES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in ("office", "table", "text")
)


def packed(files: Mapping[str, bytes | str]) -> bytes:
    """Pack files into a ZIP archive."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return held.getvalue()


def workbook(*sheets: Sequence[Sequence[object]]) -> bytes:
    """Make an XLSX workbook as Excel does."""
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for rows_ in sheets:
        sheet = book.create_sheet()
        for row in rows_:
            sheet.append(list(row))
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def raw_workbook(rows_: str) -> bytes:
    """Make an XLSX workbook whose sheet is this XML."""
    sheet = f'<worksheet xmlns="{_SHEETS}"><sheetData>{rows_}</sheetData></worksheet>'
    return packed(_XLSX | {"xl/worksheets/sheet1.xml": sheet})


def old_workbook(rows_: Sequence[Sequence[str | int]], *, password: bool = False) -> bytes:
    """Make an XLS workbook: records of BIFF8, as one stream in a compound file (MS-XLS, MS-CFB)."""

    def record(kind: int, data: bytes = b"") -> bytes:
        return struct.pack("<HH", kind, len(data)) + data

    def begin(kind: int) -> bytes:
        return record(0x809, struct.pack("<HHHHII", 0x600, kind, 0xDBB, 0x7CC, 0, 6))

    cells = b""
    for row, values in enumerate(rows_):
        for column, value in enumerate(values):
            place = struct.pack("<HHH", row, column, 0)
            if isinstance(value, str):
                text = struct.pack("<HB", len(value), 1) + value.encode("utf-16-le")
                cells += record(0x204, place + text)
            else:
                cells += record(0x203, place + struct.pack("<d", value))
    opening = (
        begin(5) + (record(0x2F, b"\1".ljust(54, b"\0")) if password else b"") + record(0x42, b"\xb0\x04")
    )
    sheet = struct.pack("<IBBBB", len(opening) + 13 + 4, 0, 0, 1, 0) + b"S"
    stream = opening + record(0x85, sheet) + record(0x0A) + begin(0x10) + cells + record(0x0A)
    return compound("Workbook", stream)


def compound(name: str, stream: bytes) -> bytes:
    """Make a compound file of one stream: header, allocation table, directory, and the stream's sectors."""
    last, free = 0xFFFFFFFE, 0xFFFFFFFF
    stream = stream.ljust(4_096, b"\0")
    stream += bytes(-len(stream) % 512)
    sectors = len(stream) // 512
    chain = [0xFFFFFFFD, last, *range(3, 2 + sectors), last]
    table = struct.pack("<128I", *chain, *[free] * (128 - len(chain)))
    head = OLE + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<9I", 0, 1, 1, 0, 4_096, last, 0, last, 0) + struct.pack("<109I", 0, *[free] * 108)

    def entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
        called = name.encode("utf-16-le") + b"\0\0"
        links = struct.pack("<HBBIII", len(called), kind, 1, free, free, child)
        return called.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", start, size)

    directory = entry("Root Entry", 5, 1, last, 0) + entry(name, 2, free, 2, len(stream))
    return head + table + directory.ljust(512, b"\0") + stream


def open_document(rows_: str) -> bytes:
    """Make an ODS workbook whose table is this XML."""
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<m:file-entry m:full-path="/" m:media-type="{kind}"/>'
        '<m:file-entry m:full-path="content.xml" m:media-type="text/xml"/></m:manifest>'
    )
    content = (
        f"<office:document-content {_ODS_NAMES}><office:body><office:spreadsheet>"
        f'<table:table table:name="S">{rows_}</table:table></office:spreadsheet></office:body>'
        "</office:document-content>"
    )
    return packed({"mimetype": kind, "META-INF/manifest.xml": manifest, "content.xml": content})


def ods_cell(text: str, times: int = 1) -> str:
    """Return a cell of an ODS table."""
    return (
        f'<table:table-cell table:number-columns-repeated="{times}" office:value-type="string">'
        f"<text:p>{text}</text:p></table:table-cell>"
    )


def ods_row(cells: str, times: int = 1) -> str:
    """Return a row of an ODS table."""
    return f'<table:table-row table:number-rows-repeated="{times}">{cells}</table:table-row>'


def sample(name: str) -> bytes:
    """Return a file of ``tests/lists``."""
    return (LISTS / name).read_bytes()


def look(data: bytes | str, name: str = "list.csv", **choice: object) -> reading.Look:
    """Take a first look at a file."""
    return reading.look(io.BytesIO(_bytes(data)), name, reading.Choice(**choice))


def read(data: bytes | str, plan: reading.Plan) -> list[tuple[int, list[object]]]:
    """Read all rows of a file."""
    return [(line, list(cells)) for line, cells in reading.rows(io.BytesIO(_bytes(data)), plan)]


def contacts(
    data: bytes | str, name: str = "list.csv", plan: reading.Plan | None = None
) -> tuple[list[rows.Contact], list[tuple[int, str, str]]]:
    """Return the contacts of a file, and the refused rows: line, what is shown of it, code of the reason."""
    plan = plan or look(data, name).plan
    meaning = rows.reader(plan)
    taken, refused = [], []
    for line, cells in reading.rows(io.BytesIO(_bytes(data)), plan):
        try:
            taken.append(meaning(cells))
        except UnfitError as fault:
            refused.append((line, rows.shown(cells), fault.reason.code))
    return taken, refused


def roles(data: bytes | str, name: str = "list.csv") -> dict[str, str]:
    """Return what each column is guessed to be, by its header."""
    return {column.header: str(column.role) for column in look(data, name).plan.columns}


def _bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else data
