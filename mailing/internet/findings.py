"""What a check found: green, amber, red, or unknown, in words, and what to do. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailing.core.reasons import Reason


class Light(StrEnum):
    """How grave it is. ``UNKNOWN``: it could not be found out."""

    RED = "red"
    AMBER = "amber"
    UNKNOWN = "unknown"
    GREEN = "green"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check. ``todo`` says what to do, where something can be done."""

    light: Light
    said: Reason
    todo: Reason | None = None


ORDER = tuple(Light)
"""The gravest first."""
