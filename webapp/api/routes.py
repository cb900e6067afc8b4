"""Every blueprint for programs: the application serves them, and the command line describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quart import Quart

from webapp.api import (
    campaigns,
    docs,
    events,
    health,
    lists,
    log,
    messages,
    recipients,
    rehearsals,
    templates,
    tokens,
)
from webapp.bounces import programs as bounces
from webapp.bounces import webhook_programs as webhooks
from webapp.domains import programs as domains
from webapp.http import params
from webapp.lanes import programs as lanes
from webapp.mailboxes import programs as mailboxes
from webapp.openapi import document as openapi
from webapp.openapi import operations
from webapp.received import programs as received
from webapp.senders import forecasts, warmups
from webapp.senders import programs as senders
from webapp.suppression import programs as suppressions

if TYPE_CHECKING:
    from mailing.sites import Site

BLUEPRINTS = tuple(
    room.blueprint
    for room in (
        campaigns,
        recipients,
        messages,
        rehearsals,
        templates,
        lanes,
        received,
        lists,
        senders,
        forecasts,
        warmups,
        domains,
        suppressions,
        bounces,
        webhooks,
        mailboxes,
        events,
        log,
        tokens,
        docs,
        health,
    )
)


def document(site: Site) -> dict[str, Any]:
    """Return the OpenAPI document of the Volley at ``site``, without an application that runs."""
    routes = Quart("routes")
    routes.url_map.converters.update(params.CONVERTERS)
    for blueprint in BLUEPRINTS:
        routes.register_blueprint(blueprint)
    return openapi.document(operations.listed(routes), site)
