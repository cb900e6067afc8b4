"""Whether a message can be filled for everybody on a list, by the shapes of the list.

Pure. What depends on more of a value than its kind is not known here: whoever's message cannot be filled
for such a reason fails alone when it is sent, with that reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing import composing
from mailing.columns import field_name
from mailing.composing import ComposeError
from mailing.shapes import Shape
from mailing.values import KINDS, Kind, MergeError, MissingFieldError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mailing.composing import Message, Prepared
    from mailing.shapes import Shapes

FAULTS_MAX = 20  # that are told at once
_PROBE = "unsent"  # the token of a message that is composed only to see whether it can be
_SOMEBODY = "ann@example.org"
_PARTS = frozenset({"subject", "text", "html"})
_NO_ADDRESS = "The list holds no address that can be mailed. Edit the draft and paste one."


def faults(message: Message, total: int, shapes: Shapes) -> tuple[str, ...]:
    """Return why a message cannot be sent to a list of ``total`` recipients, each with what to do."""
    if not total:
        return (_NO_ADDRESS,)
    try:
        prepared = composing.prepare(message, token=_PROBE, domain=None)
    except ComposeError as error:
        return (str(error),)
    if oversize := prepared.oversize(shapes.longest):
        return (oversize,)
    missing: dict[str, Shape] = {}
    unfit: dict[str, Shape] = {}
    for shape in shapes.of(prepared.fields | {"name"}):
        for fault in _errors(prepared, shape):
            found, key = (
                (missing, fault.field) if isinstance(fault, MissingFieldError) else (unfit, _told(fault))
            )
            found[key] = found.get(key, Shape({})).with_more(shape)
    return (
        *(_lacking(field, shape, total, shapes) for field, shape in missing.items()),
        *(f"{problem} This is so for {_who(shape, total)}." for problem, shape in unfit.items()),
    )[:FAULTS_MAX]


def _errors(prepared: Prepared, shape: Shape) -> Iterator[MergeError]:
    """Yield once all that fails for recipients of this shape, also what only another fault would hide."""
    values = {name: KINDS[kind][1] for name, kind in shape.kinds.items()}
    name = str(values.pop("name", ""))
    email = shape.samples[0] if shape.samples else _SOMEBODY
    told: set[str] = set()
    for _ in range(FAULTS_MAX):
        faults = {str(fault): fault for fault in prepared.probe(email, name, values)}
        yield from (fault for text, fault in faults.items() if text not in told)
        if faults.keys() <= told:
            return
        told |= faults.keys()
        for fault in faults.values():
            if isinstance(fault, MissingFieldError):
                values[fault.field] = KINDS[Kind.TEXT][1]  # what else is there?


def _told(error: MergeError) -> str:
    return error.problem if error.field in _PARTS else str(error)


def _lacking(field: str, shape: Shape, total: int, shapes: Shapes) -> str:
    uses, meant = f"The message uses the merge field {{{{ {field} }}}}, but", field_name(field)
    if field in shapes.fields:
        fix = f'Add it to the list, write {{{{ {field} or "…" }}}}, or remove it.'
        return f"{uses} it is missing for {_who(shape, total)}. {fix}"
    if meant != field and meant in shapes.fields | {"name", "email"}:
        return f"{uses} no recipient has it. The list has {{{{ {meant} }}}}: write that."
    return f"{uses} no recipient has it: {_named(shape)}. Remove it or add it to the list."


def _who(shape: Shape, total: int) -> str:
    return f"{min(shape.n, total):,} of {total:,} recipients: {_named(shape)}"


def _named(shape: Shape) -> str:
    """Return the addresses that are known of those recipients, and how many more there are."""
    more = shape.n - len(shape.samples)
    return ", ".join(shape.samples) + (f" and {more:,} more" if more > 0 else "")
