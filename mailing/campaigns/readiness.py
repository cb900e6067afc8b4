"""Whether a message can be filled for everybody on a list, by the shapes of the list.

Pure. A shape tells the kind of each value and nothing more. Where a message cannot be filled because of the
value itself, that recipient alone fails when it is sent, with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.lists.shapes import Shape
from mailing.messages import compose
from mailing.messages.compose import ComposeError
from mailing.messages.field_names import field_name
from mailing.messages.values import KINDS, Kind, MergeError, MissingFieldError, with_default
from mailing.suppression.list_fields import FIELD
from mailing.suppression.purposes import BULK

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from mailing.core.reasons import Value
    from mailing.lists.shapes import Shapes
    from mailing.messages.compose import Message, Prepared
    from mailing.suppression.purposes import Purpose

FAULTS_MAX = 20  # that are told at once
_PROBE = "unsent"  # the token of a message that is composed only to see whether it can be
_SOMEBODY = "ann@example.org"


def faults(
    message: Message, total: int, shapes: Shapes, files: int = 0, purpose: Purpose = BULK
) -> tuple[Reason, ...]:
    """Return why a message cannot be sent to a list of ``total`` recipients, each with what to do.

    ``files`` are bytes, as they are encoded, of files that go with it. Its ``purpose`` is that of its list
    fields, where it has any.
    """
    if not total:
        return (Reason("list-fault.no-addresses"),)
    if blank(message):
        return (Reason("message.empty"),)
    try:
        prepared = compose.prepare(message, token=_PROBE, domain=None)
    except ComposeError as error:
        return (error.reason,)
    about = message.list_fields.purpose if message.list_fields else purpose
    if about.transactional and FIELD in prepared.fields:
        return (Reason("list-fault.transactional-link", field=f"{{{{ {FIELD} }}}}"),)
    if oversize := prepared.oversize(shapes.longest, files):
        return (oversize,)
    missing: dict[str, Shape] = {}
    unfit: dict[Reason, Shape] = {}
    for shape in shapes.of(prepared.fields | {"name"}):
        for fault in _errors(prepared, shape):
            if isinstance(fault, MissingFieldError):
                missing[fault.field] = missing.get(fault.field, Shape({})).with_more(shape)
            else:
                unfit[fault.reason] = unfit.get(fault.reason, Shape({})).with_more(shape)
    return (
        *(_lacking(field, shape, total, shapes) for field, shape in missing.items()),
        *(
            Reason("list-fault.for-some", reason=reason, **_who(shape, total))
            for reason, shape in unfit.items()
        ),
    )[:FAULTS_MAX]


def blank(message: Message) -> bool:
    """Whether a message says nothing to anybody."""
    return not (message.text.strip() or message.html.strip())


def _errors(prepared: Prepared, shape: Shape) -> Iterator[MergeError]:
    """Yield once all that fails for recipients of this shape, also what only another fault would hide."""
    values = {name: KINDS[kind][1] for name, kind in shape.kinds.items()}
    name = str(values.pop("name", ""))
    email = shape.samples[0] if shape.samples else _SOMEBODY
    told: set[Reason] = set()
    assumed: set[str] = set()
    for _ in range(FAULTS_MAX):
        faults = {fault.reason: fault for fault in prepared.probe(email, name, values)}
        fresh = (fault for reason, fault in faults.items() if reason not in told)
        yield from (fault for fault in fresh if not _is_of(fault.reason, assumed))
        if faults.keys() <= told:
            return
        told |= faults.keys()
        for fault in faults.values():
            if isinstance(fault, MissingFieldError):
                values[fault.field] = KINDS[Kind.TEXT][1]  # what else is there?
                assumed.add(fault.field)


def _is_of(reason: Reason, fields: Collection[str]) -> bool:
    """Whether it is told for the kind of one of these fields' values."""
    kinds = reason.values.get("kinds", ())
    return isinstance(kinds, tuple) and any(
        isinstance(it, Reason) and it.values["field"] in fields for it in kinds
    )


def _lacking(field: str, shape: Shape, total: int, shapes: Shapes) -> Reason:
    used, meant = f"{{{{ {field} }}}}", field_name(field)
    if field == FIELD:
        return Reason("list-fault.no-public-url", field=used)
    if field in shapes.fields:
        return Reason("list-fault.no-value", field=used, fix=with_default(field), **_who(shape, total))
    if meant != field and meant in shapes.fields | {"name", "email"}:
        return Reason("list-fault.other-column", field=used, meant=f"{{{{ {meant} }}}}")
    return Reason("list-fault.no-column", field=used)


def _who(shape: Shape, total: int) -> dict[str, Value]:
    """Return how many recipients they are, and whose addresses are known."""
    who, more = tuple(shape.samples), shape.n - len(shape.samples)
    named = Reason("list-fault.and-more", who=who, n=more) if more > 0 else who
    return {"n": min(shape.n, total), "total": total, "who": named}
