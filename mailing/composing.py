"""A message with merge fields becomes the bytes for one recipient.

Pure. ``prepare`` reads the templates once per campaign and cuts them into pieces: each piece is either
bytes that are the same for everyone, or a function of one recipient's values. ``fill`` joins them.

A body is quoted-printable (RFC 2045 section 6.7). Every piece starts at the beginning of an encoded line
and ends with a line break, a soft one (``=``) where the text has none, so pieces never meet within a
line and no line is longer than 76 characters. The result is 7-bit, except that an address which needs
SMTPUTF8 (RFC 6531) stands in its header as UTF-8.

In the templates there are fields, ``{% if %}``, comments, and filters and tests that neither grow text
without bound nor differ from one run to the next. Jinja's sandbox is a second wall behind that list.
"""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import b2a_qp
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache, partial
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, cast

from email_validator import EmailNotValidError, validate_email
from jinja2 import StrictUndefined, TemplateRuntimeError, TemplateSyntaxError, nodes
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import escape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jinja2 import Template

TEMPLATE_MAX = 1_000_000  # characters

Part = Literal["from", "subject", "text", "html"]
Values = Mapping[str, str]
Render = Callable[[Values], str]
Segment = str | Render
Piece = bytes | Callable[[Values], bytes]


class ComposeError(ValueError):
    """The message cannot be sent to anyone as it is written. ``field`` is the part to mend."""

    def __init__(self, field: Part, problem: str) -> None:
        super().__init__(problem)
        self.field = field


class MergeError(ValueError):
    """The message cannot be filled for this recipient. ``field`` is the merge field to mend."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Message:
    """What a person wrote. Subject, text and html are templates; ``html`` is empty for plain text."""

    sender_from: str
    subject: str
    text: str
    html: str = ""


@dataclass(frozen=True, slots=True)
class Filled:
    """One recipient's email: CRLF lines, not dot-stuffed, 7-bit unless ``needs_smtputf8``."""

    data: bytes
    needs_smtputf8: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """A message cut into pieces, ready to be filled. ``envelope_from`` is for MAIL FROM."""

    envelope_from: str
    token: str
    domain: str
    sender: bytes
    pieces: tuple[Piece, ...]

    def fill(
        self, recipient_id: int, email: str, name: str, fields: Mapping[str, str] | None, date_ms: int
    ) -> Filled:
        """Return the email for one recipient, dated ``date_ms`` (milliseconds since 1970, UTC).

        ``email`` must be an address as ``addresses`` returns it. Raises ``MergeError`` when a field is
        missing or does not fit where it is used.
        """
        values = {**fields, "name": name, "email": email} if fields else {"name": name, "email": email}
        try:
            data = b"".join(
                (
                    self.sender,
                    _mailbox("To", name, email),
                    f"Date: {_date(date_ms // 1000)}\r\n".encode(),
                    f"Message-ID: {message_id(self.token, recipient_id, self.domain)}\r\n".encode(),
                    *[piece if isinstance(piece, bytes) else piece(values) for piece in self.pieces],
                )
            )
        except KeyError as missing:
            raise _missing(str(missing.args[0])) from None
        except UnicodeEncodeError as error:
            culprit = next(key for key, value in values.items() if not _encodable(value))
            raise MergeError(culprit, "A character in it is no text. Take it out.") from error
        return Filled(data, needs_smtputf8=not (email.isascii() and self.envelope_from.isascii()))


def fields_used(message: Message) -> frozenset[str]:
    """Return the names of all merge fields in the message, ``name`` and ``email`` among them.

    A field counts also where a default covers its absence. Raises ``ComposeError``.
    """
    parts = (*_bodies(message), ("subject", message.subject))
    return frozenset[str]().union(*(_read(part, source)[1] for part, source in parts))


def message_id(token: str, recipient_id: int, domain: str) -> str:
    """Return the Message-ID (RFC 5322 section 3.6.4) of one recipient's email, the same at each try."""
    return f"<{token}.{recipient_id}@{domain}>"


def prepare(message: Message, *, token: str, domain: str | None) -> Prepared:
    """Read the message once. Raises ``ComposeError`` with the part and the fix.

    ``token`` makes Message-IDs unguessable: at most 64 ASCII letters, digits, ``_`` and ``-``. ``domain``
    is theirs, by default that of the From address.
    """
    sender, envelope_from = _sender(message.sender_from)
    domain = domain or envelope_from.rpartition("@")[2]
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", token) or not _HOST.fullmatch(domain):
        raise ValueError(f"No Message-ID can be made of the token {token!a} and the domain {domain!a}.")
    bodies = [
        (_body_head(part), _encoded(*_read(part, source)[0], "\n")) for part, source in _bodies(message)
    ]
    pieces: list[Piece] = [_subject(message.subject), b"MIME-Version: 1.0\r\n"]
    if len(bodies) == 1:
        pieces += [bodies[0][0], *bodies[0][1]]
    else:
        boundary = f"=_{token}".encode()  # "=_" never stands in quoted-printable text (RFC 2045 section 6.7)
        pieces.append(b'Content-Type: multipart/alternative; boundary="' + boundary + b'"\r\n')
        for head, encoded in bodies:
            pieces += [b"\r\n--" + boundary + b"\r\n" + head, *encoded]
        pieces.append(b"\r\n--" + boundary + b"--\r\n")
    merged: list[Piece] = []
    for constant, run in groupby(pieces, key=lambda piece: isinstance(piece, bytes)):
        same = list(run)
        merged += [b"".join(cast("list[bytes]", same))] if constant else same
    return Prepared(envelope_from, token, domain, sender, tuple(merged))


def _bodies(message: Message) -> list[tuple[Part, str]]:
    """Return the bodies there are, the plainest first (RFC 2046 section 5.1.4)."""
    given: list[tuple[Part, str]] = [("text", message.text), ("html", message.html)]
    return [(part, source) for part, source in given if source.strip()] or given[:1]


class _Absent(StrictUndefined):
    """A field that this recipient lacks: false in a condition, an error where it would be used."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = self._undefined_name or "field"
        self._undefined_exception = cast("Any", lambda _: _missing(name))

    def __bool__(self) -> bool:  # type: ignore[override]  # so that {{ city or "x" }} works
        return False


def _environment(*, autoescape: bool) -> SandboxedEnvironment:
    made = SandboxedEnvironment(autoescape=autoescape, undefined=_Absent)
    filters = (
        "capitalize d default e escape first int last length lower string title trim truncate upper urlencode"
    )
    tests = "== defined eq equalto in ne none undefined !="
    made.filters = {name: made.filters[name] for name in filters.split()}
    made.tests = {name: made.tests[name] for name in tests.split()}
    made.globals = {}
    return made


_ENVIRONMENTS = {escaped: _environment(autoescape=escaped) for escaped in (False, True)}
_ALLOWED = {
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Filter, nodes.Test),
    *(nodes.If, nodes.CondExpr, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.Concat),
    *(nodes.Keyword, nodes.List, nodes.Tuple),
}
_WORDS = {
    nodes.For: "a loop",
    nodes.Call: "a function call",
    nodes.Getattr: "a dot after a field",
    nodes.Getitem: "brackets after a field",
    nodes.Add: "a + (write ~ to join texts)",
    nodes.Mul: "arithmetic",
    nodes.Pow: "arithmetic",
    nodes.Assign: "{% set %}",
    nodes.Include: "{% include %}",
    nodes.Import: "{% import %}",
    nodes.FromImport: "{% import %}",
    nodes.Extends: "{% extends %}",
    nodes.Block: "{% block %}",
    nodes.Macro: "a macro",
    nodes.CallBlock: "{% call %}",
}
_CONTROL = re.compile("[\r\n\0]")


_TROUBLES = (TypeError, ValueError, ArithmeticError, AssertionError, TemplateRuntimeError)


def _read(part: Part, source: str) -> tuple[list[Segment], frozenset[str]]:
    """Cut a template into what is constant and what is rendered; also return the fields it names.

    Jinja drops one line break at the end of the source: each body gets its last one when it is encoded.
    """
    if len(source) > TEMPLATE_MAX:
        raise ComposeError(part, f"The {part} has {len(source)} characters. Shorten it to {TEMPLATE_MAX}.")
    if not _encodable(source):
        raise ComposeError(part, f"A character in the {part} is no text. Type it again.")
    try:
        return _cut(part, source)
    except TemplateSyntaxError as error:
        where = f"Line {error.lineno} of the {part} cannot be read: {error.message}"
        raise ComposeError(part, f"{where} Write fields like {{{{ name }}}}.") from None
    except ComposeError:
        raise
    except (RecursionError, MemoryError, SyntaxError, ValueError):
        problem = f"The {part} is nested too deeply or has a number that is too long. Make it simpler."
        raise ComposeError(part, problem) from None


def _cut(part: Part, source: str) -> tuple[list[Segment], frozenset[str]]:
    environment = _ENVIRONMENTS[part == "html"]
    tree = environment.parse(source)
    found = list(tree.find_all(nodes.Node))
    for node in found:  # before compiling, which works out constants
        _check(part, node, environment)
    fields = frozenset(node.name for node in found if isinstance(node, nodes.Name))
    outputs = [child for node in tree.body for child in getattr(node, "nodes", [node])]
    if not all(isinstance(child, nodes.TemplateData | nodes.Name) for child in outputs):
        return [partial(_render, part, environment.from_string(source))], fields
    segments: list[Segment] = []
    for child in outputs:
        if isinstance(child, nodes.TemplateData):
            segments.append(child.data)
        elif isinstance(child, nodes.Name):
            value: Render = itemgetter(child.name)
            segments.append(partial(_escaped, child.name) if part == "html" else value)
    return segments, fields


def _check(part: Part, node: nodes.Node, environment: SandboxedEnvironment) -> None:
    """Refuse what a message cannot use, with its line."""
    word = ""
    if type(node) not in _ALLOWED:
        word = _WORDS.get(type(node)) or f"{type(node).__name__.lower()}"
    elif isinstance(node, nodes.Name) and node.name == "self":
        word = 'the reserved word "self"'
    elif isinstance(node, nodes.Filter) and node.name not in environment.filters:
        word = f"the filter {node.name}"
    elif isinstance(node, nodes.Test) and node.name not in environment.tests:
        word = f"the test {node.name}"
    elif part == "subject" and isinstance(node, nodes.Const) and _CONTROL.search(str(node.value)):
        word = "a line break in quotes"
    if word:
        allowed = "{{ field }}, {% if %}, comments and these filters: " + ", ".join(environment.filters)
        problem = (
            f"Line {node.lineno} of the {part} has {word}, which a message cannot use. Use only {allowed}."
        )
        raise ComposeError(part, problem)


def _render(part: Part, template: Template, values: Values) -> str:
    try:
        return template.render({name: _lf(value) for name, value in values.items()})
    except MergeError:
        raise
    except _TROUBLES as error:
        raise MergeError(
            part, f"The template cannot be filled with this recipient's values: {error}"
        ) from error


def _escaped(name: str, values: Values) -> str:
    return escape(values[name])


def _missing(name: str) -> MergeError:
    return MergeError(name, f'This recipient has no such field. Add it, or write {{{{ {name} or "…" }}}}.')


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _body_head(part: Part) -> bytes:
    kind = b"html" if part == "html" else b"plain"
    return (
        b"Content-Type: text/"
        + kind
        + b"; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    )


def _encoded(*segments: Segment) -> list[Piece]:
    """Return the pieces of a body. Neighbouring constants become one, so they need no break between."""
    pieces: list[Piece] = []
    for constant, run in groupby(segments, key=lambda segment: isinstance(segment, str)):
        if constant:
            pieces.append(_quoted("".join(cast("Iterator[str]", run))))
        else:
            pieces += [partial(_quoted_value, render) for render in cast("Iterator[Render]", run)]
    return pieces


def _quoted_value(render: Render, values: Values) -> bytes:
    return _quoted(render(values))


_OVERLONG = re.compile(rb"^(.{74,75})(=20|=09)$", re.MULTILINE)  # b2a_qp forgets its limit at a final space


def _quoted(text: str) -> bytes:
    """Return a whole number of quoted-printable lines that decode to ``text``, its line ends as CRLF."""
    # The x keeps the end of the text from being the end of the encoding: so the last line has room for
    # the soft break, and a final space or dot needs no escape.
    lines = b2a_qp(_lf(text).encode() + b"x", istext=True)[:-1]
    if b"\n" in lines:
        lines = _OVERLONG.sub(rb"\1=\n\2", lines).replace(b"\n", b"\r\n")
    return lines if lines.endswith(b"\n") or not lines else lines + b"=\r\n"


def _lf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*")
_FROM = re.compile(r'(?:(?:"((?:[^"\\]|\\.)*)"|([^"<>,;@]*)) *)?<([^<> ]+)>|([^<>,; "]+)')
_FROM_MAX = 500
_ATOMS = re.compile(r"[A-Za-z0-9'_-]+(?: [A-Za-z0-9'_-]+)*")
_UNFIT_ADDRESS = re.compile("[\x00-\x20\x7f<>]")
_FOLD = re.compile(r".{1,66}(?= [^ ]|\Z)")
_LINE_MAX = 76
_PHRASE_MAX = 66
_WORD_BYTES = 39  # 64 characters as an encoded word, so that "Subject: " fits before it


def _sender(text: str) -> tuple[bytes, str]:
    """Return the From header and the envelope address. A host name without dots is let through."""
    shape = _FROM.fullmatch(text.strip()) if len(text) <= _FROM_MAX else None
    if _CONTROL.search(text) or not _encodable(text) or not shape:
        problem = "From must be one address on one line, like ann@example.org or Ann Lee <ann@example.org>."
        raise ComposeError("from", problem + ' Quote a name with a comma: "Lee, Ann" <ann@example.org>.')
    quoted, plain, inner, bare = shape.groups()
    local, _, domain = (inner or bare).rpartition("@")
    private = _HOST.fullmatch(domain)  # localhost and .local are the operator's own affair
    try:
        judged = validate_email(
            f"{local}@example.org" if private else f"{local}@{domain}",
            check_deliverability=False,
            test_environment=True,
        )
    except EmailNotValidError as error:
        raise ComposeError("from", f"The From address {local}@{domain} cannot be used. {error}") from None
    address = f"{local}@{domain.lower() if private else judged.ascii_domain}"
    name = re.sub(r"\\(.)", r"\1", quoted) if quoted else (plain or "").strip()
    return _mailbox("From", name, address), address


def _subject(source: str) -> Piece:
    if _CONTROL.search(source):
        raise ComposeError("subject", "The subject has a line break. Write it on one line.")
    segments, fields = _read("subject", source)
    if all(isinstance(segment, str) for segment in segments):
        return _unstructured("Subject", "".join(cast("list[str]", segments)))

    def fill(values: Values) -> bytes:
        text = "".join([segment if isinstance(segment, str) else segment(values) for segment in segments])
        if _CONTROL.search(text):
            culprit = next(name for name in sorted(fields) if _CONTROL.search(values.get(name, "")))
            raise MergeError(culprit, "It has a line break, and the subject uses it. Take the break out.")
        return _unstructured("Subject", text)

    return fill


def _unstructured(header: str, text: str) -> bytes:
    """Return a header line, folded, as encoded words (RFC 2047) where plain ASCII would not survive."""
    if text.isascii() and text.isprintable() and "=?" not in text and text == text.strip():
        if len(header) + 2 + len(text) <= _LINE_MAX:
            return f"{header}: {text}\r\n".encode()
        lines = _FOLD.findall(text)
        if "".join(lines) == text:
            folded = "\r\n".join(lines)
            return f"{header}: {folded}\r\n".encode()
    return f"{header}: {_encoded_words(text)}\r\n".encode()


def _encoded_words(text: str) -> str:
    data, start, words = text.encode(), 0, []
    while start < len(data):
        end = min(start + _WORD_BYTES, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:  # noqa: PLR2004  # within a character of UTF-8
            end -= 1
        words.append(f"=?utf-8?b?{b64encode(data[start:end]).decode()}?=")
        start = end
    return "\r\n ".join(words)


def _mailbox(header: str, name: str, email: str) -> bytes:
    """Return a header line that holds one mailbox (RFC 5322 section 3.4)."""
    for field, bad in (("name", _CONTROL.search(name)), ("email", _UNFIT_ADDRESS.search(email))):
        if bad:
            raise MergeError(field, "It has a character that no header may hold. Take the line break out.")
    if not name:
        return f"{header}: {email}\r\n".encode()
    phrase = name if _ATOMS.fullmatch(name) else '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    if not phrase.isascii() or not phrase.isprintable() or "=?" in phrase or len(phrase) > _PHRASE_MAX:
        phrase = _encoded_words(name)
    gap = " " if len(header) + len(phrase) + len(email) + 5 <= _LINE_MAX else "\r\n "
    return f"{header}: {phrase}{gap}<{email}>\r\n".encode()


@lru_cache(maxsize=16)
def _date(seconds: int) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC))
