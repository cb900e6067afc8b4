"""The application: every page, stream and guard, put together for one web process."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog
from quart import Quart

from mailing.core.database import Database
from mailing.redis import events
from mailing.settings import ROOT
from tasks.app import use
from tasks.commands import Backend
from webapp import (
    api,
    asking,
    assets,
    campaign_stream,
    compression,
    dashboard,
    draft_pages,
    error_pages,
    forms,
    health,
    history_pages,
    icons,
    inbox_pages,
    languages,
    news,
    pages,
    preferences,
    recorder_pages,
    rendering,
    replay_pages,
    security,
    wall_pages,
    watch_links,
    watch_pages,
    workers_pages,
)
from webapp.boards import Boards
from webapp.live import Hub
from webapp.probes import Probes
from webapp.queue_watch import QueueWatch
from webapp.services import THREADS, Services
from webapp.storing import Lists

if TYPE_CHECKING:
    from mailing.settings import Settings

_PAGES = (
    dashboard,
    workers_pages,
    pages,
    draft_pages,
    recorder_pages,
    replay_pages,
    wall_pages,
    watch_links,
    watch_pages,
    history_pages,
    inbox_pages,
)
log = structlog.get_logger(__name__)

_CSRF_EXEMPT = {
    "api": "for programs: takes JSON only and refuses other sites' pages, so no form can forge it"
}

_LONG_FORMS = {
    "pages.create": pages.again,
    "pages.revise": pages.again,
    "drafts.fix": draft_pages.ended,
}


def create_app(settings: Settings) -> Quart:
    """Build the web application. Its hub starts and stops with the server."""
    app = Quart(__name__, template_folder=str(ROOT / "templates"), static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=forms.LONGEST)
    backend = Backend(
        Database(settings.database_url, pool_size=THREADS // 2),
        events.connect(settings.redis_url, settings.database_url),
    )
    services = Services(
        settings,
        backend,
        events.connect_async(settings.redis_url),
        Hub(settings.redis_url, settings.database_url),
        QueueWatch(backend.news),
        Boards(),
        Lists(backend.db),
        Probes(),
    )
    use(settings)
    app.url_map.converters.update(id=asking.Id, int=asking.Digits)
    app.url_map.merge_slashes = False  # no address of ours has two: it is none, and needs no redirect
    app.extensions["volley"] = services
    languages.install(app, english=api.PREFIX)
    security.install(app, settings, exempt=_CSRF_EXEMPT, long_forms=_LONG_FORMS)
    rendering.install(app, services)
    pages.install(app.jinja_env)
    compression.install(app)
    for module in (*_PAGES, preferences, campaign_stream, news, icons, assets, api, health):
        app.register_blueprint(module.blueprint)
    error_pages.install(app)

    @app.before_serving
    async def start() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "volley"))
        services.hub.start()
        services.queue.start()

    @app.after_serving
    async def stop() -> None:
        await services.hub.close()
        await services.queue.close()
        await asyncio.to_thread(services.lists.close)
        services.probes.close()
        await services.redis.aclose()
        services.news.close()
        services.db.close()

    return app
