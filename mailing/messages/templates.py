"""The templates of a message: constant text, fields, and conditions around them.

Pure. ``marks`` finds what is ours in a source, ``expressions`` works it out, and this room puts the parts
together. Three limits keep the worst template to a fraction of a second: ``TEMPLATE_MAX`` characters in
all, ``CODE_MAX`` of them inside ``{{ }}`` and ``{% %}``, and ``DEPTH_MAX`` levels of one thing in another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter

from markupsafe import escape

from mailing.core.reasons import Reason
from mailing.messages.expressions import DEPTH_MAX as DEPTH_MAX  # noqa: PLC0414 - also for whoever imports it from here
from mailing.messages.expressions import RESULT_MAX, Expression, Program
from mailing.messages.marks import CODE_MAX as CODE_MAX  # noqa: PLC0414 - likewise
from mailing.messages.marks import REFUSED_WORDS, ComposeError, Mark, Part, cut, part_name
from mailing.messages.values import Value, Values, encodable, printed

TEMPLATE_MAX = 1_000_000  # characters

Render = Callable[[Values], Value]
Segment = str | Render
Piece = bytes | Callable[[Values], bytes]


@dataclass(frozen=True, slots=True)
class Template:
    """A source cut into what is constant and what is rendered.

    ``fields`` are all that it names, and ``uses`` says how often it prints each of them at most, ``growth``
    times longer than the value at most. ``conditional`` counts the bytes of the longest of the branches.
    """

    segments: Sequence[Segment]
    fields: frozenset[str]
    uses: Mapping[str, int]
    growth: int
    conditional: int


@dataclass(frozen=True, slots=True)
class _Choice:
    """``{% if %}`` with all its branches; the last condition is None where there is an ``{% else %}``."""

    branches: Sequence[tuple[Expression | None, list[Segment]]]

    def __call__(self, values: Values) -> str:
        for condition, segments in self.branches:
            if condition is None or condition(values):
                return render(segments, values)
        return ""


def render(segments: Sequence[Segment], values: Values) -> str:
    """Return what the segments print for one recipient.

    Raises ``MergeError``; ``KeyError`` for a field that is missing, and ``OverflowError`` for more characters
    than a message may have bytes, before they are put together.
    """
    room, rendered = RESULT_MAX, []
    for segment in segments:
        value = segment if isinstance(segment, str) else segment(values)
        rendered.append(value if isinstance(value, str) else printed(value))
        room -= len(rendered[-1])
        if room < 0:
            raise OverflowError
    return "".join(rendered)


def read(part: Part, source: str) -> Template:
    """Cut a template into what is constant and what is rendered.

    One line break at the end of the source is left out: each body gets its last one when it is encoded.
    Raises ``ComposeError``.
    """
    if len(source) > TEMPLATE_MAX:
        long = Reason("template.too-long", part=part_name(part), n=len(source), most=TEMPLATE_MAX)
        raise ComposeError(part, long)
    if not encodable(source):
        raise ComposeError(part, Reason("template.invalid-character", part=part_name(part)))
    reader = _Reader(part)
    for token in cut(part, source):
        reader.take(token)
    return reader.template()


class _Level:
    """What stands in the branch of a condition, or in none."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        self.uses: Counter[str] = Counter()
        self.length = 0  # of what is constant within conditions, in bytes


class _Opened:
    """An ``{% if %}`` whose end has not come yet."""

    def __init__(self, mark: Mark, around: _Level) -> None:
        self.mark = mark
        self.around = around
        self.branches: list[tuple[Expression | None, _Level]] = []

    def close(self) -> None:
        levels = [level for _, level in self.branches]
        self.around.segments.append(_Choice([(test, level.segments) for test, level in self.branches]))
        self.around.length += max(level.length for level in levels)
        for name in {name for level in levels for name in level.uses}:
            self.around.uses[name] += max(level.uses[name] for level in levels)


class _Reader:
    """Puts a template together, token by token."""

    def __init__(self, part: Part) -> None:
        self._part: Part = part
        self._program = Program(part)
        self._level = _Level()
        self._opened: list[_Opened] = []

    def take(self, token: str | Mark) -> None:
        if isinstance(token, str):
            self._level.segments.append(token)
            self._level.length += len(token.encode()) if self._opened else 0
        elif not token.word:
            self._field(token)
        elif token.word == "if":
            if len(self._opened) == DEPTH_MAX:
                raise token.fault("template.too-complex")
            self._opened.append(_Opened(token, self._level))
            self._branch(token)
        elif token.word in {"elif", "else", "endif"}:
            self._follow(token)
        elif token.word in REFUSED_WORDS:
            raise token.refused(REFUSED_WORDS[token.word])
        else:
            raise token.unreadable(Reason("mark.no-raw"))

    def template(self) -> Template:
        if self._opened:
            raise self._opened[-1].mark.unreadable(Reason("mark.no-endif"))
        self._program.compile()
        whole, program = self._level, self._program
        return Template(whole.segments, program.fields, whole.uses, program.growth, whole.length)

    def _field(self, mark: Mark) -> None:
        found = self._program.add(mark)
        self._level.uses.update(found.uses)
        plain: Render = partial(_escaped, found.field) if self._part == "html" else itemgetter(found.field)
        self._level.segments.append(plain if found.field else found)

    def _follow(self, mark: Mark) -> None:
        """Take what only stands behind an ``{% if %}``."""
        if not self._opened or (mark.word != "endif" and self._opened[-1].branches[-1][0] is None):
            raise mark.unreadable(Reason("mark.no-if"))
        if mark.word != "elif" and mark.code.strip():
            raise mark.unreadable(Reason("mark.no-condition", code=f"{{% {mark.word} %}}"))
        if mark.word == "endif":
            closed = self._opened.pop()
            closed.close()
            self._level = closed.around
        else:
            self._branch(mark)

    def _branch(self, mark: Mark) -> None:
        test = None if mark.word == "else" else self._program.add(mark)
        self._level = _Level()
        self._opened[-1].branches.append((test, self._level))


def _escaped(name: str, values: Values) -> str:
    value = values[name]
    return escape(value if isinstance(value, str) else printed(value))
