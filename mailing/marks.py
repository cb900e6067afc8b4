"""What in a message is Volley's and what is the writer's own: fields, conditions, and the text between.

Pure. ``{{`` begins a field where something follows that an expression can begin with, ``{%`` a statement
where one of the words below follows. Everything else arrives as it was typed: CSS, ``{#`` and ``{% 50 off``.
``-`` beside a brace takes the white space on its side away, as in Jinja.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mailing.values import unify

if TYPE_CHECKING:
    from collections.abc import Iterator

CODE_MAX = 12_000  # characters: some 1,000 fields or conditions
SHOWN_MAX = 60
FILTERS = (
    *("capitalize", "d", "default", "e", "escape", "first", "int", "last", "length", "lower", "string"),
    *("title", "trim", "truncate", "upper", "urlencode"),
)
ALLOWED = "{{ field }}, {% if %} and these filters: " + ", ".join(FILTERS)

Part = Literal["from", "subject", "text", "html"]

REFUSED_WORDS = {
    **dict.fromkeys(("for", "endfor"), "a loop"),
    **dict.fromkeys(("macro", "endmacro"), "a macro"),
    **{word: f"{{% {word} %}}" for word in ("set", "include", "import", "extends")},
    **{
        f"{end}{word}": f"{{% {word} %}}"
        for word in ("block", "call", "filter", "with", "set")
        for end in ("", "end")
    },
    "from": "{% import %}",
}
_WORDS = "|".join(("if", "elif", "else", "endif", "raw", "endraw", *REFUSED_WORDS)).replace(
    "from",
    r"from(?=\s+\S+\s+import\b)",  # no other word of these begins so much that is only text
)
_OPENING = re.compile(
    r"\{(?:\{|(?P<statement>%))(?P<trim>[-+]?)"
    rf"""(?(statement)\s*+(?P<word>{_WORDS})\b|(?=\s*+(?:[\w"'(\[]|\}}\}})))"""
)
_QUOTED = r"""|"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|"""
_FIELD = re.compile(rf"""(?P<code>(?:[^"'}}]++{_QUOTED}\}}(?!\}}))*+)(?P<shut>\}}\}})?""", re.DOTALL)
_STATEMENT = re.compile(rf"""(?P<code>(?:[^"'%]++{_QUOTED}%(?!\}}))*+)(?P<shut>%\}})?""", re.DOTALL)
_END_OF_RAW = re.compile(r"\{%(?P<trim>[-+]?)\s*+endraw\s*+(?P<after>[-+]?)%\}")
_SPACE = re.compile(r"\s*+")


class ComposeError(ValueError):
    """The message cannot be sent to anyone as it is written. ``field`` is the part to mend."""

    def __init__(self, field: Part, problem: str) -> None:
        super().__init__(problem)
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

    @property
    def place(self) -> str:
        """Where it stands, in words."""
        return f"Line {self.line} of the {self.part}, column {self.column}"

    @property
    def shown(self) -> str:
        """What was written, on one line that is not too long."""
        shown = " ".join(self.source.split())
        return shown if len(shown) <= SHOWN_MAX else f"{shown[: SHOWN_MAX - 1]}…"

    def unreadable(self, advice: str) -> ComposeError:
        """Return the error of a mark that means nothing."""
        return ComposeError(self.part, f"{self.place}, cannot be read: {self.shown}. {advice}")

    def refused(self, word: str) -> ComposeError:
        """Return the error of a mark that has what no message can use."""
        problem = f", has {word}, which a message cannot use. Use only {ALLOWED}."
        return ComposeError(self.part, f"{self.place}{problem}")


def cut(part: Part, source: str) -> Iterator[str | Mark]:
    """Take a source apart, in its order; line ends become LF, and one at the very end is left out.

    Raises ``ComposeError`` where a mark does not end, or there are more of them than a person writes.
    """
    source = unify(source).removesuffix("\n")
    at, code, line, counted = 0, 0, 1, 0
    while opening := _OPENING.search(source, at):
        yield from _text(source[at : opening.start()], opening["trim"])
        line, counted = line + source.count("\n", counted, opening.start()), opening.start()
        mark, at = _mark(part, source, opening, line)
        code += len(mark.source)
        if code > CODE_MAX:
            problem = f"The {part} has more than {CODE_MAX:,} characters inside {{{{ }}}} and {{% %}}"
            raise ComposeError(part, f"{problem}, up to line {line}. Use fewer fields and conditions.")
        if mark.word != "raw":
            yield mark
            continue
        ending = _END_OF_RAW.search(source, at)
        if not ending:
            raise mark.unreadable("It needs {% endraw %} where it ends.")
        yield from _text(source[at : ending.start()], ending["trim"])
        at = _past(source, ending.end(), ending["after"])
    yield from _text(source[at:], "")


def _mark(part: Part, source: str, opening: re.Match[str], line: int) -> tuple[Mark, int]:
    """Return the mark that begins there, and where the source goes on behind it."""
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
        advice = f"write {'%}' if word else '}}'} where it ends"
        advice = f"a quotation mark opens in it and does not close: {quote}" if quote else advice
        raise Mark(part, word, code, begins, line, column).unreadable(f"It does not end: {advice}.")
    mark = Mark(part, word, code, source[opening.start() : body.end()], line, column)
    return mark, _past(source, body.end(), trim)


def _text(text: str, trim: str) -> Iterator[str]:
    if text := text.rstrip() if trim == "-" else text:
        yield text


def _past(source: str, at: int, trim: str) -> int:
    space = _SPACE.match(source, at) if trim == "-" else None
    return space.end() if space else at
