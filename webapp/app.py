"""The application: every page, stream and guard, put together for one web process."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog
from quart import Quart, Response, render_template, request
from sqlalchemy.exc import DatabaseError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, ServiceUnavailable

from mailing import events
from mailing.database import Database
from mailing.settings import ROOT
from tasks.app import use
from tasks.commands import Backend
from webapp import (
    api,
    asking,
    assets,
    compression,
    dashboard,
    forms,
    health,
    history_pages,
    icons,
    inbox_pages,
    languages,
    news,
    pages,
    phrases,
    preferences,
    problems,
    recorder_pages,
    rendering,
    replay_pages,
    security,
    streams,
    wall_pages,
    watch_links,
    watch_pages,
    workers_pages,
)
from webapp.boards import Boards
from webapp.health import Probes
from webapp.languages import N_, _
from webapp.live import Hub
from webapp.queue_watch import QueueWatch
from webapp.services import THREADS, Services, services
from webapp.storing import Lists

if TYPE_CHECKING:
    from mailing.settings import Settings

_PAGES = (
    dashboard,
    workers_pages,
    pages,
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

_LONG_FORMS = {"pages.create": pages.again, "pages.revise": pages.again}


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
    compression.install(app)
    for module in (*_PAGES, preferences, streams, news, icons, assets, api, health):
        app.register_blueprint(module.blueprint)
    app.register_error_handler(HTTPException, _explain)
    app.register_error_handler(DatabaseError, _explain_the_database)
    app.register_error_handler(PoolTimeoutError, _explain_the_database)

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


async def _explain(error: HTTPException) -> Response | tuple[str, int]:
    """Answer with a page that says what happened and what to do; programs get a problem."""
    if request.path.startswith(api.PREFIX):
        return problems.respond_to_http(error)
    code = error.code or 500
    title, advice = _ADVICE.get(code, (error.name, ""))
    said = error.description or ""
    ours = said if said and said != type(error).description else ""
    page = await render_template(
        "error.html", code=code, title=_(title), said=ours, advice=advice and _(advice)
    )
    return page, code


async def _explain_the_database(error: Exception) -> Response | tuple[str, int]:
    trouble = services().trouble(error)
    return await _explain(ServiceUnavailable(phrases.say(trouble.detail)))


_START_AGAIN = N_("Check the address, or start again from the list of campaigns.")
_ADVICE = {
    400: (
        N_("This request cannot be understood"),
        _START_AGAIN,
    ),
    403: (N_("This is not allowed"), ""),
    404: (N_("There is nothing here"), _START_AGAIN),
    405: (N_("This address takes no such request"), N_("Open it from a page of Volley instead.")),
    409: (N_("This is no longer possible"), N_("Nothing was changed. Look at the campaign as it is now.")),
    421: (N_("Volley has another address"), ""),
    413: (
        N_("That is too large"),
        "",
    ),
    415: (N_("This content cannot be read"), ""),
    503: (N_("There was no answer"), ""),
    500: (
        N_("Volley made a mistake"),
        N_("What was stored before is safe. The server's log holds the cause; try again in a moment."),
    ),
}
