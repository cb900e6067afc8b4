"""The expressions in a message: what they may hold, and how they are worked out for one recipient.

Pure. Jinja reads and compiles them. There are fields, comparisons, and filters and tests that neither grow
text without bound nor differ from one run to the next; Jinja's sandbox is a second wall behind that list.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.sandbox import SandboxedEnvironment

from mailing.core.reasons import Reason
from mailing.messages import locales
from mailing.messages.field_names import field_name
from mailing.messages.given_names import first_name
from mailing.messages.marks import FILTERS, ComposeError
from mailing.messages.values import CONTROL, KINDS, MergeError, MissingFieldError, encodable, kind, operand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from jinja2 import Template

    from mailing.core.reasons import Value as Said
    from mailing.messages.marks import Mark, Part
    from mailing.messages.values import Values

DEPTH_MAX = 30
_OPERAND = "operand"  # the filter through which both sides of a comparison go; nobody can write it
RESULT_MAX = 10_000_000  # characters of one expression: as many as a whole message may have bytes


class _Absent(StrictUndefined):
    """A field that this recipient lacks: false in a condition, an error where it would be used."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if name := self._undefined_name:
            self._undefined_exception = cast("Any", lambda _: MissingFieldError(name))

    def __bool__(self) -> bool:  # type: ignore[override]  # so that {{ city or "x" }} works
        return False


def _environment(*, autoescape: bool) -> SandboxedEnvironment:
    # Working constants out beforehand costs the square of the depth, and saves a message nothing.
    made = SandboxedEnvironment(autoescape=autoescape, undefined=_Absent, optimized=False, finalize=_finished)
    made.filters |= {"date": locales.date, "first_name": first_name, "number": locales.number}
    made.filters = {name: made.filters[name] for name in FILTERS} | {_OPERAND: operand}
    made.tests = {name: made.tests[name] for name in ("defined", "in", "none", "undefined")}
    for names, test in ((("==", "eq", "equalto"), _equal), (("!=", "ne"), _unequal)):
        made.tests |= dict.fromkeys(names, test)
    made.globals = {}
    return made


def _finished(value: Any) -> Any:
    return operand(value) if isinstance(value, int | float) else value


def _equal(value: object, other: object) -> bool:
    return bool(operand(value) == operand(other))


def _unequal(value: object, other: object) -> bool:
    return not _equal(value, other)


_ENVIRONMENTS = {escaped: _environment(autoescape=escaped) for escaped in (False, True)}
_TESTS = frozenset(_ENVIRONMENTS[True].tests)
_ALLOWED = {
    *(nodes.Name, nodes.Const, nodes.TemplateData, nodes.Filter, nodes.Test, nodes.CondExpr, nodes.Keyword),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.Concat, nodes.List, nodes.Tuple),
}
_CONSTRUCTS: dict[type[nodes.Node], Reason] = {
    nodes.Call: Reason("construct.call"),
    nodes.Getattr: Reason("construct.dot"),
    nodes.Getitem: Reason("construct.brackets"),
    nodes.Add: Reason("construct.plus"),
    nodes.Dict: Reason("construct.braces"),
    **dict.fromkeys(
        (nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow, nodes.Neg, nodes.Pos),
        Reason("construct.arithmetic"),
    ),
}
_TAKES_LIST = (nodes.Operand, nodes.Test)
_FITS: dict[str, Callable[..., bool]] = {"date": locales.fits_date, "number": locales.fits_number}
_GROWTH = {
    "date": locales.GROWTH,
    "number": 2,
    "urlencode": 12,
    "e": 5,
    "escape": 5,
    "upper": 3,
    "lower": 3,
    "title": 3,
    "capitalize": 3,
}
_WORD = r"\b(?!(?:and|else|if|in|is|not|or)\b)"
_ODDLY_NAMED = re.compile(rf"{_WORD}[^\W\d]\w*+(?:[-\s]++{_WORD}\w++)+")
_QUOTED = re.compile(r"""("[^"]*"|'[^']*')""")


@dataclass(frozen=True, slots=True)
class _Read:
    """An expression that was found good. ``uses`` says how often it may print each field, at most."""

    block: str
    uses: Mapping[str, int]
    growth: int
    field: str = ""  # if it is that and nothing more


@dataclass(frozen=True, slots=True)
class Expression:
    """What stands in one field or condition, ready to be worked out."""

    mark: Mark
    program: Program
    read: _Read

    @property
    def field(self) -> str:
        """The name of the field that is all of it, or nothing."""
        return self.read.field

    @property
    def uses(self) -> Mapping[str, int]:
        """How often it may print each field that it names, at most."""
        return self.read.uses

    def __call__(self, values: Values) -> str:
        """Return what it prints for one recipient, a condition ``1`` or nothing. Raises ``MergeError``."""
        known = {name: operand(values[name]) for name in self.read.uses.keys() & values.keys()}
        lengths = ((n, known.get(name, "")) for name, n in self.read.uses.items())
        most = self.read.growth * sum(n * len(it) for n, it in lengths if isinstance(it, str))
        if most > RESULT_MAX:
            raise self._fault("message.prints-too-much", most=RESULT_MAX)
        try:
            return self.program.run(self.read.block, known)
        except MissingFieldError:
            raise
        except Exception as error:
            kinds = _kinds(known, values)
            where = {"kinds": kinds} if kinds else {}
            code = "message.cannot-be-worked-out-where" if kinds else "message.cannot-be-worked-out"
            raise self._fault(code, **where) from error

    def _fault(self, code: str, /, **values: Said) -> MergeError:
        return MergeError(self.mark.part, self.mark.reason(code, code=self.mark.shown, **values))


def _kinds(known: Iterable[str], values: Values) -> tuple[Reason, ...]:
    return tuple(
        Reason("kind.of-field", field=name, kind=KINDS[kind(values[name])][0]) for name in sorted(known)
    )


class Program:
    """The expressions of one part, compiled together: ``add`` all of them, then ``compile``."""

    def __init__(self, part: Part) -> None:
        self._environment = _ENVIRONMENTS[part == "html"]
        self._known: dict[tuple[bool, str], _Read] = {}
        self._trees: list[nodes.Node] = []
        self._template: Template | None = None

    @property
    def fields(self) -> frozenset[str]:
        """All fields that they name."""
        return frozenset[str]().union(*(read.uses for read in self._known.values()))

    @property
    def growth(self) -> int:
        """How many times longer than its values any of them may print, at most."""
        return max((read.growth for read in self._known.values()), default=1)

    def add(self, mark: Mark) -> Expression:
        """Read one. Raises ``ComposeError``, with its place, for what a message cannot use."""
        key = bool(mark.word), mark.code
        if key not in self._known:
            self._known[key] = self._read(mark)
        return Expression(mark, self, self._known[key])

    def compile(self) -> None:
        """Make them ready to run."""
        if self._trees:
            tree = nodes.Template(self._trees, lineno=1).set_environment(self._environment)
            self._template = self._environment.from_string(cast("nodes.Template", tree))

    def run(self, block: str, known: Mapping[str, Any]) -> str:
        """Work one out."""
        template = self._template
        assert template is not None
        return "".join(template.blocks[block](template.new_context(dict(known))))

    def _read(self, mark: Mark) -> _Read:
        try:
            tree = self._parse(mark)
            found = _nodes(tree)
        except (RecursionError, MemoryError, ValueError) as error:
            if isinstance(error, ComposeError):
                raise
            raise mark.fault("template.too-complex") from None
        lists = {
            id(child) for node in found if isinstance(node, _TAKES_LIST) for child in node.iter_child_nodes()
        }
        for node in found:  # before compiling, which works out constants
            if isinstance(node, nodes.List | nodes.Tuple) and id(node) not in lists:
                raise mark.refused(Reason("construct.list"))
            _check(mark, node)
            _check_format(mark, node)
        if isinstance(tree, nodes.Name) and not mark.word:
            return _Read("", {tree.name: 1}, 1, tree.name)
        prints = list(_prints(tree, 5 if mark.part == "html" else 1))
        for node in found:
            if isinstance(node, nodes.Compare):
                node.expr = _through_operand(node.expr)
                for side in node.ops:
                    side.expr = _through_operand(side.expr)
        block = f"b{len(self._trees)}"
        outcome = nodes.CondExpr(tree, nodes.Const("1"), nodes.Const("")) if mark.word else tree
        self._trees.append(nodes.Block(block, [nodes.Output([outcome])], False, False, lineno=1))
        uses = Counter(name for name, _ in prints)
        return _Read(block, uses, max((growth for _, growth in prints), default=1))

    def _parse(self, mark: Mark) -> nodes.Expr:
        try:
            output = self._environment.parse(f"{{{{ {mark.code} }}}}").body[0]
        except TemplateSyntaxError:
            raise mark.unreadable(_advice(mark.code)) from None
        (tree,) = cast("nodes.Output", output).nodes
        return tree


def _through_operand(node: nodes.Expr) -> nodes.Expr:
    return nodes.Filter(node, _OPERAND, [], [], None, None)


def _advice(code: str) -> Reason:
    return _misnamed(code) or Reason("mark.field")


def _misnamed(code: str) -> Reason | None:
    """Return what to write where a field is called by its column's header."""
    for piece in _QUOTED.split(code)[::2]:
        if named := _ODDLY_NAMED.search(piece):
            return Reason("mark.field-name", field=f"{{{{ {field_name(named[0])} }}}}")
    return None


def _nodes(tree: nodes.Node) -> list[nodes.Node]:
    """Return all nodes, the tree itself first. Raises ``RecursionError`` beyond ``DEPTH_MAX`` levels."""
    found, level = [tree], [tree]
    for _ in range(DEPTH_MAX):
        level = [child for node in level for child in node.iter_child_nodes()]
        found += level
        if not level:
            return found
    raise RecursionError


def _check(mark: Mark, node: nodes.Node) -> None:
    """Refuse what a message cannot use, with its place."""
    what: Reason | str = ""
    if isinstance(node, nodes.Sub) and (advice := _misnamed(mark.code)):
        raise mark.unreadable(advice)
    if isinstance(node, nodes.Neg) and isinstance(node.node, nodes.Const):
        return  # a number below zero
    if type(node) not in _ALLOWED:
        what = _CONSTRUCTS.get(type(node)) or type(node).__name__.lower()
    elif isinstance(node, nodes.Name) and node.name in {"self", "super"}:
        what = Reason("construct.reserved", word=node.name)
    elif isinstance(node, nodes.Filter) and node.name not in FILTERS:
        what = Reason("construct.filter", word=node.name)
    elif isinstance(node, nodes.Test) and node.name not in _TESTS:
        what = Reason("construct.test", word=node.name)
    elif isinstance(node, nodes.Const) and mark.part == "subject" and CONTROL.search(str(node.value)):
        what = Reason("construct.line-break")
    elif isinstance(node, nodes.Const) and not encodable(str(node.value)):
        what = Reason("construct.invalid-character")
    if what:
        raise mark.refused(what)


def _check_format(mark: Mark, node: nodes.Node) -> None:
    """Refuse a format or a language that there is not, for a date or a number, as far as it is constant."""
    if not isinstance(node, nodes.Filter) or node.name not in _FITS:
        return
    named = cast("Sequence[nodes.Keyword]", node.kwargs)
    try:
        fits = _FITS[node.name](
            *(each.as_const() for each in node.args), **{each.key: each.value.as_const() for each in named}
        )
    except nodes.Impossible:  # it comes from a field
        return
    except TypeError:  # more of them than it takes
        fits = False
    if not fits:
        raise mark.unreadable(Reason(f"mark.{node.name}"))


def _prints(node: nodes.Node, growth: int) -> Iterator[tuple[str, int]]:
    """Yield each use of a field, and how many times longer than its value the filters may make it."""
    if isinstance(node, nodes.Name):
        yield node.name, growth
    elif isinstance(node, nodes.Filter):
        growth *= _GROWTH.get(node.name, 1)
    for child in node.iter_child_nodes():
        yield from _prints(child, growth)
