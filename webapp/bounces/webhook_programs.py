"""Webhooks of providers for programs: listed, made, given a key, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts.roles import Permission
from mailing.core.reasons import UnfitError
from mailing.feedback import store
from mailing.feedback.providers import Proof, Provider
from tasks.commands import bounces as commands
from webapp.bounces.webhooks import address
from webapp.http import auth, forms, problems
from webapp.http.problems import Fault, Problem
from webapp.http.services import services
from webapp.openapi import fields, operations
from webapp.openapi.fields import Field, OneOf, Text
from webapp.openapi.operations import Answer, described
from webapp.openapi.shapes import bounces as shapes
from webapp.ui import formats

if TYPE_CHECKING:
    from quart import Response

    from mailing.feedback.store import Webhook

TOPIC = "Webhooks"
blueprint = operations.blueprint("api_webhooks")
_ONE = "/webhooks/<id:webhook_id>"
_NEW = (
    Field("provider", OneOf(Provider), "Of whom.", missing="Name the provider.", example="sendgrid"),
    Field("topic", Text(), "The ARN of the topic, for Amazon SES.", usual=""),
    Field("key", Text(), "The provider's key, for SendGrid and Mailgun. It may follow later.", usual=""),
)
_KEY = (Field("key", Text(), "The provider's key. Leave it out where the password is Volley's.", usual=""),)


@blueprint.get("/webhooks")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("All of them.", shapes.WebhookList)})
async def list_webhooks() -> Response:
    """List the webhooks to which mail providers post what became of emails."""
    found = await services().read(store.every)
    return operations.in_json({"webhooks": [_shown(it) for it in found]})


@blueprint.post("/webhooks")
@auth.needs(Permission.SENDERS)
@described(TOPIC, {201: Answer("Enter its URL at the provider.", shapes.NewWebhook)}, bodies={"": _NEW})
async def create_webhook() -> Response:
    """Create a webhook for a provider."""
    asked, svc = fields.body(await forms.body(forms.SHORT), _NEW, '{"provider": "sendgrid"}'), services()
    given = "topic" if asked["provider"] is Provider.SES else "key"
    try:
        made = await svc.do(
            commands.create_webhook, auth.program(), asked["provider"], asked[given], svc.settings.secret_key
        )
    except UnfitError as refusal:
        raise problems.invalid([Fault.of(given, refusal.reason)]) from None
    return operations.in_json(_with_password(made), 201)


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("The webhook.", shapes.Webhook)})
async def get_webhook(webhook_id: int) -> Response:
    """Return a webhook."""
    return operations.in_json(_shown(await _the(webhook_id)))


@blueprint.post(f"{_ONE}/key")
@auth.needs(Permission.SENDERS)
@described(TOPIC, {200: Answer("The webhook.", shapes.NewWebhook)}, bodies={"": _KEY})
async def change_webhook_key(webhook_id: int) -> Response:
    """Keep the key that the provider shows, or make a new password."""
    await _the(webhook_id)
    asked, svc = fields.body(await forms.body(forms.SHORT), _KEY, '{"key": "..."}'), services()
    try:
        await svc.do(
            commands.change_webhook_key, auth.program(), webhook_id, asked["key"], svc.settings.secret_key
        )
    except UnfitError as refusal:
        raise problems.invalid([Fault.of("key", refusal.reason)]) from None
    return operations.in_json(_with_password(await _the(webhook_id)))


@blueprint.delete(_ONE)
@auth.needs(Permission.SENDERS)
@described(TOPIC, {200: Answer("It is removed.", shapes.Webhook)})
async def remove_webhook(webhook_id: int) -> Response:
    """Remove a webhook. What its provider posts is refused from now on."""
    gone = await services().do(commands.remove_webhook, auth.program(), webhook_id)
    if gone is None:
        raise _missing(webhook_id)
    return operations.in_json(_shown(gone))


async def _the(webhook_id: int) -> Webhook:
    found = await services().read(store.get, webhook_id)
    if found is None:
        raise _missing(webhook_id)
    return found


def _missing(webhook_id: int) -> Problem:
    return Problem(404, f"Webhook {webhook_id} does not exist.", "hook.not-found")


def _with_password(it: Webhook) -> shapes.NewWebhook:
    ours = it.proof is Proof.PASSWORD
    password = store.secret(it, services().settings.secret_key) if ours else None
    return {**_shown(it), "password": password}


def _shown(it: Webhook) -> shapes.Webhook:
    return {
        "id": it.id,
        "provider": it.provider,
        "url": address(it),
        "topic": it.topic or None,
        "ready": it.ready,
        "confirmed_at": formats.iso(it.confirmed_at) if it.confirmed_at else None,
        "last_at": formats.iso(it.last_at) if it.last_at else None,
        "events": it.events,
        "created_at": formats.iso(it.created_at),
    }
