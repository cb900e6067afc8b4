"""The values of merge fields: text, numbers, true and false; how they print, compare and differ in kind.

Pure. A list from a table brings text alone, a program brings JSON's types, and a template is written for
both. So a text that is a number compares as that number, and every value prints as people write it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from mailing.core.reasons import Reason, ReasonError

Value = str | int | float | bool
Values = Mapping[str, Value]

VALUE_MAX = 65_536  # bytes of a value in UTF-8, as a list holds it
CONTROL = re.compile("[\r\n\0]")
_NUMERAL = re.compile(r"[ \t]*[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?[ \t]*")


class MergeError(ReasonError, ValueError):
    """The message cannot be filled for this recipient. ``field`` is the merge field or the part to fix."""

    def __init__(self, field: str, reason: Reason) -> None:
        super().__init__(reason)
        self.field = field


class FieldError(MergeError):
    """The value of a merge field does not fit where it is used."""

    def __init__(self, field: str, reason: Reason) -> None:
        super().__init__(field, Reason("message.field-is", field=field, reason=reason))


class MissingFieldError(FieldError):
    """This recipient lacks a merge field that the message uses, and the message has no default for it."""

    def __init__(self, field: str) -> None:
        super().__init__(field, Reason("message.no-field", fix=with_default(field)))


def with_default(field: str) -> str:
    """Return how a merge field is written that may be missing."""
    return f'{{{{ {field} or "…" }}}}'


class Kind:
    """What of a value can decide whether, and where, a template fails: a letter, for there are millions."""

    EMPTY = "e"
    TEXT = "t"
    NUMERAL = "n"  # text that is a number
    BROKEN = "b"  # text of more than one line, which no header may hold
    TRUE = "y"
    FALSE = "f"
    ZERO = "z"
    NUMBER = "d"


KINDS: Mapping[str, tuple[Reason | str, Value]] = {
    Kind.EMPTY: (Reason("kind.empty"), ""),
    Kind.TEXT: (Reason("kind.text"), "text"),
    Kind.NUMERAL: (Reason("kind.number"), "1"),
    Kind.BROKEN: (Reason("kind.broken-text"), "a\nb"),
    Kind.TRUE: (Reason("kind.true"), True),
    Kind.FALSE: (Reason("kind.false"), False),
    Kind.ZERO: ("0", 0),
    Kind.NUMBER: (Reason("kind.number"), 1),
}
"""Each kind in words, and a value of it."""


def kind(value: Value) -> str:
    """Return the ``Kind`` of a value."""
    if isinstance(value, str):
        if not value:
            return Kind.EMPTY
        if value[-1] <= "9" and _NUMERAL.fullmatch(value):
            return Kind.NUMERAL
        return Kind.TEXT if value.isprintable() or not CONTROL.search(value) else Kind.BROKEN
    if isinstance(value, bool):
        return Kind.TRUE if value else Kind.FALSE
    return Kind.NUMBER if value else Kind.ZERO


def printed(value: Value) -> str:
    """Return a value as people write it: 18, 1.5, 0.00001, true. Numbers have no exponent and no ``.0``."""
    return value if isinstance(value, str) else str(operand(value))


def operand(value: Any) -> Any:
    """Return what stands for a value within a template: it prints and compares as people expect."""
    if isinstance(value, _Operand):
        return value
    if isinstance(value, str):
        return _Text(unify(value))
    if isinstance(value, bool):
        return _Flag(value)
    if isinstance(value, int):
        return _Whole(value)
    return _Number(value) if isinstance(value, float) else value


def unify(text: str) -> str:
    """Return the text with LF at the end of each line, whatever ended it."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def encodable(text: str) -> bool:
    """Tell whether the text has no lone surrogates, which UTF-8 cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Operand:
    """Compares by what it stands for; an order that makes no sense is a ``TypeError``."""

    __slots__ = ()

    def plain(self) -> Value:
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return _compare(operator.eq, self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: object) -> bool:
        return _compare(operator.lt, self, other)

    def __le__(self, other: object) -> bool:
        return _compare(operator.le, self, other)

    def __gt__(self, other: object) -> bool:
        return _compare(operator.gt, self, other)

    def __ge__(self, other: object) -> bool:
        return _compare(operator.ge, self, other)

    def __hash__(self) -> int:
        return hash(self.plain())


class _Text(_Operand, str):
    __slots__ = ()

    def plain(self) -> str:
        return str(self)


class _Flag(_Operand, int):
    __slots__ = ()

    def plain(self) -> bool:
        return bool(self)

    def __str__(self) -> str:
        return "true" if self else "false"


class _Whole(_Operand, int):
    __slots__ = ()

    def plain(self) -> int:
        return int(self)


class _Number(_Operand, float):
    __slots__ = ()

    def plain(self) -> float:
        return float(self)

    def __str__(self) -> str:
        return format(Decimal(repr(self.plain() + 0.0)), "f").removesuffix(".0")


def _compare(how: Callable[[Any, Any], bool], left: object, right: object) -> bool:
    one = left.plain() if isinstance(left, _Operand) else left
    other = right.plain() if isinstance(right, _Operand) else right
    if isinstance(one, str) != isinstance(other, str):
        one, other = _alike(one, other), _alike(other, one)
    elif isinstance(one, str) and isinstance(other, str) and how is not operator.eq:
        numbers = number(one), number(other)
        one, other = (one, other) if None in numbers else numbers
    return bool(how(one, other))


def _alike(value: Any, other: Any) -> Any:
    """Return a text as a number where the other is one, and true and false as text where it is one."""
    if isinstance(value, bool):
        return str(_Flag(value)) if isinstance(other, str) else value
    if isinstance(value, str) and not isinstance(other, bool):
        as_number = number(value)
        return value if as_number is None else as_number
    return value


def number(text: str) -> float | None:
    """Return the number that a text is, None if it is none."""
    if not _NUMERAL.fullmatch(text):
        return None
    return float(text) if "." in text else int(text)
