"""Operations: what programs can call, each described beside its address.

A route says with ``described`` what it takes and how it answers; what it needs it has said already
(``auth.needs``), and its docstring is the text. How it may refuse follows from these.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
from quart import Blueprint, Response

from webapp.http import problems
from webapp.http.auth import Door
from webapp.openapi.shapes.common import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from quart import Quart

    from webapp.openapi.fields import Field

    View = TypeVar("View", bound=Callable[..., object])

PREFIX = "/api/v1"
JSON, JSON_LINES, EVENTS = "application/json", "application/jsonl", "text/event-stream"
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_PLACEHOLDER = re.compile(r"<(?:(\w+)(?:\([^)]*\))?:)?(\w+)>")


@dataclass(frozen=True, slots=True)
class Answer:
    """How an operation answers with one status.

    ``shape`` is the type of a JSON body. A stream tells by name what its events hold, a file of lines under
    the empty name what each line holds.
    """

    about: str
    shape: Any = None
    media: str = JSON
    headers: tuple[str, ...] = ()
    parts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Description:
    """What a route says of itself. ``verbs``: what its path may end with, and what each of them does.

    ``bodies`` are the fields of what is posted, by verb, or under the empty name. ``refusal`` is the shape of
    its 422. ``upload`` are the fields of a form that brings a file instead, in the part ``file``.
    """

    topic: str
    answers: Mapping[int, Answer]
    query: Sequence[Field] = ()
    bodies: Mapping[str, Sequence[Field]] = field(default_factory=dict)
    verbs: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    refuses: tuple[int, ...] = ()
    refusal: Any = Problem
    upload: Sequence[Field] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that programs can call. ``fields`` is None where nothing is posted."""

    method: str
    path: str
    id: str
    summary: str
    about: str
    ids: tuple[str, ...]
    names: tuple[str, ...]
    fields: Sequence[Field] | None
    description: Description
    door: Door

    @property
    def refuses(self) -> tuple[int, ...]:
        """The statuses with which it may say that it did nothing."""
        guarded = {400, 401, 429} if self.door.permission or self.door.key else set()
        posted = {400, 408, 413, 415, 422} if self.fields is not None else set()
        sent = {415} if self.method in UNSAFE else set()
        asked = {422} if self.description.query else set()
        found = {404} if self.ids or self.names else set()
        usual = {403, 421, 500, 503}
        return tuple(sorted(usual | guarded | posted | sent | asked | found | {*self.description.refuses}))


def described(topic: str, answers: Mapping[int, Answer], **more: Any) -> Callable[[View], View]:
    """Describe a route for programs; ``more`` are further fields of ``Description``."""
    description = Description(topic, answers, **more)

    def describe(view: View) -> View:
        view.description = description  # type: ignore[attr-defined]
        return view

    return describe


def blueprint(name: str) -> Blueprint:
    """Return a blueprint for routes under ``/api/v1``, which answers with problems whatever goes wrong."""
    made = Blueprint(name, name, url_prefix=PREFIX)
    problems.install(made)
    return made


def in_json(told: object, status: int = 200) -> Response:
    """Return an answer as JSON."""
    return Response(orjson.dumps(told), status, content_type=JSON)


def description_of(app: Quart, endpoint: str | None) -> Description | None:
    """Return what a route says of itself; None of a page, which is not for programs."""
    return getattr(app.view_functions.get(endpoint or ""), "description", None)


def listed(app: Quart) -> Iterator[Operation]:
    """Yield the operations of ``app``, in the order of their routes."""
    for rule in app.url_map.iter_rules():
        description = description_of(app, rule.endpoint)
        if description is None:
            continue
        view = app.view_functions[rule.endpoint]
        first, _blank, more = inspect.cleandoc(view.__doc__ or "").replace("``", "`").partition("\n\n")
        (method,) = (rule.methods or set()) - {"HEAD", "OPTIONS"}
        ids = tuple(name for kind, name in _PLACEHOLDER.findall(rule.rule) if kind == "id")
        names = tuple(name for kind, name in _PLACEHOLDER.findall(rule.rule) if not kind)
        path = _PLACEHOLDER.sub(lambda found: f"{{{found[2]}}}", rule.rule)
        for verb, does in (description.verbs or {"": ""}).items():
            yield Operation(
                method,
                path.replace("{verb}", verb),
                f"{verb.replace('-', '_')}_{view.__name__}" if verb else view.__name__,
                does or first.removesuffix("."),
                (f"{first}\n\n{more}" if does else more).strip(),
                ids,
                names,
                description.bodies.get(verb),
                description,
                getattr(view, "door", Door()),
            )
