"""What in a message is Volley's and what is the writer's own: fields, conditions, and the text between.

Pure. ``{{`` begins a field where something follows that an expression can begin with, ``{%`` a statement
where one of the words below follows. Everything else arrives as it was typed: CSS, ``{#`` and ``{% 50 off``.
``-`` beside a brace takes the white space on its side away, as in Jinja.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mailing.core.reasons import Reason, ReasonError
from mailing.messages.values import unify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.core.reasons import Value

CODE_MAX = 12_000  # characters: some 1,000 fields or conditions
SHOWN_MAX = 60
FILTERS = (
    *("capitalize", "d", "date", "default", "e", "escape", "first", "first_name", "int", "last", "length"),
    *("lower", "number", "string", "title", "trim", "truncate", "upper", "urlencode"),
)
ALLOWED = Reason("construct.allowed", filters=FILTERS)

Part = Literal["from", "subject", "preheader", "text", "html"]

REFUSED_WORDS = {
    **dict.fromkeys(("for", "endfor"), Reason("construct.loop")),
    **dict.fromkeys(("macro", "endmacro"), Reason("construct.macro")),
    **{word: Reason("construct.statement", word=word) for word in ("set", "include", "import", "extends")},
    **{
        f"{end}{word}": Reason("construct.statement", word=word)
        for word in ("block", "call", "filter", "with", "set")
        for end in ("", "end")
    },
    "from": Reason("construct.statement", word="import"),
}
_WORDS = "|".join(("if", "elif", "else", "endif", "raw", "endraw", *REFUSED_WORDS)).replace(
    "from",
    r"from(?=\s+\S+\s+import\b)",  # no other word of these begins so much that is only text
)
_OPENING = re.compile(
    r"\{(?:\{|(?P<statement>%))(?P<trim>[-+]?)"
    rf"""(?(statement)\s*+(?P<word>{_WORDS})\b|(?=\s*+(?:[\w"'(\[]|\}}\}})))"""
)
_QUOTED = r"""|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|"""
_FIELD = re.compile(rf"""(?P<code>(?:[^"'}}]++{_QUOTED}\}}(?!\}}))*)(?P<shut>\}}\}})?""", re.DOTALL)
_STATEMENT = re.compile(rf"""(?P<code>(?:[^"'%]++{_QUOTED}%(?!\}}))*)(?P<shut>%\}})?""", re.DOTALL)
_END_OF_RAW = re.compile(r"\{%(?P<trim>[-+]?)\s*+endraw\s*+(?P<after>[-+]?)%\}")
_SPACE = re.compile(r"\s*+")


class ComposeError(ReasonError, ValueError):
    """The message cannot be sent to anyone as it is written. ``field`` is the part to fix."""

    def __init__(self, field: Part, reason: Reason) -> None:
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True, slots=True)
class Mark:
    """A field (``word`` is empty) or a statement: its expression, and how and where it stands."""

    part: Part
    word: str
    code: str
    source: str
    line: int
    column: int

    def reason(self, code: str, /, **values: Value) -> Reason:
        """Return a reason that names its place."""
        return Reason(code, line=self.line, column=self.column, part=part_name(self.part), **values)

    @property
    def shown(self) -> str:
        """What was written, on one line that is not too long."""
        shown = " ".join(self.source.split())
        return shown if len(shown) <= SHOWN_MAX else f"{shown[: SHOWN_MAX - 1]}…"

    def unreadable(self, advice: Reason) -> ComposeError:
        """Return the error of a mark that means nothing."""
        return self.fault("template.unreadable", code=self.shown, reason=advice)

    def refused(self, what: Reason | str) -> ComposeError:
        """Return the error of a mark that has what no message can use."""
        return self.fault("template.not-allowed", what=what, allowed=ALLOWED)

    def fault(self, code: str, /, **values: Value) -> ComposeError:
        """Return an error that names its place."""
        return ComposeError(self.part, self.reason(code, **values))


def part_name(part: Part) -> Reason:
    """Return what a part is called within a sentence."""
    return Reason(f"part.{part}")


@dataclass(frozen=True, slots=True)
class Span:
    """Where a mark begins and ends in its source; ``raw`` reaches to its end, and says what stands in it."""

    mark: Mark
    start: int
    end: int
    trims_before: bool
    past: int  # where the source goes on: behind the white space, where a ``-`` takes it away
    within: str = ""


def spans(part: Part, source: str) -> Iterator[Span]:
    """Find the marks of a source whose lines end in LF, in its order.

    Raises ``ComposeError`` where a mark does not end, or there are more of them than a person writes.
    """
    at, code, line, counted = 0, 0, 1, 0
    while opening := _OPENING.search(source, at):
        line, counted = line + source.count("\n", counted, opening.start()), opening.start()
        mark, end, at = _mark(part, source, opening, line)
        code += len(mark.source)
        if code > CODE_MAX:
            much = Reason("template.too-much-code", part=part_name(part), most=CODE_MAX, line=line)
            raise ComposeError(part, much)
        within = ""
        if mark.word == "raw":
            ending = _END_OF_RAW.search(source, at)
            if not ending:
                raise mark.unreadable(Reason("mark.no-endraw"))
            within = "".join(_text(source[at : ending.start()], trims=ending["trim"] == "-"))
            end, at = ending.end(), _past(source, ending.end(), ending["after"])
        yield Span(mark, opening.start(), end, opening["trim"] == "-", at, within)


def cut(part: Part, source: str) -> Iterator[str | Mark]:
    """Take a source apart, in its order; line ends become LF, and one at the very end is left out.

    Raises ``ComposeError`` as ``spans`` does.
    """
    source, at = unify(source).removesuffix("\n"), 0
    for span in spans(part, source):
        yield from _text(source[at : span.start], trims=span.trims_before)
        if span.mark.word != "raw":
            yield span.mark
        elif span.within:
            yield span.within
        at = span.past
    yield from _text(source[at:], trims=False)


def _mark(part: Part, source: str, opening: re.Match[str], line: int) -> tuple[Mark, int, int]:
    """Return the mark that begins there, where it ends, and where the source goes on behind it."""
    word = opening["word"] or ""
    body = (_STATEMENT if word else _FIELD).match(source, opening.end())
    assert body is not None  # it matches the empty text, too
    code, trim = body["code"], ""
    if code.endswith(("-", "+") if word else "-"):
        code, trim = code[:-1], code[-1]
    column = opening.start() - source.rfind("\n", 0, opening.start())
    if not body["shut"]:
        begins = source[opening.start() :].partition("\n")[0]
        quote = source[body.end() : body.end() + 1]
        advice = Reason("mark.open-quote", sign=quote) if quote else _no_end(word)
        raise Mark(part, word, code, begins, line, column).unreadable(advice)
    mark = Mark(part, word, code, source[opening.start() : body.end()], line, column)
    return mark, body.end(), _past(source, body.end(), trim)


def _no_end(word: str) -> Reason:
    return Reason("mark.no-end", end="%}" if word else "}}")


def _text(text: str, *, trims: bool) -> Iterator[str]:
    if text := text.rstrip() if trims else text:
        yield text


def _past(source: str, at: int, trim: str) -> int:
    space = _SPACE.match(source, at) if trim == "-" else None
    return space.end() if space else at
