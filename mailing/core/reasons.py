"""Reasons: what Volley has to tell a person, as a code and its values, worded where it is shown.

Pure. ``wording.toml`` holds the English sentence of each code; the pages translate that sentence and fill in
the values. A server's own words are plain text (``str``), never a reason: nothing that comes from outside is
ever read as a code.
"""

from __future__ import annotations

import operator
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, TypeAlias, Union

import orjson

Value: TypeAlias = Union[str, int, "Reason", tuple["Value", ...]]
"""Text goes in as it is, a number in groups, a reason in words, several of them with commas between."""

_FIELD = re.compile(r"%\((\w+)\)s")


def _flat(tables: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {f"{topic}.{name}": text for topic, words in tables.items() for name, text in words.items()}


WORDING: Mapping[str, str] = _flat(
    tomllib.loads(resources.files(__package__).joinpath("wording.toml").read_text("utf-8"))
)
"""The English sentence of each code, its values as ``%(name)s``."""

FIELDS: Mapping[str, frozenset[str]] = {
    code: frozenset(_FIELD.findall(text)) for code, text in WORDING.items()
}
"""The values that each code needs."""


@dataclass(frozen=True, slots=True, init=False)
class Reason:
    """A code of ``wording.toml`` and the values of its sentence. As text it is the English sentence."""

    code: str
    values: Mapping[str, Value]

    def __init__(self, code: str, /, **values: Value) -> None:
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "values", values)

    def __hash__(self) -> int:
        return hash((self.code, frozenset(self.values.items())))

    def __str__(self) -> str:
        return word(self, operator.mod, "{:,}".format)


Fill: TypeAlias = Callable[[str, Mapping[str, str]], str]
Words: TypeAlias = str | Reason
"""What stands where a reply would: a server's own words, or a reason of ours."""


class ReasonError(Exception):
    """Something cannot be done or used; ``reasons`` say why. As text they are English sentences."""

    def __init__(self, *reasons: Reason) -> None:
        super().__init__(*reasons)
        self.reasons = reasons

    @property
    def reason(self) -> Reason:
        """The first of them, as a rule the only one."""
        return self.reasons[0]

    def __str__(self) -> str:
        return " ".join(map(str, self.reasons))

    def __reduce__(self) -> tuple[Any, ...]:  # lists are read in another process, which may raise it
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[ReasonError], args: tuple[Any, ...], values: dict[str, Any]) -> ReasonError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(values)
    return error


class UnfitError(ReasonError, ValueError):
    """A value cannot be used."""


class EntryError(UnfitError):
    """What was entered cannot be used; ``faults`` has the reasons by field."""

    def __init__(self, faults: Mapping[str, Reason]) -> None:
        super().__init__(*faults.values())
        self.faults = dict(faults)


def word(reason: Reason, fill: Fill, number: Callable[[int], str]) -> str:
    """Return the sentence of a reason. ``fill`` puts values into an English text, or its translation."""
    said = {name: _spoken(value, fill, number) for name, value in reason.values.items()}
    return fill(WORDING[reason.code], said)


def _spoken(value: Value, fill: Fill, number: Callable[[int], str]) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Reason):
        return word(value, fill, number)
    if isinstance(value, tuple):
        return ", ".join(_spoken(each, fill, number) for each in value)
    return number(value)


def code(words: Words) -> str | None:
    """Return the code of a reason; None of a server's own words."""
    return None if isinstance(words, str) else words.code


def dump(words: Words) -> str | None:
    """Return a reason as JSON, to be stored beside its text; None of a server's own words."""
    return None if isinstance(words, str) else orjson.dumps(_dumped(words)).decode()


def load(text: str, dumped: str | None) -> Words:
    """Return what ``dump`` made JSON of; the ``text`` beside it where that is none, or of another version."""
    if dumped is None:
        return text
    reason = _loaded(orjson.loads(dumped))
    return reason if isinstance(reason, Reason) and _is_worded(reason) else text


def in_row(row: Mapping[str, Any], column: str) -> dict[str, Any]:
    """Return a row of the database with its ``reason_code`` read into the words of ``column``."""
    values = dict(row)
    code = values.pop("reason_code")
    return values | {column: load(values[column], code)}


def _dumped(value: Value) -> Any:
    if isinstance(value, Reason):
        values = {name: _dumped(each) for name, each in value.values.items()}
        return {"code": value.code, "values": values} if values else {"code": value.code}
    return [*map(_dumped, value)] if isinstance(value, tuple) else value


def _loaded(given: Any) -> Value:
    if isinstance(given, Mapping):
        return Reason(
            given["code"], **{name: _loaded(value) for name, value in given.get("values", {}).items()}
        )
    return tuple(map(_loaded, given)) if isinstance(given, list) else given


def _is_worded(value: Value) -> bool:
    """Whether this version has a sentence for a reason, and the reason all values of it."""
    if isinstance(value, tuple):
        return all(map(_is_worded, value))
    if not isinstance(value, Reason):
        return True
    known = value.code in FIELDS and FIELDS[value.code] == value.values.keys()
    return known and all(map(_is_worded, value.values.values()))
