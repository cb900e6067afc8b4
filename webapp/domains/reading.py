"""How the domains stand that mail comes from, for pages and programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailing.core.reasons import UnfitError
from mailing.domains import health, keys, names, reports, ways
from mailing.domains.tables import KeyState
from mailing.internet.findings import ORDER, Light
from tasks.commands import dkim as commands
from webapp.http.services import services

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.domains.health import Health
    from mailing.domains.keys import DkimKey
    from mailing.domains.reports import Summary
    from mailing.settings import Settings
    from tasks.commands.backend import Backend


@dataclass(frozen=True, slots=True)
class Standing:
    """A domain, its keys, and what DNS said. ``unreadable`` are keys that another secret key sealed."""

    domain: str
    keys: Sequence[DkimKey]
    health: Health
    unreadable: Sequence[str]

    @property
    def signs(self) -> bool:
        """Whether its mail is signed."""
        return any(it.state is KeyState.ACTIVE for it in self.keys) and not self.unreadable

    @property
    def light(self) -> Light:
        """The gravest of all."""
        return min(self.health.light, Light.RED if self.unreadable else Light.GREEN, key=ORDER.index)


def every(connection: Connection, secret_key: str) -> Sequence[Standing]:
    """Return the domains that have keys, and those that the latest campaigns come from."""
    known = health.every(connection)
    by_domain: dict[str, list[DkimKey]] = {it: [] for it in names.of_campaigns(connection)}
    for key in keys.every(connection):
        by_domain.setdefault(key.domain, []).append(key)
    return [
        _standing(domain, its, known.get(domain) or health.of(connection, domain), secret_key)
        for domain, its in sorted(by_domain.items())
    ]


def of(connection: Connection, domain: str, secret_key: str) -> Standing:
    """Return how a domain stands."""
    return _standing(domain, keys.of(connection, domain), health.of(connection, domain), secret_key)


async def find(domain: str) -> Standing | None:
    """Return how a domain stands; None if no campaign comes from it and it has no keys."""
    svc = services()
    try:
        found = await svc.read(of, names.read(domain), svc.settings.secret_key)
    except UnfitError:
        return None
    return found if found.keys or found.domain in await svc.read(names.of_campaigns) else None


async def reported(standing: Standing) -> Summary:
    """Return what receivers reported about a domain."""
    return await services().read(reports.summary, standing.domain, standing.health.addresses)


async def check(domain: str) -> None:
    """Ask DNS about a domain now, in a thread."""
    svc = services()
    await svc.do(_check, domain, svc.settings)


def _check(backend: Backend, domain: str, chosen: Settings) -> Health:
    return commands.check(backend.db, domain, chosen.secret_key, ours=ways.ours(chosen))


def _standing(domain: str, its: Sequence[DkimKey], found: Health, secret_key: str) -> Standing:
    active = (it for it in its if it.state is KeyState.ACTIVE)
    unreadable = [it.selector for it in active if not keys.unsealed(it, secret_key)]
    return Standing(domain, its, found, unreadable)
