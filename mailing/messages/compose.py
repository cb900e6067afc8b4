"""A message with merge fields becomes the bytes for one recipient.

Pure. ``prepare`` reads the templates once per campaign and cuts them into pieces: each piece is either
bytes that are the same for everyone, or a function of one recipient's values. ``fill`` joins them.

The result is 7-bit, except that an address which needs SMTPUTF8 (RFC 6531) stands in its header as UTF-8.
Files are encoded once, and whoever gets the message shares their bytes.

``templates`` says what the templates may hold and reads them; ``headers`` writes the header lines,
``quoted`` the bodies, ``attachments`` the files, and ``multiparts`` puts them together.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, cast

from mailing.core.reasons import Reason
from mailing.messages import message_ids, multiparts, quoted
from mailing.messages.headers import HOST, read_from, read_subject, write_date, write_mailbox
from mailing.messages.marks import ComposeError
from mailing.messages.templates import read
from mailing.messages.values import (
    VALUE_MAX,
    FieldError,
    MergeError,
    MissingFieldError,
    encodable,
    printed,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mailing.messages.attachments import Attachment
    from mailing.messages.marks import Part
    from mailing.messages.templates import Piece
    from mailing.messages.values import Value, Values
    from mailing.suppression.list_fields import ListFields

TEXT_MAX = 10_000_000  # bytes of a message as filled, without its files
MESSAGE_MAX = 30_000_000  # bytes of a message as filled, with its files as they are encoded
_HEAD_MAX = 10_000
_ENCODED_GROWTH = 16  # bytes that a character takes at most: 12 as quoted-printable UTF-8, and soft breaks
_LINK = "unsubscribe_url"  # Volley's own field
_SHORT = frozenset({"name", "email", _LINK})  # some hundred characters each
_SOME_LINK = "https://example.org/u/" + "x" * 200  # where a message is only tried out

__all__ = [
    "MESSAGE_MAX",
    "TEXT_MAX",
    "ComposeError",
    "Filled",
    "MergeError",
    "Message",
    "Prepared",
    "fields_used",
    "prepare",
]


@dataclass(frozen=True, slots=True)
class Message:
    """What a person wrote. Subject, text and html are templates; ``html`` is empty for plain text.

    ``list_fields`` is what its header says of the list, and makes the links to unsubscribe; none: it is sent
    to nobody, or belongs to no list.
    """

    sender_from: str
    subject: str
    text: str
    html: str = ""
    files: tuple[Attachment, ...] = ()
    list_fields: ListFields | None = dataclasses.field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Filled:
    """One recipient's email: CRLF lines, none of which begins with a dot; 7-bit unless ``needs_smtputf8``.

    It is ``head`` and then ``tail``. All who get a message with files share the one tail that holds them.
    """

    head: bytes
    needs_smtputf8: bool
    tail: bytes = b""

    @property
    def data(self) -> bytes:
        """The whole of it, copied."""
        return self.head + self.tail


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message cut into pieces, ready to be filled. ``envelope_from`` is for MAIL FROM.

    ``fields`` are the merge fields that it names, also those that a default covers. ``uses`` says how often
    each may be printed, ``name`` and ``email`` left out, which are short. ``length`` is that of what is the
    same for everybody, in bytes; ``tail`` is its end, where that holds files. While the values have ``room``
    characters at all their uses together, the message stays below ``most``, the bytes that it may have;
    ``boundless`` says whether what a list may hold can have more.
    """

    envelope_from: str
    token: str
    domain: str
    sender: bytes
    pieces: tuple[Piece, ...]
    tail: bytes
    fields: frozenset[str]
    uses: tuple[tuple[str, int], ...]
    length: int
    most: int
    room: int
    boundless: bool
    list_fields: ListFields | None = None

    def fill(
        self, recipient_id: int, email: str, name: str, fields: Mapping[str, Value] | None, date_ms: int
    ) -> Filled:
        """Return the email for one recipient, dated ``date_ms`` (milliseconds since 1970, UTC).

        ``email`` must be an address as ``addresses`` returns it. Raises ``MergeError`` when a field is
        missing or does not fit where it is used, and when the message would be longer than ``most``.
        """
        lists = self.list_fields
        link = lists.link(recipient_id, email) if lists else _SOME_LINK
        own = {"name": name, "email": email, _LINK: link} if link else {"name": name, "email": email}
        values: Values = {**fields, **own} if fields else own
        try:
            filled = (
                self._within_bounds(values)
                if self.boundless and self._may_be_long(values)
                else [piece if isinstance(piece, bytes) else piece(values) for piece in self.pieces]
            )
            head = b"".join(
                (
                    self.sender,
                    write_mailbox("To", name, email),
                    write_date(date_ms),
                    self._message_id(recipient_id),
                    lists.unsubscribing(recipient_id, email, link) if lists else b"",
                    *filled,
                )
            )
        except (OverflowError, KeyError, UnicodeEncodeError) as error:
            raise self._explained(error, values) from error
        if (size := len(head) + len(self.tail)) > self.most:
            raise MergeError("text", _too_large(size, self.most))
        needs_smtputf8 = not (email.isascii() and self.envelope_from.isascii())
        return Filled(head, needs_smtputf8, self.tail)

    def _message_id(self, recipient_id: int) -> bytes:
        key = self.list_fields.mark_key if self.list_fields else b""
        return b"Message-ID: %b\r\n" % message_ids.make(key, self.token, recipient_id, self.domain)

    def probe(self, email: str, name: str, fields: Mapping[str, Value]) -> list[MergeError]:
        """Return all that ``fill`` would raise one after the other, without putting the message together."""
        values: Values = {**fields, "name": name, "email": email}
        if self.list_fields is None or self.list_fields.site:
            values = {**values, _LINK: _SOME_LINK}
        faults: list[MergeError] = []
        for piece in (partial(_mailbox_of, email, name), *self.pieces):
            try:
                if not isinstance(piece, bytes):
                    piece(values)
            except MergeError as error:
                faults.append(error)
            except (OverflowError, KeyError, UnicodeEncodeError) as error:
                faults.append(self._explained(error, values))
        return faults

    def oversize(self, longest: Mapping[str, int], files: int = 0) -> Reason | None:
        """Return why values of at most these lengths, in bytes, make the message too long, if they do.

        ``files`` are bytes, as they are encoded, of files that were left out when it was prepared.
        """
        shares = {field: times * longest.get(field, 0) for field, times in self.uses}
        total, most = self.length + files + sum(shares.values()), min(self.most + files, MESSAGE_MAX)
        if total <= most:
            return None
        if not shares:
            return _too_large(total, most)
        field, share = max(shares.items(), key=itemgetter(1))
        times = dict(self.uses)[field]
        return Reason(
            "message.may-be-too-large",
            size=_megabytes(total),
            most=_megabytes(most),
            field=f"{{{{ {field} }}}}",
            share=_megabytes(share),
            times=times,
            n=longest[field],
        )

    def _explained(self, error: Exception, values: Values) -> MergeError:
        if isinstance(error, KeyError):
            return MissingFieldError(str(error.args[0]))
        if isinstance(error, OverflowError):
            return self._too_long(values)
        culprit = next(key for key, value in values.items() if not encodable(printed(value)))
        return FieldError(culprit, Reason("message.invalid-character"))

    def _may_be_long(self, values: Values) -> bool:
        room = self.room
        for field, times in self.uses:
            value = values.get(field)
            if isinstance(value, str):
                room -= times * len(value)
        return room < 0

    def _within_bounds(self, values: Values) -> list[bytes]:
        """Fill the pieces one by one, and stop where the message gets too long. Raises ``MergeError``."""
        filled: list[bytes] = []
        room = self.most - len(self.tail)
        for piece in self.pieces:
            filled.append(piece if isinstance(piece, bytes) else piece(values))
            room -= len(filled[-1])
            if room < 0:
                raise self._too_long(values)
        return filled

    def _too_long(self, values: Values) -> MergeError:
        shares = {field: times * len(printed(values.get(field, ""))) for field, times in self.uses}
        field = max(shares, key=shares.__getitem__)
        times = dict(self.uses)[field]
        most, n = _megabytes(self.most), shares[field] // times
        return FieldError(field, Reason("message.field-too-large", most=most, times=times, n=n))


def _mailbox_of(email: str, name: str, _values: Values) -> bytes:
    return write_mailbox("To", name, email)


def _too_large(size: int, most: int) -> Reason:
    return Reason("message.too-large", size=_megabytes(size), most=_megabytes(most))


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f}".removesuffix(".0") + " MB"


def fields_used(message: Message) -> frozenset[str]:
    """Return the names of all merge fields in the message, ``name`` and ``email`` among them.

    A field counts also where a default covers its absence. Raises ``ComposeError``.
    """
    parts: list[tuple[Part, str]] = [*_bodies(message), ("subject", message.subject)]
    return frozenset[str]().union(*(read(part, source).fields for part, source in parts))


def prepare(message: Message, *, token: str, domain: str | None) -> Prepared:
    """Read the message once. Raises ``ComposeError`` with the part and the fix.

    ``token`` makes Message-IDs unguessable: at most 64 ASCII letters, digits, ``_`` and ``-``. ``domain``
    is theirs, by default that of the From address.
    """
    sender, envelope_from = read_from(message.sender_from)
    domain = domain or envelope_from.rpartition("@")[2]
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", token) or not HOST.fullmatch(domain):
        raise ValueError(f"No Message-ID can be made of the token {token!a} and the domain {domain!a}.")
    subject, subject_line = read_subject(message.subject)
    given = dict(_bodies(message))
    templates = {part: read(part, source) for part, source in given.items()}
    bodies = {part: quoted.pieces(*template.segments, "\n") for part, template in templates.items()}
    shown, encoded = multiparts.assemble(bodies, message.html, message.files, token)
    about = message.list_fields.lines(domain) if message.list_fields else b""
    pieces: list[Piece] = [subject_line, about + b"MIME-Version: 1.0\r\n", *shown]
    merged: list[Piece] = []
    for constant, run in groupby(pieces, key=lambda piece: isinstance(piece, bytes)):
        same = list(run)
        merged += [b"".join(cast("list[bytes]", same))] if constant else same
    lasting = sum(len(piece) for piece in merged if isinstance(piece, bytes))
    most = min(TEXT_MAX + encoded, MESSAGE_MAX)
    if lasting > most:
        part = max(given, key=lambda part: len(given[part].encode()))
        raise ComposeError(part, _too_large(lasting, most))
    parts = [subject, *templates.values()]
    uses = sum((Counter(part.uses) for part in parts), Counter[str]())
    conditional = sum(part.conditional for part in parts)
    room = most - _HEAD_MAX - lasting - conditional * _ENCODED_GROWTH
    room //= _ENCODED_GROWTH * max(part.growth for part in parts)
    return Prepared(
        envelope_from=envelope_from,
        token=token,
        domain=domain,
        sender=sender,
        pieces=tuple(merged[:-1] if message.files else merged),
        tail=cast("bytes", merged[-1]) if message.files else b"",
        fields=frozenset[str]().union(*(part.fields for part in parts)),
        uses=tuple((field, times) for field, times in uses.items() if field not in _SHORT),
        length=lasting + conditional,
        most=most,
        room=room,
        boundless=uses.total() * VALUE_MAX > room,
        list_fields=message.list_fields,
    )


def faults(message: Message) -> Sequence[ComposeError]:
    """Return what is wrong with a message, one fault of each part; of the whole, where each part is good."""
    parts: list[Callable[[], object]] = [
        partial(read_from, message.sender_from),
        partial(read_subject, message.subject),
        *(partial(read, part, source) for part, source in _bodies(message)),
    ]
    whole: Callable[[], object] = partial(prepare, message, token="unsent", domain=None)  # noqa: S106
    found = [fault for check in parts if (fault := _fault(check))]
    return found or [fault for fault in (_fault(whole),) if fault]


def _fault(check: Callable[[], object]) -> ComposeError | None:
    try:
        check()
    except ComposeError as fault:
        return fault
    return None


def _bodies(message: Message) -> list[tuple[Part, str]]:
    """Return the bodies there are, the plainest first (RFC 2046 section 5.1.4)."""
    given: list[tuple[Part, str]] = [("text", message.text), ("html", message.html)]
    return [(part, source) for part, source in given if source.strip()] or given[:1]
