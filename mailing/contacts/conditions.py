"""Conditions: what a contact's field must say for a campaign to take the contact.

Pure. Text is compared without regard to case, to spaces around it, or to how Unicode composes a letter; texts
that are numbers compare as numbers. A field that a contact lacks is empty.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mailing.core.reasons import Reason, UnfitError
from mailing.messages import values

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mailing.addresses.findings import Entry
    from mailing.messages.values import Value

FIELD_MAX = 100  # characters of a field's name
VALUE_MAX = 1_000  # characters of a value to compare with
OWN = ("email", "name")  # the fields that every contact has


class AudienceError(UnfitError):
    """Recipients cannot be taken from saved lists so."""


class Op(StrEnum):
    """How a field is compared with a value."""

    EQUALS = "equals"
    IS_NOT = "is_not"
    CONTAINS = "contains"
    IS_EMPTY = "is_empty"
    GREATER = "greater"
    LESS = "less"


_ORDERS: Mapping[Op, Callable[[float, float], bool]] = {
    Op.GREATER: lambda one, other: one > other,
    Op.LESS: lambda one, other: one < other,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """A field, an ``Op`` and a value. Raises ``AudienceError`` if it cannot be applied.

    ``IS_EMPTY`` ignores the value. ``GREATER`` and ``LESS`` hold for numbers alone.
    """

    field: str
    op: Op
    value: str = ""

    def __post_init__(self) -> None:
        """Refuse a condition that cannot be applied."""
        if not self.field or len(self.field) > FIELD_MAX:
            raise AudienceError(Reason("audience.no-field-chosen"))
        if len(self.value) > VALUE_MAX:
            raise AudienceError(Reason("audience.value-too-long", most=VALUE_MAX))
        if self.op in _ORDERS and values.number(self.value) is None:
            raise AudienceError(Reason("audience.no-number", field=self.field))

    def holds(self, entry: Entry) -> bool:
        """Whether a contact fulfills it."""
        return self.holds_of(_read(entry, self.field))

    def holds_of(self, found: Value) -> bool:
        """Whether a value of the field fulfills it."""
        text = fold(values.printed(found))
        match self.op:
            case Op.IS_EMPTY:
                return not text
            case Op.CONTAINS:
                return fold(self.value) in text
            case Op.EQUALS:
                return self._same(text)
            case Op.IS_NOT:
                return not self._same(text)
            case order:
                one, other = values.number(text), values.number(self.value)
                return one is not None and other is not None and _ORDERS[order](one, other)

    def _same(self, text: str) -> bool:
        one, other = values.number(text), values.number(self.value)
        return text == fold(self.value) if one is None or other is None else one == other

    def dump(self) -> dict[str, str]:
        """Return it as JSON."""
        return {"field": self.field, "op": str(self.op), "value": self.value}

    @classmethod
    def load(cls, given: Mapping[str, Any]) -> Condition:
        """Return what ``dump`` made JSON of. Raises ``AudienceError`` as the class does."""
        return cls(given["field"], Op(given["op"]), given.get("value", ""))


def fold(text: str) -> str:
    """Return a text as it is compared."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).strip()


def _read(entry: Entry, field: str) -> Value:
    if field in OWN:
        return entry.email if field == "email" else entry.name
    return (entry.fields or {}).get(field, "")
