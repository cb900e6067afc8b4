"""Aggregate reports of DMARC (RFC 9990; RFC 7489 appendix C): who sent mail from a domain, and if it passed.

Pure. Anybody can send one, so nothing in it is believed further than to be shown, and all of it is bounded:
what it unpacks to, its depth, its rows, each text. XML with a document type is refused, and with that all
that entities can do.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple
from xml.parsers import expat

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mailing.foreign.mail import Part

PACKED_MOST = 4 * 1024 * 1024  # bytes of an attachment
XML_MOST = 16 * 1024 * 1024  # bytes that it unpacks to
DEPTH_MOST = 16
ROWS_MOST = 20_000
SOURCES_MOST = 1_000  # of one report that are kept; the rest is added up
TEXT_MOST = 255  # characters of one text
FILES_MOST = 10  # in an archive
COUNT_MOST = 10**9
DISPOSITIONS = frozenset({"none", "pass", "quarantine", "reject"})
OTHERS = ""  # the source of what is added up
_KINDS = frozenset(
    f"{family}/{kind}"
    for family in ("application", "text")
    for kind in ("gzip", "x-gzip", "zip", "x-zip-compressed", "xml", "octet-stream")
)
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"
_GZIP_WINDOW = 31  # zlib: with the header of gzip
_RECORD = "feedback/record/"
_DKIM, _SPF = f"{_RECORD}auth_results/dkim", f"{_RECORD}auth_results/spf"


class Source(NamedTuple):
    """What one machine sent. ``spf`` and ``dkim``: whether they pass and are aligned with the From domain.

    ``spf_domain``, ``dkim_domain`` and ``selector`` are those that passed, aligned or not; else empty.
    """

    source: str
    header_from: str
    disposition: str
    spf: bool
    dkim: bool
    spf_domain: str
    dkim_domain: str
    selector: str


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A report about a domain, for a time: ms since 1970. ``sources`` with how many emails."""

    domain: str
    reporter: str
    report_id: str
    begin_at: int
    end_at: int
    policy: str
    sources: Mapping[Source, int]


class _RefusedError(Exception):
    """It is none, or too much of one."""


def may_be(part: Part) -> bool:
    """Whether a part of a message can hold a report."""
    return part.kind in _KINDS and not part.parts


def find(parts: Iterable[Part]) -> Aggregate | None:
    """Return the report that a message brings; None if it brings none."""
    for part in parts:
        if may_be(part) and (xml := unpack(part.body)):
            return read(xml)
    return None


def read(xml: bytes) -> Aggregate | None:
    """Return what a report says; None if it is none."""
    try:
        return _Reader().read(xml)
    except (_RefusedError, expat.ExpatError, ValueError, LookupError):
        return None


def unpack(data: bytes) -> bytes | None:
    """Return the XML in an attachment; None if there is none, or more than ``XML_MOST``."""
    if len(data) > PACKED_MOST:
        return None
    if data.startswith(_GZIP):
        data = _gunzipped(data)
    elif data.startswith(_ZIP):
        data = _unzipped(data)
    return data if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") else None


def _gunzipped(data: bytes) -> bytes:
    unpacking = zlib.decompressobj(_GZIP_WINDOW)
    try:
        found = unpacking.decompress(data, XML_MOST)
    except zlib.error:
        return b""
    return found if unpacking.eof else b""


def _unzipped(data: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = archive.infolist()
            first = files[0]
            plain = first.compress_type in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
            if len(files) > FILES_MOST or not plain or first.flag_bits & 1:
                return b""
            with archive.open(first) as file:
                found = file.read(XML_MOST + 1)
    except (zipfile.BadZipFile, zlib.error, OSError, ValueError, LookupError, NotImplementedError, EOFError):
        return b""
    return found if len(found) <= XML_MOST else b""


@dataclass(slots=True)
class _Row:
    """A record while it is read."""

    values: dict[str, str] = field(default_factory=dict)
    passed: dict[str, dict[str, str]] = field(default_factory=dict)


class _Reader:
    """Reads a report as expat comes upon it."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._text = ""
        self._values: dict[str, str] = {}
        self._row = _Row()
        self._result: dict[str, str] = {}
        self._rows = 0
        self._sources: Counter[Source] = Counter()

    def read(self, xml: bytes) -> Aggregate:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.Parse(xml, True)
        value = self._values.get
        about, metadata = "feedback/policy_published/", "feedback/report_metadata/"
        domain = value(f"{about}domain", "").lower().removesuffix(".")
        begin, end = (int(value(f"{metadata}date_range/{it}", "")) * 1000 for it in ("begin", "end"))
        report_id = value(f"{metadata}report_id", "")
        if not (domain and report_id and 0 <= begin <= end < 10**14):
            raise _RefusedError
        return Aggregate(
            domain,
            value(f"{metadata}org_name", "") or value(f"{metadata}email", ""),
            report_id,
            begin,
            end,
            value(f"{about}p", "")[:10],
            _fewer(self._sources),
        )

    def _start(self, name: str, _attributes: object) -> None:
        self._path.append(name.rpartition(" ")[2])
        if len(self._path) > DEPTH_MOST or self._path[0] != "feedback":
            raise _RefusedError
        self._text = ""
        if self._path == ["feedback", "record"]:
            self._row, self._rows = _Row(), self._rows + 1
            if self._rows > ROWS_MOST:
                raise _RefusedError
        elif "/".join(self._path) in {_DKIM, _SPF}:
            self._result = {}

    def _characters(self, text: str) -> None:
        if len(self._text) < TEXT_MOST:
            self._text += text[:TEXT_MOST]

    def _end(self, _name: str) -> None:
        path, text = "/".join(self._path), _tidy(self._text)
        self._text = ""
        self._path.pop()
        above, _, name = path.rpartition("/")
        if path == "feedback/record":
            self._add(self._row)
        elif path in {_DKIM, _SPF}:
            if self._result.get("result", "").lower() == "pass":
                self._row.passed.setdefault(name, self._result)
        elif above in {_DKIM, _SPF}:
            self._result.setdefault(name, text)
        elif path.startswith(_RECORD):
            self._row.values.setdefault(path.removeprefix(_RECORD), text)
        elif text:
            self._values.setdefault(path, text)

    def _add(self, row: _Row) -> None:
        value, dkim = row.values.get, row.passed.get("dkim", {})
        try:
            source, n = str(ip_address(value("row/source_ip", ""))), int(value("row/count", ""))
        except ValueError:
            return
        disposition = value("row/policy_evaluated/disposition", "").lower()
        if not 0 < n <= COUNT_MOST:
            return
        it = Source(
            source,
            value("identifiers/header_from", "").lower().removesuffix("."),
            disposition if disposition in DISPOSITIONS else "",
            value("row/policy_evaluated/spf", "").lower() == "pass",
            value("row/policy_evaluated/dkim", "").lower() == "pass",
            row.passed.get("spf", {}).get("domain", "").lower(),
            dkim.get("domain", "").lower(),
            dkim.get("selector", ""),
        )
        self._sources[it] += n


def _refuse(*_about: object) -> None:
    raise _RefusedError


def _tidy(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()[:TEXT_MOST]


def _fewer(sources: Counter[Source]) -> Mapping[Source, int]:
    """Return those that sent most, and all others added up."""
    ordered = sources.most_common()
    kept = Counter(dict(ordered[:SOURCES_MOST]))
    for it, n in ordered[SOURCES_MOST:]:
        kept[Source(OTHERS, "", "", it.spf, it.dkim, "", "", "")] += n
    return kept
