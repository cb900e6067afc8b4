"""Whom a decision is about, as programs choose them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailing.core.bounds import LARGEST_ID
from mailing.core.states import DECISIONS, RecipientState
from mailing.recipients.search import Choice
from webapp.http import params, problems
from webapp.http.problems import UNKNOWN_FIELD
from webapp.openapi import fields
from webapp.openapi.fields import Field, Text, UnfitValueError, Whole

if TYPE_CHECKING:
    from mailing.core.states import RecipientAction
    from webapp.openapi.fields import Schema


@dataclass(frozen=True, slots=True)
class _Source:
    """A state whose recipients a decision may be about."""

    action: RecipientAction

    @property
    def schema(self) -> Schema:
        return {"type": "string", "enum": [str(state) for state in DECISIONS[self.action].sources]}

    def read(self, given: Any) -> RecipientState:
        sources = DECISIONS[self.action].sources
        if given not in sources:
            raise UnfitValueError(f"{self.action} applies to recipients that are {' or '.join(sources)}.")
        return RecipientState(given)


class _Beginning:
    """How addresses begin, or the domain that they have."""

    schema = Text().schema

    def read(self, given: Any) -> str:
        if not isinstance(given, str) or "\0" in given:
            raise UnfitValueError("Must be a string without NUL characters.")
        return given.strip()


@dataclass(frozen=True, slots=True)
class _Reply:
    """A reply by its codes."""

    @property
    def schema(self) -> Schema:
        return {"type": "string", "pattern": f"^(?:{params.REPLY.pattern})$"}

    def read(self, given: Any) -> Any:
        found = params.read_reply(given) if isinstance(given, str) else None
        if found is None:
            raise UnfitValueError(
                "Must be a reply such as 550-5.7.1, or 421 without an enhanced status code."
            )
        return found


def choice(action: RecipientAction) -> tuple[Field, ...]:
    """Return by what the recipients of a decision may be chosen."""
    one = "Must be the id of a recipient, as returned by GET /campaigns/ID/recipients."
    return (
        Field("state", _Source(action), "Only recipients in this state."),
        Field("q", _Beginning(), "Only addresses that start with this, or addresses at `@DOMAIN`.", usual=""),
        Field("recipient", Whole(range(1, LARGEST_ID + 1), one), "Only the recipient with this id."),
        Field("reply", _Reply(), "Only recipients with this reply in any attempt, such as `550-5.7.1`."),
    )


def read_choice(body: bytes, action: RecipientAction) -> Choice:
    """Read whom a decision is about; no body means everybody. Raises ``Problem`` with all faults at once."""
    return Choice(**fields.body(body, choice(action), '{"state": "failed"}'))


def read_nothing(body: bytes, verb: str) -> None:
    """Refuse fields where the whole campaign is meant.

    A program that sends some may mean fewer recipients.
    """
    if body.strip() and (given := fields.json_object(body, "{}")):
        none = f"{verb} has no fields: it applies to the whole campaign."
        raise problems.invalid(problems.unknown(given, lambda _name: none, UNKNOWN_FIELD))
