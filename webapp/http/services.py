"""What every request needs, made once per process: settings, database, Redis, the hub.

The database is blocking, so requests reach it through ``read`` and ``do``, which run a function of
``mailing`` with an open connection, or one of ``tasks.commands``, in one of a bounded number of threads.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar, cast

import structlog
from quart import abort, current_app

from mailing.campaigns import queries as campaigns
from mailing.core import database_errors
from mailing.recipients.received import Warnings
from mailing.reports.overview import Days
from mailing.reports.replay import Replays
from webapp.i18n.languages import _

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis as AsyncRedis
    from sqlalchemy import Connection

    from mailing.campaigns.queries import Campaign
    from mailing.core.database import Database
    from mailing.core.database_errors import Trouble
    from mailing.redis.events import Client
    from mailing.settings import Settings
    from tasks.commands.backend import Backend
    from webapp.http.doorkeeper import Doorkeeper
    from webapp.http.list_process import Lists
    from webapp.http.probes import Probes
    from webapp.live.hub import Hub
    from webapp.live.queue_watch import QueueWatch
    from webapp.live.regions import Boards
    from webapp.programs.bearers import Bearers

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger(__name__)
THREADS = 12  # more would only wait for the database's connections


@dataclass(frozen=True, slots=True)
class Services:
    """The parts behind the pages and the API."""

    settings: Settings
    backend: Backend
    redis: AsyncRedis
    hub: Hub
    queue: QueueWatch
    boards: Boards
    lists: Lists
    probes: Probes
    doors: Doorkeeper
    bearers: Bearers
    days: Days = field(default_factory=Days)
    replays: Replays = field(default_factory=Replays)
    received: Warnings = field(default_factory=Warnings)

    @property
    def db(self) -> Database:
        """The database."""
        return self.backend.db

    @property
    def news(self) -> Client:
        """The blocking client that publishes."""
        return self.backend.news

    def at(self, path: str) -> str:
        """Return the address of ``path``, which begins with a slash: every link is made here."""
        return self.settings.site.at(path)

    async def read(
        self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``work(connection, ...)`` in a thread, in a transaction that is rolled back."""

        def run() -> T:
            with self.db.read() as connection:
                return work(connection, *args, **kwargs)

        return await asyncio.to_thread(run)

    async def do(self, command: Callable[Concatenate[Backend, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a command, ``command(backend, ...)``, in a thread."""
        return await asyncio.to_thread(command, self.backend, *args, **kwargs)

    def trouble(self, error: Exception) -> Trouble:
        """Return what is wrong with the database; raises ``error`` again if it is none of its faults."""
        found = database_errors.explain(error, self.db.url)
        if found is None:
            raise error
        log.warning("the database cannot be used", reason=str(found.reason))
        return found


def services() -> Services:
    """Return the services of the running application."""
    return cast("Services", current_app.extensions["volley"])


async def the_campaign(campaign_id: int) -> Campaign:
    """Return the campaign that an address names; answer 404 if there is none."""
    campaign = await services().read(campaigns.get, campaign_id)
    if campaign is None:
        abort(
            404,
            _("Campaign %(id)s doesn't exist.", id=campaign_id),
        )
    return campaign
