"""The page of webhooks: where providers post, with what proof. Every form is a POST with a redirect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, abort, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.core.reasons import UnfitError
from mailing.feedback import proofs, store
from mailing.feedback.providers import NAMES, PROOFS, Proof, Provider
from tasks.commands import bounces as commands
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.domain_texts import say
from webapp.i18n.languages import N_, _
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from werkzeug.wrappers import Response as AnyResponse

    from mailing.feedback.store import Webhook

blueprint = Blueprint("webhooks", __name__)
STEPS: Mapping[Provider, Sequence[str]] = {
    Provider.SES: (
        N_("In Amazon SNS, open the topic and create a subscription: protocol HTTPS, and the URL above."),
        N_("Leave “Enable raw message delivery” off. Volley confirms the subscription automatically."),
        N_(
            "In Amazon SES, open your identity, Notifications, and choose this topic for bounces and "
            "complaints."
        ),
    ),
    Provider.SENDGRID: (
        N_("In SendGrid, open Settings, Mail Settings, Event Webhooks, and add the URL above."),
        N_("Choose the events Bounced, Dropped, Spam Reports, Unsubscribes and Group Unsubscribes."),
        N_("Turn on Signed Event Webhook, save, then copy the verification key into the field below."),
    ),
    Provider.MAILGUN: (
        N_("In Mailgun, open Sending, Webhooks. Copy the HTTP webhook signing key into the field below."),
        N_("Add webhooks for Permanent Failure, Spam Complaints and Unsubscribes, each with the URL above."),
    ),
    Provider.POSTMARK: (
        N_("In Postmark, open your server, its message stream, then Webhooks, and add the URL above."),
        N_("Enter the user name and the password under Basic auth."),
        N_("Choose Bounce, Spam Complaint and Subscription Change."),
    ),
    Provider.BREVO: (
        N_("In Brevo, click your account name, open Integrations, Webhooks, and add the URL above."),
        N_("Choose token as the authentication method, and enter the password as the token."),
        N_(
            "Choose the events of Transactional email: Hard bounce, Soft bounce, Invalid email, Error, "
            "Blocked, Complaint and Unsubscribed."
        ),
    ),
    Provider.SPARKPOST: (
        N_("In SparkPost, open Configuration, Webhooks, and create one with the URL above."),
        N_("Choose Basic Auth as the authentication, and enter the user name and the password."),
        N_("Choose Bounce, Out of Band, Policy Rejection, Spam Complaint and the unsubscribe events."),
    ),
}


@blueprint.get("/webhooks")
@auth.needs(Permission.READ)
async def index() -> str:
    """Show the webhooks."""
    return await _page()


@blueprint.post("/webhooks")
@auth.needs(Permission.SENDERS)
async def create() -> AnyResponse | tuple[str, int]:
    """Make a webhook for a provider."""
    form, svc = await request.form, services()
    provider, topic = form.get("provider", ""), form.get("topic", "")
    if provider not in set(Provider):
        abort(400)
    chosen = Provider(provider)
    given = topic if PROOFS[chosen] is Proof.TOPIC else ""
    try:
        made = await svc.do(commands.create_webhook, auth.person(), chosen, given, svc.settings.secret_key)
    except UnfitError as refusal:
        return await _page(provider, topic, say(refusal.reason)), 422
    receipts.tell(_("The webhook for %(provider)s was created. Follow its steps.", provider=made.name))
    return redirect(svc.at(f"/webhooks#webhook-{made.id}"), 303)


@blueprint.post("/webhooks/<id:webhook_id>/key")
@auth.needs(Permission.SENDERS)
async def change_key(webhook_id: int) -> AnyResponse | tuple[str, int]:
    """Keep the key that the provider shows, or make a new password."""
    key, svc = (await request.form).get("key", ""), services()
    try:
        changed = await svc.do(
            commands.change_webhook_key, auth.person(), webhook_id, key, svc.settings.secret_key
        )
    except UnfitError as refusal:
        return await _page(fault=say(refusal.reason)), 422
    if not changed:
        abort(404, _("This webhook was removed."))
    receipts.tell(_("The key was saved."))
    return redirect(svc.at(f"/webhooks#webhook-{webhook_id}"), 303)


@blueprint.post("/webhooks/<id:webhook_id>/remove")
@auth.needs(Permission.SENDERS)
async def remove(webhook_id: int) -> AnyResponse:
    """Remove a webhook."""
    gone = await services().do(commands.remove_webhook, auth.person(), webhook_id)
    if gone is None:
        abort(409, _("This webhook was removed."))
    receipts.tell(_("The webhook was removed. Remove it at %(provider)s too.", provider=gone.name))
    return redirect(services().at("/webhooks"), 303)


async def _page(provider: str = "", topic: str = "", fault: str = "") -> str:
    svc = services()
    found = await svc.read(store.every)
    may = Permission.SENDERS in auth.rights()
    secrets = {
        it.id: store.secret(it, svc.settings.secret_key) for it in found if may and it.proof is Proof.PASSWORD
    }
    return await render_template(
        "bounces/webhooks.html",
        section="suppression",
        tab="webhooks",
        webhooks=found,
        address=address,
        secrets=secrets,
        user=proofs.USER,
        names=NAMES,
        STEPS=STEPS,
        provider=provider,
        topic=topic,
        fault=fault,
        https=svc.settings.site.url.startswith("https://"),
    )


def address(webhook: Webhook) -> str:
    """Return the URL that a provider posts to."""
    return f"{services().settings.site.url}{webhook.path}"
