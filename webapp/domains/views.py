"""The pages of domains: the records to publish, and what DNS says. Every form is a POST with a redirect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint, abort, redirect, render_template, request

from mailing.accounts.roles import Permission
from mailing.core.reasons import ReasonError
from mailing.domains import names
from mailing.domains.dkim import Algorithm
from mailing.domains.tables import KeyState
from mailing.internet.findings import Light
from tasks.commands import dkim as commands
from webapp.domains import reading
from webapp.http import auth
from webapp.http.services import services
from webapp.i18n.domain_texts import say
from webapp.i18n.languages import N_, _
from webapp.ui import receipts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Response as AnyResponse

    from webapp.domains.reading import Standing

blueprint = Blueprint("domains", __name__)
STATES: Mapping[KeyState, str] = {
    KeyState.CREATED: N_("Waiting for its DNS record"),
    KeyState.PUBLISHED: N_("In DNS, signs soon"),
    KeyState.ACTIVE: N_("Signs"),
    KeyState.RETIRING: N_("No longer signs"),
    KeyState.RETIRED: N_("Retired"),
}
ALGORITHMS: Mapping[Algorithm, str] = {Algorithm.RSA: "RSA-2048", Algorithm.ED25519: "Ed25519"}
RECORDS: Mapping[str, str] = {
    "spf": "SPF",
    "dkim": "DKIM",
    "dmarc": "DMARC",
    "mx": "MX",
    "bounce-spf": N_("SPF for bounces"),
    "bounce-mx": N_("MX for bounces"),
    "ptr": "PTR",
    "dnsbl": N_("Blocklists"),
    "tls": "TLS",
}
LIGHTS: Mapping[Light, tuple[str, str, str]] = {  # word, color, shape
    Light.RED: (N_("Fix"), "failed", "cross"),
    Light.AMBER: (N_("Please check"), "deferred", "alert"),
    Light.UNKNOWN: (N_("Unknown"), "unknown", "question"),
    Light.GREEN: (N_("Good"), "sent", "check"),
}


@blueprint.get("/domains")
@auth.needs(Permission.READ)
async def index() -> str:
    """Show the domains that campaigns come from, or that have keys."""
    return await _page()


@blueprint.post("/domains")
@auth.needs(Permission.SENDERS)
async def create() -> AnyResponse | tuple[str, int]:
    """Make keys for a domain."""
    typed = (await request.form).get("domain", "")
    svc = services()
    try:
        domain = names.read(typed)
        await svc.do(commands.create, auth.person(), domain, [*Algorithm], svc.settings.secret_key)
    except ReasonError as refusal:
        return await _page(typed=typed, fault=say(refusal.reason)), 422
    receipts.tell(_("Two keys were created. Publish their records at your DNS provider."))
    return redirect(svc.at(f"/domains/{domain}"), 303)


@blueprint.get("/domains/<domain>")
@auth.needs(Permission.READ)
async def show(domain: str) -> str:
    """Show a domain, the records of its keys, and what DNS says of it."""
    return await _one(await _standing(domain))


@blueprint.post("/domains/<domain>/check")
@auth.needs(Permission.SENDERS)
async def check(domain: str) -> AnyResponse:
    """Ask DNS now."""
    standing = await _standing(domain)
    await reading.check(standing.domain)
    receipts.tell(_("DNS was asked again."))
    return redirect(services().at(f"/domains/{standing.domain}"), 303)


@blueprint.post("/domains/<domain>/rotate")
@auth.needs(Permission.SENDERS)
async def rotate(domain: str) -> AnyResponse | tuple[str, int]:
    """Make successors for the keys that sign."""
    svc, standing = services(), await _standing(domain)
    try:
        await svc.do(commands.rotate, auth.person(), standing.domain, svc.settings.secret_key)
    except ReasonError as refusal:
        return await _one(standing, fault=say(refusal.reason)), 409
    receipts.tell(_("New keys were created. Publish their records; the old keys sign until then."))
    return redirect(svc.at(f"/domains/{standing.domain}"), 303)


@blueprint.post("/domains/<domain>/keys/<selector>/retire")
@auth.needs(Permission.SENDERS)
async def retire(domain: str, selector: str) -> AnyResponse | tuple[str, int]:
    """Have a key sign no more."""
    svc, standing = services(), await _standing(domain)
    try:
        await svc.do(commands.retire, auth.person(), standing.domain, selector)
    except ReasonError as refusal:
        return await _one(standing, fault=say(refusal.reason)), 409
    receipts.tell(_("The key %(selector)s no longer signs.", selector=selector))
    return redirect(svc.at(f"/domains/{standing.domain}"), 303)


async def _standing(domain: str) -> Standing:
    found = await reading.find(domain)
    if found is None:
        abort(404, _("Volley doesn't know the domain %(domain)s.", domain=domain))
    return found


async def _one(standing: Standing, fault: str = "") -> str:
    return await render_template(
        "domains/domain.html",
        section="domains",
        it=standing,
        reported=await reading.reported(standing),
        fault=fault,
        STATES=STATES,
        ALGORITHMS=ALGORITHMS,
        RECORDS=RECORDS,
        LIGHTS=LIGHTS,
    )


async def _page(*, typed: str = "", fault: str = "") -> str:
    svc = services()
    found = await svc.read(reading.every, svc.settings.secret_key)
    return await render_template(
        "domains/index.html", section="domains", domains=found, typed=typed, fault=fault, LIGHTS=LIGHTS
    )
