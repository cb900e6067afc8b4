"""Domains for programs: listed, looked up in DNS; keys are made, rotated and retired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts.roles import Permission
from mailing.core.reasons import UnfitError
from mailing.domains import names
from mailing.domains.dkim import Algorithm
from mailing.domains.keys import DkimError
from tasks.commands import dkim as commands
from webapp.domains import reading
from webapp.http import auth, forms, problems
from webapp.http.problems import Fault, Problem
from webapp.http.services import services
from webapp.openapi import fields, operations
from webapp.openapi.fields import Field, OneOf, Text
from webapp.openapi.operations import Answer, described
from webapp.openapi.shapes import domains as shapes
from webapp.ui import formats

if TYPE_CHECKING:
    from quart import Response

    from mailing.domains.keys import DkimKey
    from mailing.domains.records import Record
    from mailing.domains.reports import Sent
    from mailing.internet.findings import Finding
    from webapp.domains.reading import Standing

TOPIC = "Domains"
blueprint = operations.blueprint("api_domains")
_ONE = "/domains/<domain>"
_NEW = (
    Field("domain", Text(), "Such as `example.com`.", missing="Name the domain.", example="example.com"),
    Field("algorithm", OneOf(Algorithm), "Of the only key; if not given, one of each kind is made."),
)


@blueprint.get("/domains")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("All of them.", shapes.DomainList)})
async def list_domains() -> Response:
    """List the domains that campaigns come from, or that have keys."""
    svc = services()
    found = await svc.read(reading.every, svc.settings.secret_key)
    return operations.in_json({"domains": [_shown(it) for it in found]})


@blueprint.post("/domains")
@auth.needs(Permission.SENDERS)
@described(
    TOPIC,
    {201: Answer("Publish their records.", shapes.MadeKeys)},
    bodies={"": _NEW},
    refuses=(409,),
)
async def create_domain_keys() -> Response:
    """Create keys for a domain: one of RSA and one of Ed25519, or only one.

    They sign once their records are in DNS. Volley looks for them every few minutes.
    """
    asked = fields.body(await forms.body(forms.SHORT), _NEW, '{"domain": "example.com"}')
    try:
        domain = names.read(asked["domain"])
    except UnfitError as refusal:
        raise problems.invalid([Fault.of("domain", refusal.reason)]) from None
    algorithms = [asked["algorithm"]] if asked["algorithm"] else [*Algorithm]
    svc = services()
    with problems.refusing(DkimError):
        made = await svc.do(commands.create, auth.program(), domain, algorithms, svc.settings.secret_key)
    return operations.in_json({"keys": [_key(it) for it in made]}, 201)


@blueprint.get(_ONE)
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("The domain.", shapes.Domain)})
async def get_domain(domain: str) -> Response:
    """Return a domain, its keys, and what DNS said of it."""
    return operations.in_json(_shown(await _standing(domain)))


@blueprint.get(f"{_ONE}/reports")
@auth.needs(Permission.READ)
@described(TOPIC, {200: Answer("Who sent with it, as far as was reported.", shapes.DmarcSummary)})
async def get_domain_reports(domain: str) -> Response:
    """Return what the DMARC aggregate reports of the last 30 days say of a domain, added up by address.

    They are read when they come in as bounces do. Anyone can send such reports, so nothing follows from
    them.
    """
    found = await reading.reported(await _standing(domain))
    sources = [_sent(it) for it in found.sources]
    last = formats.iso(found.last_at) if found.last_at else None
    reporters = [*found.reporters]
    return operations.in_json(
        {"reports": found.reports, "reporters": reporters, "until": last, "sources": sources}
    )


@blueprint.post(f"{_ONE}/check")
@auth.needs(Permission.SENDERS)
@described(TOPIC, {200: Answer("The domain as DNS has it now.", shapes.Domain)})
async def check_domain(domain: str) -> Response:
    """Ask DNS about a domain now. Keys whose records are found start to sign."""
    await reading.check((await _standing(domain)).domain)
    return operations.in_json(_shown(await _standing(domain)))


@blueprint.post(f"{_ONE}/rotate")
@auth.needs(Permission.SENDERS)
@described(TOPIC, {201: Answer("Publish their records.", shapes.MadeKeys)}, refuses=(409,))
async def rotate_domain_keys(domain: str) -> Response:
    """Create a successor for each key that signs.

    The old key signs until the record of the new one has been in DNS for an hour.
    """
    standing = await _standing(domain)
    svc = services()
    with problems.refusing(DkimError):
        made = await svc.do(commands.rotate, auth.program(), standing.domain, svc.settings.secret_key)
    return operations.in_json({"keys": [_key(it) for it in made]}, 201)


@blueprint.delete(f"{_ONE}/keys/<selector>")
@auth.needs(Permission.SENDERS)
@described(TOPIC, {200: Answer("The domain.", shapes.Domain)}, refuses=(409,))
async def retire_domain_key(domain: str, selector: str) -> Response:
    """Stop signing with a key. Leave its record in DNS until `removable_at`."""
    standing = await _standing(domain)
    if selector not in {it.selector for it in standing.keys}:
        said = f"{standing.domain} has no key {selector}. GET /api/v1/domains lists them."
        raise Problem(404, said, "dkim.not-found")
    with problems.refusing(DkimError):
        await services().do(commands.retire, auth.program(), standing.domain, selector)
    return operations.in_json(_shown(await _standing(domain)))


async def _standing(domain: str) -> Standing:
    found = await reading.find(domain)
    if found is None:
        said = f"There is no domain {domain}. GET /api/v1/domains lists them."
        raise Problem(404, said, "from-domain.not-found")
    return found


def _shown(it: Standing) -> shapes.Domain:
    return {
        "domain": it.domain,
        "signs": it.signs,
        "light": it.light,
        "looked_at": formats.iso(it.health.looked_at) if it.health.looked_at else None,
        "records": {kind: _finding(found) for kind, found in it.health.records.items()},
        "publish": [_record(kind, each) for kind, its in it.health.publish.items() for each in its],
        "sends_from": [*it.health.addresses],
        "keys": [_key(key, it.health.keys.get(key.id)) for key in it.keys],
    }


def _key(it: DkimKey, found: Finding | None = None) -> shapes.DkimKey:
    def at(ms: int | None) -> str | None:
        return formats.iso(ms) if ms else None

    return {
        "selector": it.selector,
        "algorithm": it.algorithm,
        "state": it.state,
        "name": it.name,
        "value": it.value,
        "zone_line": it.zone_line,
        "found": _finding(found) if found else None,
        "created_at": formats.iso(it.created_at),
        "published_at": at(it.published_at),
        "activated_at": at(it.activated_at),
        "retiring_at": at(it.retiring_at),
        "retired_at": at(it.retired_at),
        "removable_at": at(it.removable_at),
    }


def _sent(it: Sent) -> shapes.DmarcSource:
    return {
        "source": it.source,
        "ours": it.ours,
        "emails": it.n,
        "spf_aligned": it.spf,
        "dkim_aligned": it.dkim,
        "passed": it.passed,
        "quarantined": it.quarantined,
        "rejected": it.rejected,
        "spf_domain": it.spf_domain,
        "dkim_domain": it.dkim_domain,
    }


def _record(kind: str, it: Record) -> shapes.DomainRecord:
    return {
        "record": kind,
        "type": it.type,
        "name": it.name,
        "value": it.value,
        "zone_line": it.zone_line,
        "instead_of": it.there,
        "why": str(it.why),
    }


def _finding(it: Finding) -> shapes.DomainFinding:
    return {"light": it.light, "said": str(it.said), "code": it.said.code, "todo": str(it.todo or "")}
