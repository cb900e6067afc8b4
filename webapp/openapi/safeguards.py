"""The fields by which programs set a campaign's safeguards: when it pauses by itself, and its canary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mailing.campaigns.canary import SIZES
from mailing.core.reasons import UnfitError
from mailing.ledger.breaker import COMPLAINTS, PERCENTS, USUAL, WINDOWS, Breaker
from webapp.openapi.fields import Field, UnfitValueError, Whole

if TYPE_CHECKING:
    from webapp.openapi.fields import Schema

_NUMBERS = USUAL.dump()


class _Breaker:
    """When a campaign pauses for its failures and complaints; null: never."""

    @property
    def schema(self) -> Schema:
        """An object of whole numbers, or null."""
        bounds = {"percent": PERCENTS, "of_last": WINDOWS, "at_least": range(1, WINDOWS.stop)}
        bounds |= {"complaints": COMPLAINTS, "complaints_at_least": range(1, COMPLAINTS.stop)}
        own = {
            "type": "object",
            "properties": {
                name: {
                    "type": "integer",
                    "minimum": allowed.start,
                    "maximum": allowed.stop - 1,
                    "default": _NUMBERS[name],
                }
                for name, allowed in bounds.items()
            },
            "additionalProperties": False,
        }
        return {"anyOf": [own, {"type": "null"}]}

    def read(self, given: Any) -> Breaker | None:
        if given is None:
            return None
        numbers = given.values() if isinstance(given, Mapping) and given.keys() <= {*_NUMBERS} else ("",)
        if not all(type(n) is int for n in numbers):
            raise UnfitValueError(f"Must be null, or whole numbers such as {_NUMBERS}.".replace("'", '"'))
        try:
            return Breaker(**given)
        except UnfitError as error:
            raise UnfitValueError(str(error.reason), error.reason.code) from None


BREAKER = Field(
    "breaker",
    _Breaker(),
    "When the campaign pauses automatically. Because too many emails failed: at `percent` of the last "
    "`of_last` that were accepted or failed, and at least `at_least` failures; 0: not for these. "
    "Or because `complaints` of 1,000 sent ones were reported as spam, and at least "
    "`complaints_at_least`; 0: not for these. "
    "Null: never.",
    usual=_NUMBERS,
)
CANARY = Field(
    "canary",
    Whole(range(SIZES.stop), f"Must be a whole number from 0 to {SIZES.stop - 1}."),
    "How many recipients are sent first, at all domains. The others follow once fewer of them than the "
    "`percent` of `breaker` were not accepted; otherwise the campaign pauses. 0: no canary.",
    usual=0,
)


def breaker_of(value: Breaker | Mapping[str, int] | None) -> Breaker | None:
    """Return the breaker that was read, or the usual one."""
    return Breaker(**value) if isinstance(value, Mapping) else value
