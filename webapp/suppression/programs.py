"""Suppressions for programs: listed, added, lifted; why an address is not mailed; a person is forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from quart import Response, request

from mailing.accounts.roles import Permission
from mailing.core.clock import now_ms
from mailing.core.reasons import Reason, UnfitError
from mailing.suppression import store
from mailing.suppression.tables import SuppressionReason
from tasks.commands import suppression as commands
from webapp.http import auth, forms, problems
from webapp.http.problems import Fault, Problem
from webapp.http.services import services
from webapp.openapi import fields, operations
from webapp.openapi.fields import (
    BEFORE_ID,
    LIMIT,
    Beginning,
    Field,
    OneOf,
    State,
    Text,
    UnfitValueError,
    Whole,
)
from webapp.openapi.operations import Answer, described
from webapp.openapi.shapes import suppression as shapes
from webapp.ui import formats

if TYPE_CHECKING:
    from mailing.suppression.store import Suppression
    from webapp.openapi.fields import Schema

TOPIC = "Suppressions"
blueprint = operations.blueprint("api_suppressions")
MOST = 100_000
DAY_MS = 86_400_000
SKIPPED_SHOWN = 100


@dataclass(frozen=True, slots=True)
class _Lines:
    """Addresses and domains, in JSON."""

    @property
    def schema(self) -> Schema:
        """A list of strings."""
        return {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST}

    def read(self, given: Any) -> str:
        """Return them as a list with one on each line."""
        if not isinstance(given, list) or not 1 <= len(given) <= MOST:
            raise UnfitValueError(f"Must be a list of 1 to {MOST:,} addresses or domains.")
        if not all(isinstance(each, str) for each in given):
            raise UnfitValueError('Each must be a string, such as "ann@example.com" or "@example.com".')
        return "\n".join(" ".join(each.split()) for each in given)


_ADDRESSES = Field(
    "addresses",
    _Lines(),
    "Addresses, and domains such as `@example.com`.",
    missing="Enter at least one address, or a domain such as @example.com.",
    example=["ann@example.com", "@example.org"],
)
_NEW = (
    _ADDRESSES,
    Field("reason", OneOf(SuppressionReason), "Why.", usual=SuppressionReason.MANUAL),
    Field("topic", Text(), "Only from campaigns with this topic. Empty: from all.", usual=""),
    Field(
        "days",
        Whole(range(1, 3_651), "Must be from 1 to 3,650."),
        "How many days it lasts; if not given, until lifted.",
    ),
)
_LISTED = (
    Field("q", Beginning(), "Only addresses that start with this, or what is at `@DOMAIN`.", usual=""),
    Field("reason", State(SuppressionReason), "Only those with this reason."),
    BEFORE_ID,
    LIMIT,
)
_EMAIL = Field("email", Text(), "The address.", missing="Name the address.", example="ann@example.com")


@blueprint.get("/suppressions")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("A page of suppressions.", shapes.SuppressionPage)}, query=_LISTED)
async def list_suppressions() -> Response:
    """List the suppressions, the latest first."""
    asked = fields.query(request.args, _LISTED)
    limit = asked["limit"]
    found = await services().read(
        store.find, asked["q"], asked["reason"], before=asked["before"], limit=limit + 1
    )
    shown = found[:limit]
    more = shown[-1].id if len(found) > len(shown) else None
    return operations.in_json({"suppressions": [_shown(it) for it in shown], "next": more})


@blueprint.post("/suppressions")
@auth.needs(Permission.LISTS)
@described(
    TOPIC,
    {201: Answer("They are not mailed from now on.", shapes.Suppressed)},
    bodies={"": _NEW},
)
async def create_suppressions() -> Response:
    """Suppress addresses and domains: no campaign mails them, not even one that is being sent.

    What is suppressed already stays as it is, but for the longer of both times.
    """
    asked = fields.body(await forms.body(forms.LONGEST), _NEW, '{"addresses": ["ann@example.com"]}')
    until = now_ms() + asked["days"] * DAY_MS if asked["days"] else None
    text = asked["addresses"]
    add = partial(commands.add, topic=asked["topic"])
    try:
        added = await services().lists.run(text, add, auth.program(), text, asked["reason"], until)
    except UnfitError as refusal:
        raise problems.invalid([Fault.of("topic", refusal.reason)]) from None
    if not added.new and not added.known:
        why = added.refused[0].reason if added.refused else Reason("do-not-send.nobody")
        raise problems.invalid([Fault.of("addresses", why)])
    skipped = [
        {"line": it.line, "text": it.text, "reason": str(it.reason), "code": it.reason.code}
        for it in added.refused[:SKIPPED_SHOWN]
    ]
    told = {"new": added.new, "known": added.known, "skipped": skipped, "skipped_total": len(added.refused)}
    return operations.in_json(told, 201)


@blueprint.delete("/suppressions/<id:suppression_id>")
@auth.needs(Permission.LISTS)
@described(TOPIC, {200: Answer("It was lifted.", shapes.Lifted)})
async def lift_suppression(suppression_id: int) -> Response:
    """Lift a suppression: the address or domain can be mailed again."""
    lifted = await services().do(commands.lift, auth.program(), suppression_id)
    if lifted is None:
        said = f"Suppression {suppression_id} does not exist. It may have been lifted."
        raise Problem(404, said, "suppression.not-found")
    return operations.in_json({"id": lifted.id, "subject": lifted.subject})


@blueprint.get("/suppressions/why")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("What keeps it from being mailed.", shapes.Why)}, query=(_EMAIL,))
async def explain_suppression() -> Response:
    """Explain why an address is not mailed: by its own entry, its domain's, or a forgotten person's."""
    email = fields.query(request.args, (_EMAIL,))["email"]
    found = await services().read(store.why, email)
    return operations.in_json({"email": email, "suppressions": [_shown(it) for it in found]})


@blueprint.post("/suppressions/forget")
@auth.needs(Permission.LISTS)
@described(TOPIC, {200: Answer("Forgotten.", shapes.Forgotten)}, bodies={"": (_EMAIL,)})
async def forget_person() -> Response:
    """Forget a person: the address is replaced by a hash, and never mailed again.

    It is also removed from saved lists and from campaigns that are over, whose counts stay.
    """
    asked = fields.body(await forms.body(forms.SHORT), (_EMAIL,), '{"email": "ann@example.com"}')
    try:
        await services().do(commands.forget, auth.program(), asked["email"])
    except UnfitError as refusal:
        raise problems.invalid([Fault.of("email", refusal.reason)]) from None
    return operations.in_json({"forgotten": True})


def _shown(it: Suppression) -> shapes.Suppression:
    return {
        "id": it.id,
        "subject": it.subject,
        "topic": it.scope,
        "reason": it.reason,
        "source": it.source,
        "since": formats.iso(it.created_at),
        "until": formats.iso(it.expires_at) if it.expires_at else None,
    }
