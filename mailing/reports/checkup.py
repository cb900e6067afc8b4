"""The preflight check of a campaign: what the campaign itself shows, and what DNS and its links say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.campaigns import preflight
from mailing.campaigns import queries as campaigns
from mailing.core.reasons import Reason
from mailing.domains import health, keys, names
from mailing.domains.tables import KeyState
from mailing.internet import links, senders
from mailing.internet.findings import ORDER, Finding, Light
from mailing.lists import surveys
from mailing.messages.compose import ComposeError
from mailing.messages.headers import read_from
from mailing.reports import estimates, preview

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.internet.names import Names

_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found without asking anybody, and whom to ask: the From domain, the links of the message.

    ``domain`` is empty where From cannot be read. ``dkim`` is what DNS said last of the keys that sign its
    mail; None where Volley has none.
    """

    findings: tuple[Finding, ...]
    domain: str
    links: tuple[str, ...]
    dkim: Finding | None = None


def look(connection: Connection, campaign: Campaign) -> Checkup:
    """Check a campaign whose list is stored, as its first recipient gets it."""
    survey = surveys.load(connection, campaign.id)
    shown = preview.of(connection, campaign, None)
    name = shown.person.name if shown.person else ""
    message = campaigns.listed_message(connection, campaign)
    found = preflight.findings(message, campaign.total, survey.shapes, shown.mail, name)
    try:
        domain = read_from(campaign.sender_from)[1].rpartition("@")[2]
    except ComposeError:
        domain = ""
    duration = _duration(estimates.of(connection, campaign))
    its_links = preflight.links(shown.mail) if shown.mail else ()
    return Checkup((*found, duration), domain, its_links, _signed(connection, campaign.sender_from))


def _signed(connection: Connection, sender_from: str) -> Finding | None:
    domain = names.of(sender_from)
    seen = health.of(connection, domain).keys
    active = [key.id for key in keys.of(connection, domain) if key.state is KeyState.ACTIVE]
    found = [seen[id_] for id_ in active if id_ in seen]
    return min(found, key=lambda it: ORDER.index(it.light), default=None)


async def ask(checkup: Checkup, dns: Names, *, open_links: bool) -> tuple[Finding, ...]:
    """Return what was found, with what DNS says of the domain; and the links, if they are to be opened.

    The gravest comes first. Takes some seconds at most, and most of a minute with links.
    """
    asked = await asyncio.gather(
        senders.findings(checkup.domain, dns, checkup.dkim) if checkup.domain else _nothing(),
        links.findings(checkup.links) if open_links else _nothing(),
    )
    return ordered((*checkup.findings, *asked[0], *asked[1]))


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return them with the gravest first, and else as they were."""
    return tuple(sorted(findings, key=lambda finding: ORDER.index(finding.light)))


async def _nothing() -> tuple[Finding, ...]:
    return ()


def _duration(estimate: estimates.Estimate | None) -> Finding:
    if estimate is None:
        return Finding(Light.UNKNOWN, Reason("preflight.duration-unknown"))
    if estimate.ms < _MINUTE_MS:
        return Finding(Light.GREEN, Reason("preflight.duration-short"))
    return Finding(Light.GREEN, Reason("preflight.duration", n=-(-estimate.ms // _MINUTE_MS)))
