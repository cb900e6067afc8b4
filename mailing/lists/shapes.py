"""The shapes of a list: what its recipients have, counted once when the list is stored.

Pure. A shape says which fields a recipient has, and of what kind each is: which is all that decides whether a
message can be filled. So a message is checked against some shapes, never against a list, however long. Shapes
beyond the limit are counted field by field, without which kinds come together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mailing.messages.values import Kind, kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mailing.messages.values import Value

SHAPES_MAX = 500
KINDS_MAX = 20_000  # of all shapes together
FIELDS_MAX = 1_000  # that are counted one by one beyond the shapes; any other counts as missing there
SAMPLES = 5
COUNTED_MAX = 10_000  # shapes among which the most frequent are found
_NAME_ALONE = ("name",)


@dataclass(frozen=True, slots=True)
class Shape:
    """``n`` recipients alike: the kind of each field that they have, and some of their addresses."""

    kinds: Mapping[str, str]
    n: int = 0
    samples: Sequence[str] = ()

    def with_more(self, other: Shape) -> Shape:
        """Return the shape of these and the other's recipients, who are like these."""
        return Shape(self.kinds, self.n + other.n, (*self.samples, *other.samples)[:SAMPLES])


@dataclass(frozen=True, slots=True)
class Shapes:
    """What a list holds. ``longest`` says how many bytes the longest text of each field has.

    ``rest_n`` recipients are in none of the ``known`` shapes. For them ``rest`` has a shape for each kind of
    each field.
    """

    known: Sequence[Shape] = ()
    rest: Sequence[Shape] = ()
    rest_n: int = 0
    longest: Mapping[str, int] = field(default_factory=dict)

    @property
    def fields(self) -> frozenset[str]:
        """The fields that any recipient has."""
        return frozenset(name for shape in (*self.known, *self.rest) for name in shape.kinds)

    def having(self, name: str, wanted: str) -> int:
        """Return how many recipients have such a value in this field."""
        return sum(shape.n for shape in (*self.known, *self.rest) if shape.kinds.get(name) == wanted)

    def lacking(self, name: str, total: int) -> Shape:
        """Return how many of ``total`` recipients have no value in this field, and some addresses."""
        counted = [shape for shape in (*self.known, *self.rest) if name in shape.kinds]
        absent = Shape({}, total - sum(shape.n for shape in counted))
        for shape in self.known:
            if name not in shape.kinds:
                absent = absent.with_more(Shape({}, 0, shape.samples))
        for shape in counted:
            if shape.kinds[name] == Kind.EMPTY:
                absent = absent.with_more(shape)
        return absent

    def plus(self, other: Shapes) -> Shapes:
        """Return the shapes of these and the other's recipients together."""
        others, longest = _Rest(), dict(self.longest)
        others.join(self)
        others.join(other)
        for name, size in other.longest.items():
            if name in longest or len(longest) < FIELDS_MAX:
                longest[name] = max(size, longest.get(name, 0))
        return _gathered((*self.known, *other.known), others, longest)

    def of(self, used: frozenset[str]) -> Sequence[Shape]:
        """Return what matters where only these fields are used: each shape once, the most frequent first.

        For the rest, each kind of a field is combined with the most frequent kinds of the others: a missing
        value is always found, at worst also where a condition would have skipped it.
        """
        merged: dict[tuple[tuple[str, str], ...], Shape] = {}
        for shape in (*self.known, *self._rest_of(used)):
            kinds = {name: shape.kinds[name] for name in sorted(used & shape.kinds.keys())}
            key = tuple(kinds.items())
            merged[key] = merged.get(key, Shape(kinds)).with_more(shape)
        return sorted(merged.values(), key=lambda shape: -shape.n)

    def _rest_of(self, used: frozenset[str]) -> Iterator[Shape]:
        if not self.rest_n:
            return
        by_field: dict[str, list[Shape]] = {name: [] for name in used}
        for shape in self.rest:
            for name in used & shape.kinds.keys():
                by_field[name].append(shape)
        usual = {name: max(them, key=lambda it: it.n).kinds[name] for name, them in by_field.items() if them}
        yield Shape(usual)
        for name, them in sorted(by_field.items()):
            for shape in them:
                yield Shape(usual | dict(shape.kinds), shape.n, shape.samples)
            if missing := self.rest_n - sum(shape.n for shape in them):
                yield Shape({other: usual[other] for other in usual if other != name}, missing)


def survey(people: Iterable[tuple[str, str, Mapping[str, Value] | None]]) -> Shapes:
    """Count the shapes of people, each with address, name and merge fields."""
    counts: dict[tuple[tuple[str, ...], str], list[Any]] = {}
    longest: dict[str, int] = {}
    others = _Rest()
    names: tuple[str, ...]
    for email, name, fields in people:
        if fields:
            names = ("name", *fields)
            kinds = kind(name) + "".join([kind(value) for value in fields.values()])
            _measure(longest, fields)
        else:
            names, kinds = _NAME_ALONE, kind(name)
        count = counts.get((names, kinds))
        if count is not None:
            count[0] += 1
            if count[0] <= SAMPLES:
                count[1].append(email)
        elif len(counts) < COUNTED_MAX:
            counts[names, kinds] = [1, [email]]
        else:
            others.add(names, kinds, 1, [email])
    counted = (
        Shape(dict(zip(names, kinds, strict=True)), n, samples)
        for (names, kinds), (n, samples) in counts.items()
    )
    return _gathered(counted, others, longest)


def _gathered(counted: Iterable[Shape], others: _Rest, longest: Mapping[str, int]) -> Shapes:
    shapes: dict[frozenset[tuple[str, str]], Shape] = {}  # those whose fields came in another order are alike
    for shape in counted:
        alike = frozenset(shape.kinds.items())
        shapes[alike] = shapes.get(alike, Shape(shape.kinds)).with_more(shape)
    known: list[Shape] = []
    room = KINDS_MAX
    for shape in sorted(shapes.values(), key=lambda shape: -shape.n):
        room -= len(shape.kinds)
        if room < 0 or len(known) == SHAPES_MAX:
            others.add(tuple(shape.kinds), "".join(shape.kinds.values()), shape.n, shape.samples)
        else:
            known.append(shape)
    return Shapes(known, others.shapes(), others.n, longest)


def dump(shapes: Shapes) -> dict[str, Any]:
    """Return the shapes as JSON."""
    return {
        "known": [_dump(shape) for shape in shapes.known],
        "rest": [_dump(shape) for shape in shapes.rest],
        "rest_n": shapes.rest_n,
        "longest": dict(shapes.longest),
    }


def load(stored: Mapping[str, Any]) -> Shapes:
    """Return what ``dump`` made JSON of."""
    known, rest = ([_load(shape) for shape in stored[key]] for key in ("known", "rest"))
    return Shapes(known, rest, stored["rest_n"], stored["longest"])


class _Rest:
    """Counts field by field."""

    def __init__(self) -> None:
        self.n = 0
        self._fields: dict[str, dict[str, list[Any]]] = {}

    def add(self, names: Sequence[str], kinds: str, n: int, samples: Sequence[str]) -> None:
        self.n += n
        self._count(names, kinds, n, samples)

    def join(self, counted: Shapes) -> None:
        self.n += counted.rest_n
        for shape in counted.rest:
            self._count(tuple(shape.kinds), "".join(shape.kinds.values()), shape.n, shape.samples)

    def _count(self, names: Sequence[str], kinds: str, n: int, samples: Sequence[str]) -> None:
        for name, its in zip(names, kinds, strict=True):
            known = self._fields.get(name)
            if known is None:
                if len(self._fields) == FIELDS_MAX:
                    continue
                known = self._fields[name] = {}
            count = known.setdefault(its, [0, []])
            count[0] += n
            if len(count[1]) < SAMPLES:
                count[1] += samples[: SAMPLES - len(count[1])]

    def shapes(self) -> list[Shape]:
        return [
            Shape({name: its}, n, samples)
            for name, kinds in self._fields.items()
            for its, (n, samples) in kinds.items()
        ]


def _measure(longest: dict[str, int], fields: Mapping[str, Value]) -> None:
    for name, value in fields.items():
        if isinstance(value, str) and len(value) > longest.get(name, -1):
            size = len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
            if name in longest or len(longest) < FIELDS_MAX:
                longest[name] = max(size, longest.get(name, 0))


def _dump(shape: Shape) -> list[Any]:
    return [dict(shape.kinds), shape.n, list(shape.samples)]


def _load(stored: Sequence[Any]) -> Shape:
    kinds, n, samples = stored
    return Shape(kinds, n, samples)
