"""The merge templates of a message: what they may hold, and where constant text ends and fields begin.

Pure. In the templates there are fields, ``{% if %}``, comments, and filters and tests that neither grow
text without bound nor differ from one run to the next. Jinja's sandbox is a second wall behind that list.
Three limits keep the worst template to a fraction of a second: ``TEMPLATE_MAX`` characters in all,
``CODE_MAX`` of them inside ``{{ }}`` and ``{% %}``, and ``DEPTH_MAX`` levels of one thing in another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, cast

from jinja2 import StrictUndefined, TemplateRuntimeError, TemplateSyntaxError, nodes
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import escape

if TYPE_CHECKING:
    from jinja2 import Template

TEMPLATE_MAX = 1_000_000  # characters
CODE_MAX = 12_000  # characters: some 1,000 fields or conditions
DEPTH_MAX = 30

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


class _Absent(StrictUndefined):
    """A field that this recipient lacks: false in a condition, an error where it would be used."""

    __slots__ = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = self._undefined_name or "field"
        self._undefined_exception = cast("Any", lambda _: report_missing(name))

    def __bool__(self) -> bool:  # type: ignore[override]  # so that {{ city or "x" }} works
        return False


def _environment(*, autoescape: bool) -> SandboxedEnvironment:
    # Working constants out beforehand costs the square of the depth, and saves a message nothing.
    made = SandboxedEnvironment(autoescape=autoescape, undefined=_Absent, optimized=False)
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
CONTROL = re.compile("[\r\n\0]")
_TROUBLES = (TypeError, ValueError, ArithmeticError, AssertionError, TemplateRuntimeError)


def read(part: Part, source: str) -> tuple[list[Segment], frozenset[str]]:
    """Cut a template into what is constant and what is rendered; also return the fields it names.

    Jinja drops one line break at the end of the source: each body gets its last one when it is encoded.
    Raises ``ComposeError``.
    """
    if len(source) > TEMPLATE_MAX:
        raise ComposeError(part, f"The {part} has {len(source)} characters. Shorten it to {TEMPLATE_MAX}.")
    if not encodable(source):
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
    _measure(part, source, environment)
    tree = environment.parse(source)
    found = _nodes(tree)
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


def _measure(part: Part, source: str, environment: SandboxedEnvironment) -> None:
    """Refuse more code than a person writes, before it is parsed."""
    code = 0
    for line, kind, token in environment.lex(source):
        code += len(token) if kind not in {"data", "comment"} else 0
        if code > CODE_MAX:
            problem = f"The {part} has more than {CODE_MAX:,} characters inside {{{{ }}}} and {{% %}}"
            raise ComposeError(part, f"{problem}, up to line {line}. Use fewer fields and conditions.")


def _nodes(tree: nodes.Node) -> list[nodes.Node]:
    """Return all nodes, the tree itself first. Raises ``RecursionError`` beyond ``DEPTH_MAX`` levels."""
    found, level = [tree], [tree]
    for _ in range(DEPTH_MAX):
        level = [child for node in level for child in node.iter_child_nodes()]
        found += level
        if not level:
            return found
    raise RecursionError


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
    elif part == "subject" and isinstance(node, nodes.Const) and CONTROL.search(str(node.value)):
        word = "a line break in quotes"
    if word:
        allowed = "{{ field }}, {% if %}, comments and these filters: " + ", ".join(environment.filters)
        problem = (
            f"Line {node.lineno} of the {part} has {word}, which a message cannot use. Use only {allowed}."
        )
        raise ComposeError(part, problem)


def _render(part: Part, template: Template, values: Values) -> str:
    try:
        return template.render({name: unify(value) for name, value in values.items()})
    except MergeError:
        raise
    except _TROUBLES as error:
        raise MergeError(
            part, f"The template cannot be filled with this recipient's values: {error}"
        ) from error


def _escaped(name: str, values: Values) -> str:
    return escape(values[name])


def report_missing(name: str) -> MergeError:
    """Return the error of a field that a recipient lacks."""
    return MergeError(name, f'This recipient has no such field. Add it, or write {{{{ {name} or "…" }}}}.')


def encodable(text: str) -> bool:
    """Tell whether the text has no lone surrogates, which UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def unify(text: str) -> str:
    """Return the text with LF at the end of each line, whatever ended it."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
