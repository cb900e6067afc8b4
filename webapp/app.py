"""The application: every page, stream and guard, put together for one web process."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog
from quart import Quart
from sqlalchemy.exc import SQLAlchemyError

from mailing.contacts.imports import UPLOAD_MAX
from mailing.core.database import Database
from mailing.library.files import FILE_MAX
from mailing.redis import events
from mailing.settings import ROOT
from tasks.app import use
from tasks.commands import senders as commands
from tasks.commands import suppression as suppressing
from tasks.commands.backend import Backend
from webapp import error_pages
from webapp.accounts import (
    account,
    audit_log,
    audit_words,
    authenticator,
    keys,
    oidc,
    passkeys,
    people,
    sign_in,
)
from webapp.api import docs, routes
from webapp.bounces import hooks, webhooks
from webapp.bounces import views as bounces
from webapp.campaigns import (
    draft_views,
    favicon,
    news,
    recipient_views,
    recipients_form,
    replay_views,
    share_links,
    stream,
)
from webapp.campaigns import views as pages
from webapp.dashboard import views as dashboard
from webapp.demo_inbox import views as demo_inbox
from webapp.domains import views as domains
from webapp.http import compression, forms, params, security, static_files
from webapp.http.doorkeeper import Doorkeeper
from webapp.http.list_process import Lists
from webapp.http.probes import Probes
from webapp.http.services import THREADS, Services
from webapp.i18n import languages
from webapp.lanes import views as lane_views
from webapp.lists import contact_views, import_views
from webapp.lists import views as lists
from webapp.live import trials
from webapp.live.hub import Hub
from webapp.live.queue_watch import QueueWatch
from webapp.live.regions import Boards
from webapp.log import views as log_views
from webapp.mailboxes import views as mailboxes
from webapp.messages import (
    autosave,
    checkups,
    corrections,
    previews,
    rehearsals,
    templates,
    trial_pages,
    visual,
)
from webapp.messages import files as message_files
from webapp.openapi import operations
from webapp.programs.bearers import Bearers
from webapp.programs.limits import Limits
from webapp.public import share_views, unsubscribe
from webapp.public.one_click import OneClick
from webapp.receipts import views as receipt_views
from webapp.received import views as received
from webapp.senders import campaign_views as campaign_senders
from webapp.senders import views as senders
from webapp.suppression import views as suppression
from webapp.ui import jinja, preferences
from webapp.wall import views as wall
from webapp.workers import views as workers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailing.settings import Settings

_PAGES = (
    dashboard,
    workers,
    pages,
    draft_views,
    message_files,
    recipients_form,
    recipient_views,
    previews,
    trial_pages,
    checkups,
    rehearsals,
    visual,
    autosave,
    corrections,
    templates,
    replay_views,
    receipt_views,
    wall,
    lane_views,
    received,
    share_links,
    share_views,
    unsubscribe,
    senders,
    campaign_senders,
    lists,
    import_views,
    contact_views,
    domains,
    mailboxes,
    suppression,
    bounces,
    webhooks,
    hooks,
    log_views,
    demo_inbox,
    sign_in,
    authenticator,
    passkeys,
    oidc,
    account,
    people,
    keys,
    audit_log,
)
log = structlog.get_logger(__name__)

_CSRF_EXEMPT = {
    "api": "for programs: takes JSON only and refuses other sites' pages, so no form can forge it",
    "api_messages": "for programs: takes JSON only and refuses other sites' pages, so no form can forge it",
    "api_recipients": "for programs: takes JSON only and refuses other sites' pages, so no form can forge it",
    "api_rehearsals": "for programs: takes JSON only and refuses other sites' pages, so no form can forge it",
    "api_forecasts": "for programs: only read",
    "api_warmups": "for programs: takes JSON only and refuses other sites' pages, so no form can forge it",
    "api_senders": "for programs: takes JSON only and refuses other sites' pages, so no form can forge it",
    "api_lanes": "for programs: takes JSON only and refuses other sites' pages, so no form can forge it",
    "api_received": "for programs: only read",
    "api_bounces": "for programs: takes JSON only and refuses other sites' pages, so no form can forge it",
    "api_webhooks": "for programs: takes JSON only and refuses other sites' pages, so no form can forge it",
    "api_domains": "for programs: takes JSON only and refuses other sites' pages, so no form can forge it",
    "api_mailboxes": "for programs: takes JSON only and refuses other sites' pages, so no form can forge it",
    "api_suppressions": "for programs: takes JSON only and refuses other sites' pages: no form can forge it",
    "api_lists": "for programs: JSON, or a file that no page of another site can send, as its Origin tells",
    "tokens": "for programs: a token is made for who shows a key, and no page has one",
}

_LONG_FORMS: Mapping[str, security.Again] = {
    "pages.create": pages.again,
    "pages.revise": pages.again,
    "drafts.fix": draft_views.ended,
    "corrections.save": corrections.again,
    "autosave.begin": autosave.ended,
    "autosave.keep": autosave.ended,
    "visual.render": autosave.ended,
    "imports.paste": import_views.paste_again,
    "imports.choose": import_views.choose_again,
    "suppression.add": suppression.again,
}

_BY_LINK = {
    "unsubscribe": "the link is the right: mail providers post to it without a session (RFC 8058), and a "
    "page of another site that has it could open it as well",
    "hooks": "mail providers post to it, each request with its own proof: a signature or a password",
}
_LONG_BODIES = {"hooks": hooks.BODY_MOST}

_UPLOADS = {
    "files.attach": FILE_MAX,
    "imports.bring": UPLOAD_MAX,
    "suppression.bring": suppression.FILE_MAX,
}


START_S = 1.0  # how long the start waits for a database that does not answer


def create_app(settings: Settings) -> Quart:
    """Build the web application. Its hub starts and stops with the server."""
    app = Quart(__name__, template_folder=str(ROOT / "templates"), static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=forms.LONGEST)
    backend = Backend(
        Database(settings.database_url, pool_size=THREADS // 2),
        events.connect(settings.redis_url, settings.database_url),
    )
    redis, doors = events.connect_async(settings.redis_url), Doorkeeper(backend)
    services = Services(
        settings,
        backend,
        redis,
        Hub(settings.redis_url, settings.database_url),
        QueueWatch(backend.news),
        Boards(),
        Lists(backend.db),
        Probes(),
        doors,
        Bearers(settings, doors, Limits(redis, settings.database_url)),
    )
    use(settings)
    app.url_map.converters.update(params.CONVERTERS)
    app.url_map.merge_slashes = False  # no address of ours has two: it is none, and needs no redirect
    app.extensions["volley"] = services
    languages.install(app, english=operations.PREFIX)
    app.asgi_app = OneClick(app, settings)  # type: ignore[method-assign]
    security.install(
        app,
        settings,
        exempt=_CSRF_EXEMPT,
        by_link=_BY_LINK,
        long_forms=_LONG_FORMS,
        uploads=_UPLOADS,
        long_bodies=_LONG_BODIES,
    )
    jinja.install(app, services)
    pages.install(app.jinja_env)
    lane_views.install(app.jinja_env)
    received.install(app.jinja_env)
    docs.install(app.jinja_env)
    people.install(app.jinja_env)
    audit_words.install(app.jinja_env)
    oidc.install(app, settings.openid)
    trials.install(app)
    compression.install(app)
    for module in (*_PAGES, preferences, stream, news, favicon, static_files):
        app.register_blueprint(module.blueprint)
    for blueprint in routes.BLUEPRINTS:
        app.register_blueprint(blueprint)
    error_pages.install(app)

    @app.before_serving
    async def start() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "volley"))
        services.hub.start()
        services.queue.start()
        services.doors.start()
        await asyncio.wait({asyncio.create_task(_keep_what_workers_need(services))}, timeout=START_S)

    @app.after_serving
    async def stop() -> None:
        await services.hub.close()
        await services.queue.close()
        await services.doors.close()
        await asyncio.to_thread(services.lists.close)
        services.probes.close()
        await services.redis.aclose()
        services.news.close()
        services.db.close()

    return app


async def _keep_what_workers_need(services: Services) -> None:
    """Have the public URL and the sender of the settings in the database, when that is there."""
    try:
        await services.do(suppressing.keep_site, services.settings.site.url)
        await services.do(commands.keep_default, services.settings.sender)
    except SQLAlchemyError as error:
        log.warning("the senders cannot be read", reason=str(error.__class__.__name__))
