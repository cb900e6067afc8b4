"""Mail of strangers, read as far as it can be read: any bytes in, a record out.

Pure. ``read`` never raises, and its time and memory are bounded by the limits here, whatever was sent:
depth, number of parts, length and number of header fields, bytes looked through. What cannot be read is
returned as it came, and each such fault has its reason. The grammar is that of RFC 5322 and
RFC 2045 to 2049, read as mail programs do and not as it is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.foreign import headers
from mailing.foreign import text as foreign_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.foreign.headers import Fields

SIZE_MOST = 32 * 1024 * 1024  # bytes read of one message
DEPTH_MOST = 50
PARTS_MOST = 1_000
SCAN_MOST = 128 * 1024 * 1024  # bytes looked through for boundaries: what is nested is looked through again
HITS_MOST = 100_000  # lines that begin like a boundary
FAULTS_MOST = 20

_PLAIN, _HTML, _MESSAGE = "text/plain", "text/html", "message/rfc822"
_NOT_ENCODED = frozenset({"", "7bit", "8bit", "binary"})
_TNEF = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})


@dataclass(frozen=True, slots=True)
class Part:
    """One node of a message. ``body`` is decoded from its transfer encoding, and empty where ``parts`` are.

    The one part of a ``message/rfc822`` is the message in it. ``size`` is in bytes, as it came or decoded.
    """

    kind: str
    charset: str
    name: str
    attached: bool
    fields: Fields
    size: int
    body: bytes = b""
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Attachment:
    """What a mail program would offer as a file. ``name`` may be empty; ``size`` is in bytes."""

    name: str
    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class ForeignMail:
    """A message as a mail program shows it. Each text is empty where there is none."""

    sender: str
    to: str
    subject: str
    date: str
    message_id: str
    text: str
    html: str
    attachments: tuple[Attachment, ...]
    root: Part
    faults: tuple[Reason, ...]


def read(data: bytes) -> ForeignMail:
    """Read a message as it came over the line, from its first header field on."""
    reader = _Reader(data)
    root = reader.message(0, len(reader.data), 0)
    fields, note = root.fields, reader.note
    if not data.strip():
        note(Reason("foreign-mail.empty"))
    elif not fields.found:
        note(Reason("foreign-mail.no-header"))
    sender, to = (
        ", ".join(map(str, headers.mailboxes(fields.first(name.lower()), note, name)))
        for name in ("From", "To")
    )
    text, html, attachments = _shown(root, reader)
    return ForeignMail(
        sender,
        to,
        headers.text(fields.first("subject"), note, "Subject"),
        headers.text(fields.first("date"), note, "Date"),
        headers.message_id(fields.first("message-id"), note),
        text,
        html,
        attachments,
        root,
        tuple(reader.faults),
    )


def subject_and_id(data: bytes) -> tuple[str, str]:
    """Return the subject and the Message-ID: what a list of messages shows, without reading the rest."""
    reader = _Reader(data)
    fields = headers.split(reader.data, 0, len(reader.data), reader.note)
    return (
        headers.text(fields.first("subject"), reader.note, "Subject"),
        headers.message_id(fields.first("message-id"), reader.note),
    )


class _Reader:
    """One message being read, and what is left of its limits."""

    def __init__(self, data: bytes) -> None:
        self.faults: dict[Reason, None] = {}
        self.left = PARTS_MOST
        self.scan, self.hits = SCAN_MOST, HITS_MOST
        if len(data) > SIZE_MOST:
            self.note(Reason("foreign-mail.too-large", n=len(data), most=SIZE_MOST))
            data = data[:SIZE_MOST]
        if b"\n" not in data and b"\r" in data:
            self.note(Reason("foreign-mail.lone-cr"))
            data = data.replace(b"\r", b"\n")
        self.data = data

    def note(self, fault: Reason) -> None:
        """Remember a fault once; of very many only the first."""
        if len(self.faults) < FAULTS_MOST:
            self.faults[fault] = None

    def message(self, start: int, stop: int, depth: int, default: str = _PLAIN) -> Part:
        """Read what has a header: a message, or one part of a multipart."""
        self.left -= 1
        fields = headers.split(self.data, start, stop, self.note)
        for name in {name for name, _value in fields.found} & _ONCE.keys():
            if fields.count(name) > 1:
                self.note(Reason("foreign-mail.field-repeated", n=fields.count(name), name=_ONCE[name]))
        kind, given = headers.kind(fields.first("content-type"), default, self.note)
        disposition, more = headers.parameters(
            fields.first("content-disposition"), self.note, "Content-Disposition"
        )
        encoding = headers.plain(
            fields.first("content-transfer-encoding"), self.note, "Content-Transfer-Encoding"
        ).partition(";")[0]
        name = more.get("filename") or given.get("name", "")
        attached = disposition == "attachment"
        parts: tuple[Part, ...] = ()
        if kind.startswith("multipart/"):
            parts = self._multipart(fields.end, stop, depth, given.get("boundary", ""), kind)
            kind = kind if parts else _PLAIN
        elif kind == _MESSAGE and encoding.strip().lower() in _NOT_ENCODED and self._may(depth):
            parts = (self.message(fields.end, stop, depth + 1),)
        if parts:
            return Part(kind, "", name, attached, fields, stop - fields.end, parts=parts)
        body = foreign_text.undo(self.data[fields.end : stop], encoding, self.note)
        if kind in _TNEF:
            self.note(Reason("foreign-mail.tnef"))
        return Part(kind, given.get("charset", "us-ascii"), name, attached, fields, len(body), body)

    def _multipart(self, start: int, stop: int, depth: int, boundary: str, kind: str) -> tuple[Part, ...]:
        """Return the parts of a multipart; none if it has to be shown as plain text."""
        marker = boundary.encode("utf-8", "replace").rstrip()
        if not marker:
            self.note(Reason("foreign-mail.no-boundary"))
            return ()
        if not self._may(depth):
            return ()
        default = _MESSAGE if kind == "multipart/digest" else _PLAIN
        parts = []
        for begin, end in self._between(start, stop, b"--" + marker):
            if not self.left:
                self.note(Reason("foreign-mail.many-parts", most=PARTS_MOST))
                break
            parts.append(self.message(begin, end, depth + 1, default))
        if not parts:
            self.note(Reason("foreign-mail.boundary-missing"))
        return tuple(parts)

    def _may(self, depth: int) -> bool:
        if depth >= DEPTH_MOST:
            self.note(Reason("foreign-mail.too-deep", n=DEPTH_MOST))
        return depth < DEPTH_MOST and self.left > 0

    def _between(self, start: int, stop: int, marker: bytes) -> Iterator[tuple[int, int]]:
        """Yield where each part begins and ends: after one line with the boundary, before the next."""
        self.scan -= stop - start
        begun = None
        at = start if self.data.startswith(marker, start, stop) else self._find(marker, start, stop)
        while at >= 0 and self.hits > 0 and self.scan >= 0:
            self.hits -= 1
            newline = self.data.find(b"\n", at, stop)
            end = newline if newline >= 0 else stop
            rest = self.data[at + len(marker) : end].strip()
            if rest in {b"", b"--"}:
                if begun is not None:
                    yield begun, max(begun, self._before(at))
                if rest:
                    return
                begun = min(end + 1, stop)
            at = self._find(marker, end, stop)
        if self.hits <= 0 or self.scan < 0:
            self.note(Reason("foreign-mail.many-boundaries"))
        if begun is not None:
            self.note(Reason("foreign-mail.no-end"))
            yield begun, stop

    def _find(self, marker: bytes, start: int, stop: int) -> int:
        at = self.data.find(b"\n" + marker, start, stop)
        return at + 1 if at >= 0 else -1

    def _before(self, at: int) -> int:
        """Return the end of what stands before the boundary at ``at``, whose line break belongs to it."""
        return at - 2 if self.data[at - 2 : at] == b"\r\n" else at - 1


_ONCE = {
    name.lower(): name
    for name in (
        *("From", "To", "Subject", "Date", "Message-ID"),
        *("Content-Type", "Content-Transfer-Encoding", "Content-Disposition"),
    )
}


def _shown(root: Part, reader: _Reader) -> tuple[str, str, tuple[Attachment, ...]]:
    """Return the text and the HTML to show, and all other leaves as files."""
    texts, html, files = [], "", []
    for part in _leaves(root):
        inline = not (part.attached or part.name)
        if part.kind == _PLAIN and (inline or part is root):
            texts.append(foreign_text.decode(part.body, part.charset, reader.note))
        elif part.kind == _HTML and (inline or part is root) and not html:
            html = foreign_text.decode(part.body, part.charset, reader.note)
        else:
            files.append(Attachment(part.name, part.kind, part.size))
    return "\n".join(text for text in texts if text), html, tuple(files)


def _leaves(part: Part) -> Iterator[Part]:
    """Yield what a mail program shows or offers. A message within a message is one file."""
    if part.kind.startswith("multipart/"):
        for inner in part.parts:
            yield from _leaves(inner)
    else:
        yield part
