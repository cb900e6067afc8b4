"""Marks are hidden from the tools that read HTML, Markdown and MJML, and put back in their places afterwards.

Pure. An HTML parser turns ``{% if a < b %}`` into ``&lt;``, ends an attribute at the quotation marks of
``title="{{ a or "b" }}"``, and moves whatever is no cell out of a table. So each mark becomes a word of
letters and digits, or a comment where only a comment may stand. A tool that loses one all the same is found
out: ``Masked.unmask`` raises rather than send a message without it.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from html import escape
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.messages.marks import spans
from mailing.messages.values import unify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailing.messages.marks import ComposeError, Mark, Part, Span

# What of HTML decides how a mark within it is hidden. What does not end reaches to the end of the source.
_STRUCTURE = re.compile(
    r"""
      (?P<comment><!--.*?(?:-->|\Z))
    | (?P<conditional><!\[[^<>]*+>)  # for Outlook; a parser would make a comment of it
    | (?P<style><style\b[^<>]*+>.*?(?:</style\s*+>|\Z))
    | <(?P<verbatim>script|title|textarea)\b[^<>]*+>.*?(?:</(?P=verbatim)\s*+>|\Z)
    | (?P<tag></?[a-zA-Z](?:[^"'<>]++|"[^"]*+"|'[^']*+')*+>)
    """,
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_VALUE = re.compile(r""""[^"]*+"|'[^']*+'""")
_OF_STYLE = re.compile(r"[\s/\"']style\s*=\s*\Z", re.IGNORECASE)
_NAME_MAX = 20  # characters of "style=" and the blanks around it


class _As(Enum):
    """How a piece of the source is hidden."""

    WORD = auto()
    COMMENT = auto()
    ATTRIBUTE = auto()  # a word that a parser takes for an attribute without a value
    DECLARATION = auto()  # of a style: the whole value, for there is no way to parse the half of one


@dataclass(frozen=True, slots=True)
class _Hidden:
    """A piece of the source, with the first of its marks, if it has any."""

    start: int
    end: int
    how: _As
    mark: Mark | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Masked:
    """A source in which a word stands for each mark."""

    text: str
    word: str  # each begins with it
    _hidden: Sequence[_Hidden]

    @property
    def words(self) -> re.Pattern[str]:
        """Matches what stands for a mark."""
        return re.compile(rf"{self.word}\d+x")

    @property
    def bare(self) -> str:
        """The text with a word for each mark and no comments for any, for whoever drops comments."""
        return self._comments.sub(r"\1", self.text)

    @property
    def _comments(self) -> re.Pattern[str]:
        return re.compile(rf"<!--({self.word}\d+x)-->")

    def is_statement(self, number: int) -> bool:
        """Whether it prints nothing itself: a condition, its branches and its end."""
        mark = self._hidden[number].mark
        return bool(mark and mark.word and mark.word != "raw")

    @property
    def statements(self) -> str:
        """A pattern for the words of all statements, which matches nothing where there are none."""
        numbers = "|".join(str(n) for n in range(len(self._hidden)) if self.is_statement(n))
        return rf"{self.word}(?:{numbers})x" if numbers else r"(?!)"

    def unmask(self, text: str, *, lossy: bool = False) -> str:
        """Return what a tool made of ``text``, with the marks in their places.

        Raises ``ComposeError`` for the first mark that the tool lost, or took past another: the conditions
        would no longer be around what they were written around. A ``lossy`` tool may lose some: the text of
        an HTML message has no attributes.
        """
        found: list[int] = []

        def back(match: re.Match[str]) -> str:
            number = int(match["n"])
            hidden = self._hidden[number]
            found.append(number)
            if hidden.how is _As.ATTRIBUTE and match["empty"]:
                return hidden.source
            if hidden.how is _As.DECLARATION and match["declared"]:
                return hidden.source
            return hidden.source + (match["empty"] or match["declared"] or "")

        numbers = rf'{self.word}(?P<n>\d+)x(?P<empty>="")?+(?P<declared>\s*+:\s*+0)?+'
        unmasked = re.sub(numbers, back, self._comments.sub(r"\1", text))
        if not lossy:
            self._check(found)
        return unmasked

    def _check(self, found: Sequence[int]) -> None:
        seen = list(dict.fromkeys(found))
        there = set(seen)
        for number, hidden in enumerate(self._hidden):
            if number not in there and hidden.mark:
                raise _lost(hidden.mark)
        order = [number for number in seen if self.is_statement(number)]
        for before, after in itertools.pairwise(order):
            mark = self._hidden[after].mark
            if after < before and mark:
                raise _lost(mark)


def mask(part: Part, source: str) -> Masked:
    """Hide the marks of an HTML or MJML source. Raises ``ComposeError`` where one does not end."""
    source = unify(source)
    found = list(spans(part, source))
    return _masked(source, list(_in_html(source, found)))


def mask_plain(part: Part, source: str) -> Masked:
    """Hide the marks of a source in which ``<`` is a sign like any other, as words alone.

    What ``{% raw %}`` keeps is escaped already, for no tool will see it. Raises ``ComposeError``.
    """
    source = unify(source)
    hidden = (
        _Hidden(span.start, span.end, _As.WORD, span.mark, _escaped_raw(source, span))
        for span in spans(part, source)
    )
    return _masked(source, list(hidden))


def alone(masked: Masked, html: str) -> str:
    """Return the HTML in which a condition that is all of a paragraph, or of a table's row, stands alone.

    Else an empty paragraph would be left where it does not apply.
    """
    word = rf"(?:<!--)?{masked.statements}(?:-->)?"
    paragraph = re.compile(rf"<p>\s*+({word}(?:(?:\s|<br ?/?>)*{word})*)\s*+</p>")
    row = re.compile(rf"<tr>\s*+<td[^>]*+>\s*+({word})\s*+</td>(?:\s*+<td[^>]*+></td>)*+\s*+</tr>")
    return row.sub(r"\1", paragraph.sub(r"\1", html))


def blanked(part: Part, source: str) -> str:
    """Return the source with a word of x for each mark, so that lines and columns stay."""
    pieces, at = list[str](), 0
    for span in spans(part, source):
        word = re.sub(r"[^\n]", "x", source[span.start + 1 : span.end - 1])
        pieces += [source[at : span.start], f" {word} "]
        at = span.end
    return "".join([*pieces, source[at:]])


def _lost(mark: Mark) -> ComposeError:
    return mark.unreadable(Reason("mark.misplaced"))


def _masked(source: str, hidden: list[_Hidden]) -> Masked:
    word = "jx"
    while word in source.lower():
        word += "q"
    looks = {
        _As.WORD: "{}",
        _As.COMMENT: "<!--{}-->",
        _As.ATTRIBUTE: " {} ",
        _As.DECLARATION: "{}:0",
    }
    pieces, at = list[str](), 0
    for number, it in enumerate(hidden):
        pieces += [source[at : it.start], looks[it.how].format(f"{word}{number}x")]
        at = it.end
    kept = [it if it.source else _with_source(it, source) for it in hidden]
    return Masked("".join([*pieces, source[at:]]), word, kept)


def _with_source(it: _Hidden, source: str) -> _Hidden:
    return _Hidden(it.start, it.end, it.how, it.mark, source[it.start : it.end])


def _escaped_raw(source: str, span: Span) -> str:
    if span.mark.word != "raw":
        return source[span.start : span.end]
    return f"{{% raw %}}{escape(span.within, quote=False)}{{% endraw %}}"


def _in_html(source: str, found: list[Span]) -> Iterator[_Hidden]:
    """Yield what of an HTML source is hidden, in its order."""
    blank, at = list[str](), 0
    for span in found:
        blank += [source[at : span.start], "x" * (span.end - span.start)]
        at = span.end
    shape, waiting = "".join([*blank, source[at:]]), deque(found)

    def before(end: int) -> Iterator[Span]:
        while waiting and waiting[0].start < end:
            yield waiting.popleft()

    for structure in _STRUCTURE.finditer(shape):
        yield from map(_in_text, before(structure.start()))
        yield from _in_structure(source, structure, list(before(structure.end())))
    yield from map(_in_text, before(len(source)))


def _in_text(span: Span) -> _Hidden:
    statement = span.mark.word and span.mark.word != "raw"
    return _Hidden(span.start, span.end, _As.COMMENT if statement else _As.WORD, span.mark)


def _in_structure(source: str, structure: re.Match[str], inside: Sequence[Span]) -> Iterator[_Hidden]:
    if structure["conditional"] or (structure["style"] and inside):
        first = inside[0].mark if inside else None
        yield _Hidden(structure.start(), structure.end(), _As.COMMENT, first)
    elif inside and structure["tag"]:
        yield from _in_tag(source, structure, inside)
    else:
        yield from (_Hidden(span.start, span.end, _As.WORD, span.mark) for span in inside)


def _in_tag(source: str, structure: re.Match[str], inside: Sequence[Span]) -> Iterator[_Hidden]:
    """Yield the marks within attributes as words, and what a condition between attributes encloses as one."""
    values = [it.span() for it in _VALUE.finditer(structure.string, *structure.span())]

    def value_of(span: Span) -> tuple[int, int] | None:
        return next(((start, end) for start, end in values if start < span.start < end), None)

    loose = [span for span in inside if span.mark.word and not value_of(span)]
    first, last = (loose[0].start, loose[-1].end) if loose else (-1, -1)
    past = -1
    for span in inside:
        value = value_of(span)
        if span.start < past:
            continue
        if first <= span.start < last:
            past = last
            yield _Hidden(span.start, last, _As.ATTRIBUTE, span.mark)
        elif value and _OF_STYLE.search(source[max(0, value[0] - _NAME_MAX) : value[0]]):
            past = value[1]
            yield _declaration(source, value, [it for it in inside if value[0] < it.start < value[1]])
        elif value or re.match(r"[\w=/-]", source[span.start - 1 : span.start]):
            yield _Hidden(span.start, span.end, _As.WORD, span.mark)
        else:
            yield _Hidden(span.start, span.end, _As.ATTRIBUTE, span.mark)


def _declaration(source: str, value: tuple[int, int], inside: Sequence[Span]) -> _Hidden:
    """Hide the whole value of a ``style``; it comes back within double quotation marks."""
    start, end = value[0] + 1, value[1] - 1
    pieces, at = list[str](), start
    for span in inside:
        pieces += [source[at : span.start].replace('"', "&quot;"), source[span.start : span.end]]
        at = span.end
    pieces.append(source[at:end].replace('"', "&quot;"))
    return _Hidden(start, end, _As.DECLARATION, inside[0].mark, "".join(pieces))
