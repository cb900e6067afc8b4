"""Who shows it: pages, API and live streams, on Quart. It calls ``mailing`` and enqueues by ``tasks``.

============== ===================================================================================
``serve``      the process: Hypercorn, its start and its stop
``services``   what every request needs; the way to the blocking database
``security``   sessions, form tokens, hosts, headers
``pages``      campaigns: the list, drafts, one campaign, its buttons
``history_pages``, ``inbox_pages``  the email log; what the demo inbox received
``live``       the hub: one Redis subscription for all open pages
``streams``    what open pages are told, as Server-Sent Events
``standing``, ``previews``  how a campaign stands; a message as its recipient gets it
``storing``    lists are read and stored where no page has to wait for it
``asking``     what an address asks for
``rendering``, ``formats``, ``looks``, ``offers``, ``explanations``  words, numbers, shapes, colours
``api``, ``api_models``, ``api_streams``, ``problems``  the same for programs: JSON, events, errors
``health``     for supervisors
``cli``, ``cli_progress``  for terminals
============== ===================================================================================
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from quart import Quart, Response, render_template, request
from werkzeug.exceptions import HTTPException

from mailing import events
from mailing.database import Database
from mailing.settings import ROOT
from tasks.app import use
from webapp import (
    api,
    asking,
    health,
    history_pages,
    inbox_pages,
    pages,
    problems,
    rendering,
    security,
    streams,
)
from webapp.live import Hub
from webapp.services import THREADS, Services
from webapp.storing import Lists

if TYPE_CHECKING:
    from mailing.settings import Settings

LARGEST_REQUEST = 20 * 1024 * 1024

_CSRF_EXEMPT = {
    "api": "for programs: takes JSON only and refuses other sites' pages, so no form can forge it"
}


def create_app(settings: Settings) -> Quart:
    """Build the web application. Its hub starts and stops with the server."""
    app = Quart(__name__, template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    app.config.update(MAX_CONTENT_LENGTH=LARGEST_REQUEST, MAX_FORM_MEMORY_SIZE=LARGEST_REQUEST)
    db = Database(settings.database_url, pool_size=THREADS // 2)
    services = Services(
        settings,
        db,
        events.connect_async(settings.redis_url),
        events.connect(settings.redis_url),
        Hub(settings.redis_url),
        Lists(db),
    )
    use(settings)
    app.url_map.converters["id"] = asking.Id
    app.extensions["volley"] = services
    security.install(app, settings, exempt=_CSRF_EXEMPT)
    rendering.install(app, services)
    for module in (pages, history_pages, inbox_pages, streams, api, health):
        app.register_blueprint(module.blueprint)
    app.register_error_handler(HTTPException, _explain)

    @app.before_serving
    async def start() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "volley"))
        services.hub.start()

    @app.after_serving
    async def stop() -> None:
        await services.hub.close()
        await asyncio.to_thread(services.lists.close)
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
    page = await render_template("error.html", code=code, title=title, said=ours, advice=advice)
    return page, code


_START_AGAIN = "Check the address, or start again from the list of campaigns."
_ADVICE = {
    400: (
        "This request cannot be understood",
        _START_AGAIN,
    ),
    403: ("This is not allowed", ""),
    404: ("There is nothing here", _START_AGAIN),
    405: ("This address takes no such request", "Open it from a page of Volley instead."),
    409: ("This is no longer possible", "Nothing was changed. Look at the campaign as it is now."),
    413: ("That is too large", "Volley takes up to 20 MB at once. Divide the list into several campaigns."),
    415: ("This content cannot be read", ""),
    500: (
        "Volley made a mistake",
        "What was stored before is safe. The server's log holds the cause; try again in a moment.",
    ),
}
