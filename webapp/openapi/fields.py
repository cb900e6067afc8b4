"""What programs may send: fields, each with its kind and a sentence about it.

One table of them reads a request, with all faults at once, and makes the JSON Schema (draft 2020-12) by which
programs know what to send. Bodies hold values of JSON, queries hold text.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from mailing.core.bounds import LARGEST_ID
from webapp.http import problems
from webapp.http.problems import UNKNOWN_FIELD, WRONG_VALUE, Fault, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from enum import StrEnum

    from werkzeug.datastructures import MultiDict

    Schema = dict[str, Any]

PAGE, LARGEST_PAGE = 50, 500  # rows of an answer: as a rule, and at most
_NUL = "NUL characters are not allowed. Remove them."
_NO_NUL = "^[^\\u0000]*$"


class UnfitValueError(ValueError):
    """A value that its field cannot take; the text says what is wrong and what to do."""

    def __init__(self, said: str, code: str = WRONG_VALUE) -> None:
        super().__init__(said)
        self.code = code


class Kind(Protocol):
    """What the values of a field are."""

    @property
    def schema(self) -> Schema:
        """The JSON Schema of a value."""

    def read(self, given: Any) -> Any:
        """Return what was given as it is meant. Raises ``UnfitValueError``."""


@dataclass(frozen=True, slots=True)
class Field:
    """Something that may be sent. ``missing`` says what to do where it must be; empty: it may be left out."""

    name: str
    kind: Kind
    about: str
    usual: Any = None
    missing: str = ""
    example: Any = None

    @property
    def schema(self) -> Schema:
        """The JSON Schema of its values, as people read it too."""
        usual = {} if self.usual is None else {"default": self.usual}
        example = {} if self.example is None else {"examples": [self.example]}
        return {**self.kind.schema, "description": self.about, **usual, **example}


@dataclass(frozen=True, slots=True)
class Text:
    """A string without NUL. ``filled`` says what to do where it has no words; empty: it need not have any."""

    filled: str = ""

    @property
    def schema(self) -> Schema:
        """A string."""
        return {"type": "string", "pattern": _NO_NUL, **({"minLength": 1} if self.filled else {})}

    def read(self, given: Any) -> str:
        """Return it as it is."""
        if not isinstance(given, str):
            raise UnfitValueError("Must be a string.")
        if self.filled and not given.strip():
            raise UnfitValueError(f"Must not be empty. {self.filled}", "request.empty-field")
        if "\0" in given:
            raise UnfitValueError(_NUL)
        return given


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false, with what each means."""

    meaning: str

    @property
    def schema(self) -> Schema:
        """A boolean."""
        return {"type": "boolean"}

    def read(self, given: Any) -> bool:
        """Return it."""
        if not isinstance(given, bool):
            raise UnfitValueError(f"Must be true or false. {self.meaning}")
        return given


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number of JSON. ``said`` is what is wrong with any other value."""

    allowed: range
    said: str

    @property
    def schema(self) -> Schema:
        """An integer within bounds."""
        return {"type": "integer", "minimum": self.allowed.start, "maximum": self.allowed.stop - 1}

    def read(self, given: Any) -> int:
        """Return it. True is no number."""
        if isinstance(given, bool) or not isinstance(given, int) or given not in self.allowed:
            raise UnfitValueError(self.said)
        return given


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids in a list of JSON, each once."""

    most: int

    @property
    def schema(self) -> Schema:
        """An array of ids."""
        one = {"type": "integer", "minimum": 1, "maximum": LARGEST_ID}
        return {"type": "array", "items": one, "maxItems": self.most}

    def read(self, given: Any) -> tuple[int, ...]:
        """Return them in their order."""
        if not isinstance(given, list) or len(given) > self.most:
            raise UnfitValueError(f"Must be a list of at most {self.most} ids, such as [1, 2].")
        for each in given:
            if isinstance(each, bool) or not isinstance(each, int) or not 1 <= each <= LARGEST_ID:
                raise UnfitValueError(f"{each!r:.50} is not an id. Give ids, such as [1, 2].")
        return tuple(dict.fromkeys(given))


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of the names of an enumeration, in JSON."""

    names: type[StrEnum]

    @property
    def schema(self) -> Schema:
        """One of the names."""
        return {"type": "string", "enum": [str(name) for name in self.names]}

    def read(self, given: Any) -> StrEnum:
        """Return the member."""
        if not isinstance(given, str) or given not in set(self.names):
            raise UnfitValueError(f"Must be one of: {', '.join(self.names)}.")
        return self.names(given)


@dataclass(frozen=True, slots=True)
class Name:
    """One of some names, in JSON."""

    names: tuple[str, ...]

    @property
    def schema(self) -> Schema:
        """One of them."""
        return {"type": "string", "enum": [*self.names]}

    def read(self, given: Any) -> str:
        """Return it."""
        if given not in self.names:
            raise UnfitValueError(f"Must be one of: {', '.join(self.names)}.")
        return str(given)


@dataclass(frozen=True, slots=True)
class Either:
    """A value of any of several kinds. ``said`` is what is wrong with one of none."""

    kinds: tuple[Kind, ...]
    said: str

    @property
    def schema(self) -> Schema:
        """Any of theirs."""
        return {"anyOf": [kind.schema for kind in self.kinds]}

    def read(self, given: Any) -> Any:
        """Return what the first of them reads that can."""
        for kind in self.kinds:
            try:
                return kind.read(given)
            except UnfitValueError:
                continue
        raise UnfitValueError(self.said)


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number of a query, in the digits 0 to 9."""

    allowed: range

    @property
    def schema(self) -> Schema:
        """An integer within bounds."""
        return {"type": "integer", "minimum": self.allowed.start, "maximum": self.allowed.stop - 1}

    def read(self, given: str) -> int:
        """Return the number."""
        most = self.allowed.stop - 1
        digits = given.isascii() and given.isdigit() and len(given) <= len(str(most))
        if not digits or int(given) not in self.allowed:
            raise UnfitValueError(
                f"{given!r:.50} must be a whole number from {self.allowed.start} to {most}."
            )
        return int(given)


@dataclass(frozen=True, slots=True)
class State:
    """A state in a query, by its name; an empty one is none."""

    states: type[StrEnum]

    @property
    def schema(self) -> Schema:
        """One of the names."""
        return {"type": "string", "enum": ["", *map(str, self.states)]}

    def read(self, given: str) -> StrEnum | None:
        """Return the state."""
        if given and given not in set(self.states):
            raise UnfitValueError(f"Unknown state {given!r:.50}. Use one of: {', '.join(self.states)}.")
        return self.states(given) if given else None


@dataclass(frozen=True, slots=True)
class Words:
    """What is searched for, in a query."""

    @property
    def schema(self) -> Schema:
        """A string without NUL."""
        return {"type": "string", "pattern": _NO_NUL}

    def read(self, given: str) -> str:
        """Return it without spaces around it."""
        if "\0" in given:
            raise UnfitValueError(_NUL)
        return given.strip()


@dataclass(frozen=True, slots=True)
class Beginning(Words):
    """How addresses begin, in a query, or the domain that they have."""

    def read(self, given: str) -> str:
        """Return it as it was meant."""
        return plussed(Words.read(self, given))


BEFORE_ID = Field(
    "before",
    Number(range(1, LARGEST_ID + 1)),
    "Return what comes before this id: the `next` of an earlier response.",
)
LIMIT = Field("limit", Number(range(1, LARGEST_PAGE + 1)), "At most this many rows.", usual=PAGE)


def plussed(address: str) -> str:
    """Return the beginning of an address with its plus, which comes as a space where nobody encoded it.

    No address without quotes has a space.
    """
    return address if '"' in address else address.strip().replace(" ", "+")


def query(
    given: MultiDict[str, str], known: Sequence[Field], besides: Iterable[Fault] = ()
) -> dict[str, Any]:
    """Read the parameters of a query. Raises ``Problem`` with all faults at once, those ``besides`` too."""
    values, faults = judge(given, known)
    repeated = (field.name for field in known if len(given.getlist(field.name)) > 1)
    faults += [Fault(name, "Give it once.", "request.repeated") for name in repeated]
    if faults := [*faults, *besides, *problems.unknown_parameters(given, [field.name for field in known])]:
        raise problems.misasked(faults)
    return values


def body(sent: bytes, known: Sequence[Field], example: str) -> dict[str, Any]:
    """Read the fields of a posted JSON object; where none must be sent, no body is an empty one.

    Raises ``Problem`` with all faults at once.
    """
    bare = not sent.strip() and not any(field.missing for field in known)
    given = {} if bare else json_object(sent, example)
    values, faults = judge(given, known)
    if faults := [*faults, *strange(given, [field.name for field in known])]:
        raise problems.invalid(faults)
    return values


def given(sent: bytes, known: Sequence[Field], example: str) -> dict[str, Any]:
    """Read the fields of a change: none but those that were sent. Raises ``Problem`` as ``body`` does."""
    values = body(sent, known, example)
    return {name: values[name] for name in (json_object(sent, example) if sent.strip() else {})}


def judge(given: Mapping[str, Any], known: Iterable[Field]) -> tuple[dict[str, Any], list[Fault]]:
    """Return the values that are known, and what is wrong with the rest of them."""
    values: dict[str, Any] = {}
    faults = []
    for field in known:
        try:
            values[field.name] = field.kind.read(given[field.name]) if field.name in given else field.usual
        except UnfitValueError as error:
            faults.append(Fault(field.name, str(error), error.code))
        if field.missing and field.name not in given:
            said = f'"{field.name}" is missing. {field.missing}'
            faults.append(Fault(field.name, said, "request.missing-field"))
    return values, faults


def strange(given: Iterable[str], known: Collection[str]) -> list[Fault]:
    """Return a fault for each field that there is not."""
    use = ", ".join(known)
    unknown = (name for name in given if name not in known)
    return problems.unknown(unknown, lambda name: f"Unknown field {name[:50]!a}. Use: {use}.", UNKNOWN_FIELD)


def json_object(body: bytes, example: str) -> dict[str, Any]:
    """Return the fields of a posted JSON object. Raises ``Problem`` where it is none."""
    try:
        given = orjson.loads(body.removeprefix(BOM_UTF8))  # RFC 8259 section 8.1 lets us
    except orjson.JSONDecodeError as error:
        said = f"The body is not JSON: {error}. Send one JSON object in UTF-8."
        raise Problem(400, said, "request.no-json") from None
    if not isinstance(given, dict):
        said = f"The body is not a JSON object. Send one such as {example}."
        raise Problem(422, said, "request.no-object")
    return given


def schema(known: Iterable[Field]) -> Schema:
    """Return the JSON Schema of an object with these fields and no others."""
    known = tuple(known)
    required = [field.name for field in known if field.missing]
    return {
        "type": "object",
        "properties": {field.name: field.schema for field in known},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }
