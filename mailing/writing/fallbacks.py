"""What a message says where a recipient has no value: ``{{ name }}`` becomes ``{{ name or "friend" }}``.

Pure. Only fields without a fallback count: not those with ``or`` or ``default``, and not those within a
condition that asks for the field.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from mailing.messages.marks import ComposeError, Mark, cut
from mailing.messages.values import unify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.messages.compose import Message
    from mailing.messages.marks import Part
    from mailing.writing.written import Written

LONGEST = 100  # characters of a fallback
_BARE = re.compile(
    r"\s*(?P<field>[^\W\d]\w*)(?P<filters>(?:\s*\|\s*(?!(?:default|d)\b)\w+(?:\([^()]*\))?)*)\s*"
)
_PARTS: tuple[Part, ...] = ("subject", "text", "html")


def lacking(message: Message) -> list[str]:
    """Return the fields that the message prints without a fallback, in the order in which it does.

    None where the message cannot be read.
    """
    try:
        found = [name for part in _PARTS for name, _start, _mark in _bare(part, getattr(message, part))]
    except ComposeError:
        return []
    return list(dict.fromkeys(found))


def write(written: Written, field: str, fallback: str) -> Written:
    """Return what was written with a fallback wherever it prints ``field`` bare. Raises ``ComposeError``."""
    return replace(
        written,
        subject=_written("subject", written.subject, field, fallback),
        preheader=_written("preheader", written.preheader, field, fallback),
        text=_written("text", written.text, field, fallback),
        html=_written("html", written.html, field, fallback),
    )


def _written(part: Part, source: str, field: str, fallback: str) -> str:
    text = " ".join(fallback.split())[:LONGEST].replace("\\", "\\\\").replace('"', '\\"')
    source, pieces, at = unify(source), list[str](), 0
    for name, start, mark in _bare(part, source):
        if name == field:
            pieces += [source[at:start], _with_fallback(mark, field, text)]
            at = start + len(mark.source)
    return "".join([*pieces, source[at:]])


def _with_fallback(mark: Mark, field: str, text: str) -> str:
    """Return the mark with a fallback; behind the filter that would take the first word of it."""
    if "first_name" in mark.code:
        return mark.source.replace(mark.code, f'{mark.code.rstrip()} or "{text}" ', 1)
    with_it = f'{field} or "{text}"'
    return mark.source.replace(field, f"({with_it})" if "|" in mark.code else with_it, 1)


def _bare(part: Part, source: str) -> Iterator[tuple[str, int, Mark]]:
    """Yield each field that is printed without a fallback: its name, where its mark begins, the mark."""
    lines = [0, *(end.end() for end in re.finditer("\n", unify(source)))]
    conditions: list[str] = []
    for mark in cut(part, source):
        if not isinstance(mark, Mark):
            continue
        if mark.word == "if":
            conditions.append(mark.code)
        elif mark.word == "elif" and conditions:
            conditions[-1] += f" {mark.code}"
        elif mark.word == "endif" and conditions:
            conditions.pop()
        elif not mark.word and (bare := _BARE.fullmatch(mark.code)):
            name = bare["field"]
            if not any(re.search(rf"\b{name}\b", condition) for condition in conditions):
                yield name, lines[mark.line - 1] + mark.column - 1, mark
