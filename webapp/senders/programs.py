"""Senders for programs: made, changed, tried, put in order and deleted. No secret ever comes back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from mailing.accounts.roles import Permission
from mailing.core import reasons
from mailing.core.reasons import Reason, UnfitError
from mailing.senders import entries, limits, opening, routes, store
from mailing.senders.entries import Entry
from mailing.senders.presets import PRESETS
from mailing.senders.routes import Route
from mailing.senders.store import SenderError
from tasks.commands import senders as commands
from webapp.http import auth, forms, problems
from webapp.http.problems import Fault, Problem
from webapp.http.services import services
from webapp.live.trials import BusyError
from webapp.openapi import dialogues, fields, operations
from webapp.openapi.fields import Field, Flag, Ids, Name, Text, UnfitValueError, Whole
from webapp.openapi.operations import PREFIX, Answer, described
from webapp.openapi.shapes import senders as shapes
from webapp.senders import account_fields, inspections, warmups
from webapp.ui import formats

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quart import Response

    from mailing.core.reasons import Words
    from mailing.senders.limits import Limits
    from mailing.senders.store import Account
    from webapp.openapi.fields import Kind, Schema

TOPIC = "Senders"
blueprint = operations.blueprint("api_senders")
_ONE = "/senders/<id:sender_id>"
BUSY_S = 30
_NAME = "Name the sender, such as Club."
_HOST = "Name the mail server, such as smtp.example.org, or give a preset."
_MOST = {"type": "integer", "minimum": 1, "maximum": limits.MOST}
_PERIODS: Schema = {key: {"anyOf": [_MOST, {"type": "null"}]} for key in limits.PERIODS}
_LIMITS: Schema = {
    "type": ["object", "null"],
    "properties": {**_PERIODS, "time_zone": {"type": "string"}},
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Judged:
    """A value that ``mailing`` reads."""

    schema: Schema
    judge: Callable[[object], Any]

    def read(self, given: Any) -> Any:
        """Return it."""
        try:
            return self.judge(given)
        except UnfitError as error:
            raise UnfitValueError(str(error), error.reason.code) from None


@dataclass(frozen=True, slots=True)
class OrNull:
    """A value, or null."""

    kind: Kind

    @property
    def schema(self) -> Schema:
        """Either of them."""
        return {"anyOf": [self.kind.schema, {"type": "null"}]}

    def read(self, given: Any) -> Any:
        """Return it."""
        return None if given is None else self.kind.read(given)


LIMITS = Judged(_LIMITS, limits.parse)
_RECEIVERS = Judged({"type": ["object", "null"], "additionalProperties": _LIMITS}, limits.parse_receivers)
_CHANGE = (
    Field("name", Text(), "Its name, which no other sender has.", example="Club"),
    Field("host", Text(), "The mail server.", example="smtp.example.org"),
    Field("port", account_fields.PORT, "Its port."),
    Field(
        "tls",
        Name(entries.TLS_MODES),
        "`starttls` requires it; `opportunistic` secures the connection where the server offers STARTTLS.",
    ),
    *account_fields.TRUST,
    Field("username", Text(), "With which it signs in."),
    Field("auth", Name(entries.AUTH_WAYS), "How it signs in; empty for the best that the server offers."),
    account_fields.PASSWORD,
    Field("provider", Name(entries.PROVIDERS), "Whose consent signs in (`auth` is `xoauth2`)."),
    *account_fields.APPLICATION,
    Field(
        "signs",
        Flag("True: Volley signs with DKIM where the From domain has a key."),
        "Whether Volley signs with DKIM; false where the server does.",
    ),
    Field(
        "connections",
        OrNull(Whole(entries.CONNECTIONS, "Must be a whole number from 1 to 100.")),
        "Of each worker process; null for the setting.",
    ),
    Field(
        "limits",
        LIMITS,
        "At most how many emails leave by it.",
        example={"per_minute": 30, "per_24h": 10_000},
    ),
    Field(
        "receiver_limits",
        _RECEIVERS,
        "The same by receiver; `*` means all others.",
        example={"gmail": {"per_hour": 500}, "*": {"per_second": 5}},
    ),
)
_NEW = (
    Field("preset", Name(tuple(PRESETS)), "A well-known mail server. It brings what is not given."),
    *_CHANGE,
)
_REVISION = account_fields.revision("sender")
_POSITION = Field(
    "position", Whole(range(1, 1001), "Must be a place from 1."), "Its place in the order, from 1."
)
ROUTE = (
    Field(
        "senders",
        OrNull(Ids(routes.MOST)),
        "The ids of its senders in their order: the next one sends while one cannot. Null for the usual one.",
    ),
    Field(
        "limits",
        LIMITS,
        "At most how many of its emails leave, besides the limits of its senders.",
        example={"per_minute": 60},
    ),
)
_TEST = (Field("mail_from", Text(), "An address that the server is asked to take mail from.", usual=""),)


@blueprint.get("/senders")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("The senders.", shapes.SenderList)})
async def list_senders() -> Response:
    """List the senders in their order."""
    return operations.in_json({"senders": [shown(it) for it in await services().read(store.every)]})


@blueprint.post("/senders")
@auth.needs(Permission.SENDERS)
@described(
    TOPIC,
    {201: Answer("The sender was stored.", shapes.Sender, headers=("Location",))},
    bodies={"": _NEW},
    refuses=(409,),
)
async def create_sender() -> Response:
    """Add a sender.

    A `preset` brings host, port, encryption, sign-in method and limits. Accounts at Google and Microsoft are
    connected in the browser, on the page of the sender.
    """
    given = fields.body(await forms.body(forms.SHORT), _NEW, '{"name": "Club", "preset": "gmail"}')
    entry = _entered(given)
    svc = services()
    with problems.refusing(SenderError):
        sender_id = await svc.do(commands.create, auth.program(), entry, svc.settings.secret_key)
    answer = operations.in_json(shown(await the_sender(sender_id)), 201)
    answer.headers["Location"] = svc.at(f"{PREFIX}/senders/{sender_id}")
    return answer


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("The sender.", shapes.Sender)})
async def get_sender(sender_id: int) -> Response:
    """Get a sender."""
    return operations.in_json(shown(await the_sender(sender_id)))


@blueprint.patch(_ONE)
@auth.needs(Permission.SENDERS)
@described(
    TOPIC,
    {200: Answer("The sender as it is now.", shapes.Sender)},
    bodies={"": (*_CHANGE, _POSITION, _REVISION)},
    refuses=(409,),
)
async def change_sender(sender_id: int) -> Response:
    """Change a sender: only the fields that are given.

    With another server, or another way to protect the connection, the password must be given again. Of the
    sender of the settings only name, connections, limits and position can be changed.
    """
    svc, now = services(), await the_sender(sender_id)
    known = (*_CHANGE, _POSITION, _REVISION)
    given = fields.given(await forms.body(forms.SHORT), known, '{"limits": {"per_day": 500}}')
    position, seen = given.pop("position", None), given.pop("revision", None)
    with problems.refusing(SenderError):
        if given or seen:
            entry = store.as_entered(now, **given)
            key = svc.settings.secret_key
            await svc.do(commands.revise, auth.program(), sender_id, entry, key, seen=seen)
        if position:
            await svc.do(commands.move, auth.program(), sender_id, position)
    return operations.in_json(shown(await the_sender(sender_id)))


@blueprint.delete(_ONE)
@auth.needs(Permission.SENDERS)
@described(TOPIC, {200: Answer("The sender was deleted.", shapes.Deleted)}, refuses=(409,))
async def delete_sender(sender_id: int) -> Response:
    """Delete a sender, unless a campaign that is not over uses it."""
    await the_sender(sender_id)
    with problems.refusing(SenderError):
        gone = await services().do(commands.delete, auth.program(), sender_id)
    return operations.in_json({"id": gone.id, "name": gone.name})


@blueprint.post(f"{_ONE}/test")
@auth.needs(Permission.SENDERS)
@described(
    TOPIC,
    {200: Answer("The result, with the whole dialogue.", shapes.SenderTest)},
    bodies={"": _TEST},
    refuses=(409,),
)
async def test_sender(sender_id: int) -> Response:
    """Connect to the server of a sender and sign in, without sending anything.

    The response comes when that is done, or after 45 seconds; the status is 200 even if it fails. A key may
    test ten times, and another time every six seconds.
    """
    account = await the_sender(sender_id)
    asked = fields.body(await forms.body(forms.SHORT), _TEST, '{"mail_from": "club@example.org"}')
    try:
        run = await inspections.begin(auth.program(), account, asked["mail_from"])
    except BusyError as busy:
        raise _later(503, busy.reason, BUSY_S) from None
    except UnfitError as error:
        raise problems.invalid([Fault.of("mail_from", error.reason)]) from None
    except SenderError as refusal:
        if "n" in refusal.reason.values:
            raise _later(429, refusal.reason, refusal.reason.values["n"]) from None
        raise problems.refused(refusal) from None
    await asyncio.wait([run.task])
    if (outcome := run.outcome) is None:
        raise Problem(503, "Volley was stopped during the test.", "server.unavailable")
    told = {
        "usable": outcome.accepted,
        "reply": str(outcome.words),
        "reason_code": reasons.code(outcome.words),
        "server": run.server,
        "began_at": formats.iso(run.began_at),
        "dialogue": [dialogues.line(it) for it in run.dialogue.lines],
    }
    return operations.in_json(told)


async def the_sender(sender_id: int) -> Account:
    """Return the sender that an address names. Raises ``Problem``."""
    found = await services().read(store.get, sender_id)
    if found is None:
        said = f"Sender {sender_id} does not exist. GET /api/v1/senders lists them."
        raise Problem(404, said, "sender.not-found")
    return found


def shown(it: Account) -> shapes.Sender:
    """Return a sender as programs get it."""
    return {
        "id": it.id,
        "name": it.name,
        "position": it.position,
        "preset": it.preset,
        "host": it.host,
        "port": it.port,
        "tls": it.tls,
        "verify": it.verify,
        "ca": it.ca,
        "username": it.username,
        "auth": it.auth,
        "has_password": bool(it.password),
        "provider": it.provider,  # type: ignore[typeddict-item]
        "tenant": it.tenant,
        "client_id": it.client_id,
        "has_client_secret": bool(it.client_secret),
        "connected": bool(it.refresh_token),
        "signs": it.signs,
        "connections": it.connections,
        "limits": dumped(it.limits),
        "receiver_limits": {receiver: dumped(each) for receiver, each in it.receiver_limits.items()},
        "warmup": warmups.planned(it.warmup),
        "trouble": str(trouble := _trouble(it)),
        "trouble_code": reasons.code(trouble),
        "trouble_at": None if it.trouble_at is None else formats.iso(it.trouble_at),
        "from_settings": it.from_settings,
        "revision": it.revision,
        "created_at": formats.iso(it.created_at),
        "changed_at": formats.iso(it.changed_at),
    }


def _trouble(it: Account) -> Words:
    chosen = services().settings
    return opening.fault(it, chosen.secret_key, chosen.sender)


def dumped(it: Limits) -> shapes.Limits:
    """Return limits as programs get them."""
    return limits.dump(it) or {}  # type: ignore[return-value]


def _entered(given: Mapping[str, Any]) -> Entry:
    """Return what was posted as it was entered, completed from its preset. Raises ``Problem``."""
    preset = PRESETS.get(given["preset"] or "")
    known = {name: value for name, value in given.items() if value is not None}
    if preset is None:
        needed = (("name", _NAME), ("host", _HOST))
        missing = [
            Fault(name, f'"{name}" is missing. {said}', "request.missing-field")
            for name, said in needed
            if name not in known
        ]
        if missing:
            raise problems.invalid(missing)
        return Entry(**{"port": 587, **known})
    return preset.entered(**known)


@blueprint.put("/campaigns/<id:campaign_id>/route")
@auth.needs(Permission.SEND)
@described(
    TOPIC,
    {200: Answer("The senders and limits as they are now.", shapes.CampaignRoute)},
    bodies={"": ROUTE},
    refuses=(409,),
)
async def change_campaign_route(campaign_id: int) -> Response:
    """Change the senders and limits of a campaign that has not ended, even while it is being sent.

    A field that is not given, or null, is reset: to the usual sender, or to no limits.
    """
    svc = services()
    await svc.read(problems.the_campaign, campaign_id)
    asked = fields.body(await forms.body(forms.SHORT), ROUTE, '{"limits": {"per_minute": 60}}')
    route = Route(asked["senders"], asked["limits"] or limits.NONE)
    with problems.refusing(SenderError):
        await svc.do(commands.change_route, auth.program(), campaign_id, route)
    told = {"senders": None if route.senders is None else [*route.senders], "limits": dumped(route.limits)}
    return operations.in_json({"id": campaign_id, **told})


def _later(status: int, reason: Reason, seconds: object) -> Problem:
    return Problem(HTTPStatus(status), str(reason), reason.code, headers={"Retry-After": str(seconds)})
