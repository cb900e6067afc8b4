"""A campaign's recipients for programs: listed, decided about, and made a new draft of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quart import Response, request

from mailing.accounts.roles import Permission
from mailing.campaigns.lifecycle import NotAllowed
from mailing.core.bounds import LARGEST_ID
from mailing.core.states import DECISIONS, RecipientAction, RecipientState
from mailing.recipients import listing
from mailing.recipients.search import Choice
from tasks.commands import campaigns as commands
from webapp.api import answers, campaigns
from webapp.http import auth, forms, params, problems
from webapp.http.services import services
from webapp.openapi import fields, operations
from webapp.openapi.fields import LIMIT, Beginning, Field, Number, OneOf, State, Text, UnfitValueError, Whole
from webapp.openapi.operations import PREFIX, Answer, described
from webapp.openapi.shapes import campaigns as shapes

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.recipients.listing import RecipientRow
    from mailing.recipients.search import Page
    from webapp.openapi.fields import Schema

TOPIC = "Recipients"
blueprint = operations.blueprint("api_recipients")
_ONE = "/campaigns/<id:campaign_id>"
_DECISIONS = {
    RecipientAction.RETRY: "Retry failed and deferred recipients now",
    RecipientAction.RESEND_UNKNOWN: "Resend to unknown recipients, who may get it twice",
    RecipientAction.MARK_UNKNOWN_SENT: "Mark unknown recipients as sent",
    RecipientAction.SKIP: "Exclude queued or deferred recipients",
    RecipientAction.FAIL: "Mark queued or deferred recipients as failed",
}
_RECIPIENTS = (
    Field("state", State(RecipientState), "Only recipients in this state."),
    Field("q", Beginning(), "Only addresses that start with this, or addresses at `@DOMAIN`.", usual=""),
    Field(
        "after",
        Number(range(LARGEST_ID + 1)),
        "Return what comes after this id: the `next` of an earlier response.",
        usual=0,
    ),
    LIMIT,
)


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


_Q = Field("q", _Beginning(), "Only addresses that start with this, or addresses at `@DOMAIN`.", usual="")
_REPLY = Field("reply", _Reply(), "Only recipients with this reply in any attempt, such as `550-5.7.1`.")
_FOLLOWED = (Field("state", OneOf(RecipientState), "Only recipients in this state."), _Q, _REPLY)


def choice(action: RecipientAction) -> tuple[Field, ...]:
    """Return by what the recipients of a decision may be chosen."""
    one = "Must be the id of a recipient, as returned by GET /campaigns/ID/recipients."
    return (
        Field("state", _Source(action), "Only recipients in this state."),
        _Q,
        Field("recipient", Whole(range(1, LARGEST_ID + 1), one), "Only the recipient with this id."),
        _REPLY,
    )


def read_choice(body: bytes, action: RecipientAction) -> Choice:
    """Read whom a decision is about; no body means everybody. Raises ``Problem`` with all faults at once."""
    return Choice(**fields.body(body, choice(action), '{"state": "failed"}'))


@blueprint.post(f"{_ONE}/{params.DECISION}")
@auth.needs(Permission.SEND)
@described(
    TOPIC,
    {
        200: Answer("How many recipients were moved, and the campaign.", shapes.DecidedCampaign),
        202: Answer("The same; the rest is done automatically.", shapes.DecidedCampaign),
    },
    bodies={action: choice(action) for action in RecipientAction},
    verbs=_DECISIONS,
    refuses=(409,),
)
async def recipients(campaign_id: int, verb: str) -> Response:
    """Decide about recipients of a campaign: those that the body chooses, all of them without a body.

    Addresses that do not exist are retried only one by one (``recipient``), as sending to them again harms
    your reputation. The status is 202 for thousands of recipients: the rest is done automatically, and
    ``under_way`` and ``counts`` of the campaign show the progress.
    """
    svc, action = services(), RecipientAction(verb)
    await svc.read(campaigns.read, campaign_id)
    chosen = read_choice(await forms.body(forms.SHORT), action)
    try:
        done = await svc.do(commands.decide, auth.program(), campaign_id, action, chosen)
    except NotAllowed as refusal:
        raise problems.refused(refusal) from None
    now = await svc.read(campaigns.read, campaign_id)
    answer = {"affected": done.moved, **now, **await campaigns.notice(svc, now)}
    return operations.in_json(answer, 202 if done.going_on else 200)


@blueprint.get(f"{_ONE}/recipients")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("A page of recipients.", shapes.RecipientPage)}, query=_RECIPIENTS)
async def list_recipients(campaign_id: int) -> Response:
    """List the recipients of a campaign in the order of its list, each with the last attempt."""
    asked = fields.query(request.args, _RECIPIENTS)
    page = await services().read(_recipients, campaign_id, **asked)
    return operations.in_json(answers.recipients(page))


@blueprint.post(f"{_ONE}/follow-up")
@auth.needs(Permission.WRITE)
@described(
    TOPIC,
    {201: Answer("The draft.", shapes.Campaign, headers=("Location",))},
    bodies={"": _FOLLOWED},
    refuses=(409,),
)
async def follow_up(campaign_id: int) -> Response:
    """Make a new draft to the chosen recipients of a campaign, all of them without a body.

    It has the campaign's message, files and settings, and exactly those recipients, with their merge fields.
    Change it with `PATCH`, and send it when it is ready.
    """
    svc = services()
    followed = await svc.read(problems.the_campaign, campaign_id)
    chosen = Choice(**fields.body(await forms.body(forms.SHORT), _FOLLOWED, '{"state": "failed"}'))
    try:
        change = await svc.lists.follow(auth.program(), followed, chosen)
    except NotAllowed as refusal:
        raise problems.refused(refusal) from None
    await svc.do(commands.announce, change)
    response = operations.in_json(await svc.read(campaigns.read, change.campaign_id), 201)
    response.headers["Location"] = svc.at(f"{PREFIX}/campaigns/{change.campaign_id}")
    return response


def _recipients(
    connection: Connection, campaign_id: int, *, state: RecipientState | None, q: str, after: int, limit: int
) -> Page[RecipientRow]:
    campaigns.read(connection, campaign_id)
    return listing.recipients_page(connection, campaign_id, Choice(state, q), after=after, limit=limit)
