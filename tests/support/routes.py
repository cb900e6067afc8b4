"""Every route of the application, with an address that leads to it and the door before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quart import Quart

    from webapp.http.auth import Door

_NOT_ASKED = {"HEAD", "OPTIONS"}
_FILLED = {"filename": "volley.css"}


class Route(NamedTuple):
    """A way to ask for something. ``rule`` is the pattern, ``path`` one address that fits it."""

    method: str
    rule: str
    path: str
    endpoint: str
    door: Door | None

    def __str__(self) -> str:
        return f"{self.method} {self.rule}"


def routes(app: Quart) -> Iterator[Route]:
    """Every path with each of its methods."""
    for rule in app.url_map.iter_rules():
        values = {
            name: _FILLED.get(name) or min(getattr(converter, "items", ()), default="1")
            for name, converter in rule._converters.items()
        }
        path = "".join(values[part] if dynamic else part for dynamic, part in rule._trace[1:]).lstrip("|")
        door = getattr(app.view_functions[rule.endpoint], "door", None)
        for method in sorted((rule.methods or set()) - _NOT_ASKED):
            yield Route(method, rule.rule, path, rule.endpoint, door)
