"""Mail servers of our own: whether they have a name and a certificate, and are on no blocklist."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.internet import machines
from mailing.internet.findings import Finding, Light
from mailing.smtp.connection import Timeouts
from mailing.smtp.dialogue import Dialogue
from mailing.smtp.faults import SmtpError
from mailing.smtp.handshake import open_wire

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.internet.names import Servers
    from mailing.smtp.account import Sender

PATIENCE_S = 4.0
SOON = timedelta(days=14)  # a certificate that ends so soon should have been renewed
_TIMEOUTS = Timeouts(connect=3, greeting=4, command=4, data=4, dot=4)
_GOODBYE_S = 1.0
_LOOPBACK = frozenset({"localhost", "localhost.localdomain"})


async def pointers(addresses: Sequence[str], servers: Servers) -> Finding:
    """Return the gravest of what is found of the names of addresses. Raises ``UnansweredError``."""
    return machines.gravest([await machines.pointer(each, servers) for each in addresses])


async def listings(addresses: Sequence[str], zones: Sequence[str], servers: Servers) -> Finding:
    """Return the gravest of what blocklists say of addresses. Raises ``UnansweredError``."""
    return machines.gravest(
        [await machines.listed(each, zone, servers) for zone in zones for each in addresses]
    )


async def lines(relays: Sequence[Sender]) -> Finding:
    """Return the gravest of what is found of the lines to our own servers."""
    return machines.gravest(await asyncio.gather(*(line(each) for each in relays)))


async def line(relay: Sender) -> Finding:
    """Return whether the line to a server can be secured, and for how long its certificate is valid.

    Nobody signs in. Where no line leads out of this machine, none has to be secured.
    """
    if _is_here(relay.host):
        return Finding(Light.GREEN, Reason("relay.here", server=relay.server))
    asked = replace(relay, tls="tls" if relay.tls == "tls" else "starttls")
    dialogue = Dialogue(asked)
    try:
        async with asyncio.timeout(PATIENCE_S):
            wire, _offers = await open_wire(asked, _TIMEOUTS, None, None, dialogue)
            await wire.quit(_GOODBYE_S)
    except TimeoutError:
        return _unsecured(relay, "")
    except SmtpError as error:
        return _unsecured(relay, error.reason.code)
    until = _until(dialogue)
    if until and until < datetime.now(UTC).date() + SOON:
        said = Reason("relay.ends-soon", server=relay.server, until=until.isoformat())
        return Finding(Light.AMBER, said, Reason("relay.renew"))
    return Finding(Light.GREEN, Reason("relay.secured", server=relay.server))


def _unsecured(relay: Sender, code: str) -> Finding:
    """Return what it means that no secured line could be opened; who cannot be reached is not at fault."""
    if code == "smtp.no-starttls":
        return Finding(Light.AMBER, Reason("relay.no-tls", server=relay.server), Reason("relay.turn-on"))
    if code.startswith("smtp.certificate"):
        return Finding(Light.AMBER, Reason("relay.certificate", server=relay.server), Reason("relay.renew"))
    return Finding(Light.UNKNOWN, Reason("relay.unreachable", server=relay.server))


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() in _LOOPBACK


def _until(dialogue: Dialogue) -> date | None:
    for said in dialogue.lines:
        if isinstance(said.words, Reason) and said.words.code == "dialogue.certificate":
            return date.fromisoformat(str(said.words.values["until"]))
    return None
