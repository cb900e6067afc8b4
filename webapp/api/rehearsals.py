"""Rehearsals for programs: a draft is sent to the demo inbox, and what that has found is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailing.accounts.roles import Permission
from mailing.campaigns import queries as campaigns
from mailing.campaigns import recipes
from mailing.campaigns.lifecycle import NotAllowed
from mailing.campaigns.recipes import CHOSEN, RECIPES, WHOLE, RecipeError
from mailing.core import reasons
from mailing.core.reasons import Reason
from mailing.reports import rehearsed
from tasks.commands import rehearsals as commands
from webapp.api.campaigns import read
from webapp.http import auth, forms, problems
from webapp.http.problems import Problem
from webapp.http.services import services
from webapp.openapi import fields, operations
from webapp.openapi.fields import Field, UnfitValueError
from webapp.openapi.operations import PREFIX, Answer, described
from webapp.openapi.shapes import campaigns as shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quart import Response
    from sqlalchemy import Connection

    from webapp.openapi.fields import Schema

TOPIC = "Rehearsals"
blueprint = operations.blueprint("api_rehearsals")
_ONE = "/campaigns/<id:campaign_id>"
USUAL = "usual"


class _Recipe:
    """A recipe by its name, or in numbers."""

    @property
    def schema(self) -> Schema:
        share = {"type": "integer", "minimum": 0, "maximum": WHOLE}
        own = {
            "type": "object",
            "properties": {str(answer): share for answer in CHOSEN},
            "additionalProperties": False,
        }
        return {"anyOf": [{"type": "string", "enum": [*RECIPES]}, own]}

    def read(self, given: Any) -> Mapping[str, int]:
        try:
            return recipes.read(given)
        except RecipeError as error:
            raise UnfitValueError(str(error.reason), error.reason.code) from None


_REHEARSE = (
    Field(
        "recipe",
        _Recipe(),
        "Which answers the demo inbox gives: the name of a recipe, or how many of 1,000 recipients get which "
        "answer. All others are accepted.",
        usual=USUAL,
        example={"bounce": 20, "later": 30},
    ),
)


@blueprint.post(f"{_ONE}/rehearse")
@auth.needs(Permission.WRITE)
@described(
    TOPIC,
    {201: Answer("The rehearsal, a campaign of its own.", shapes.Campaign, headers=("Location",))},
    bodies={"": _REHEARSE},
    refuses=(409,),
)
async def rehearse(campaign_id: int) -> Response:
    """Rehearse a draft: send a copy of it to the demo inbox, and to nobody else.

    Without a body the recipe is `usual`. The rehearsal is followed, paused and canceled as a campaign.
    """
    svc, body = services(), await forms.body(forms.SHORT)
    await svc.read(read, campaign_id)
    given = fields.json_object(body, '{"recipe": "usual"}') if body.strip() else {}
    values, faults = fields.judge(given, _REHEARSE)
    if faults := [*faults, *fields.strange(given, [field.name for field in _REHEARSE])]:
        raise problems.invalid(faults)
    recipe = recipes.read(USUAL) if values["recipe"] == USUAL else values["recipe"]
    inbox = svc.settings.demo_inbox
    try:
        rehearsal_id = await svc.do(commands.rehearse, auth.program(), campaign_id, recipe, inbox)
    except NotAllowed as refusal:
        raise problems.refused(refusal) from None
    response = operations.in_json(await svc.read(read, rehearsal_id), 201)
    response.headers["Location"] = svc.at(f"{PREFIX}/campaigns/{rehearsal_id}")
    return response


@blueprint.get(f"{_ONE}/rehearsal")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("What the rehearsal has found so far.", shapes.Rehearsal)}, refuses=(409,))
async def rehearsal(campaign_id: int) -> Response:
    """Get what a rehearsal has found, by the rehearsal's own id."""
    return operations.in_json(await services().read(_found, campaign_id))


def _found(connection: Connection, campaign_id: int) -> shapes.Rehearsal:
    read(connection, campaign_id)
    campaign = campaigns.get(connection, campaign_id)
    found = rehearsed.read(connection, campaign) if campaign else None
    if found is None:
        none = Reason("rehearsal.none", id=campaign_id)
        raise Problem(409, str(none), none.code)
    estimate, speed = found.estimate, found.speed
    return {
        "id": campaign_id,
        "rehearses": found.campaign.rehearses or 0,
        "state": found.campaign.state,
        "changed": found.changed,
        "answers": [
            {"answer": it.answer, "wanted": it.wanted, "recipients": it.got}  # type: ignore[typeddict-item]
            for it in found.shares
        ],
        "unwritten": found.unwritten,
        "faults": [
            {
                "recipient": it.recipient_id,
                "email": it.email,
                "reason": str(it.reason),
                "reason_code": reasons.code(it.reason),
            }
            for it in found.faults
        ],
        "largest_bytes": found.largest or None,
        "rate_per_minute": round(speed.per_minute, 1) if speed else None,
        "least_seconds": round(found.least_ms / 1000, 1) if speed else None,
        "estimate_seconds": round(estimate.ms / 1000, 1) if estimate else None,
    }
