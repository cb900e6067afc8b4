"""Every route that can change something is guarded: by the form token, or as a named exemption."""

from __future__ import annotations

import pytest

from tests.support.routes import routes
from tests.support.web import HOST, settings_for
from webapp.app import create_app
from webapp.http.security import SAFE_METHODS


@pytest.fixture
def app(tmp_path, database_url, db):
    return create_app(settings_for(tmp_path, database_url))


def unsafe_routes(app):
    """Every path with one of its unsafe methods, and its blueprint."""
    for route in routes(app):
        if route.method not in SAFE_METHODS:
            yield route.path, route.method, route.endpoint.rpartition(".")[0]


def test_there_are_unsafe_routes_to_check(app):
    assert len(list(unsafe_routes(app))) >= 5


def test_only_known_blueprints_are_exempt_and_each_says_why(app):
    assert set(app.extensions["csrf_exempt"]) == {
        *("api", "api_lanes", "api_lists", "api_messages", "api_recipients", "api_rehearsals"),
        *("api_bounces", "api_domains", "api_forecasts", "api_mailboxes", "api_received", "api_senders"),
        *("api_suppressions", "api_warmups", "api_webhooks", "tokens"),
    }
    assert all(len(reason) > 20 for reason in app.extensions["csrf_exempt"].values())
    assert set(app.extensions["csrf_exempt"]) <= set(app.blueprints)
    assert set(app.extensions["by_link"]) == {"unsubscribe", "hooks"}
    assert all(len(reason) > 20 for reason in app.extensions["by_link"].values())


async def test_every_unsafe_route_refuses_a_request_without_its_proof(app):
    client = app.test_client()
    for path, method, blueprint in unsafe_routes(app):
        if blueprint in app.extensions["by_link"]:
            assert (await client.open(path, method=method, headers={"Host": HOST})).status_code == 404
            continue
        if blueprint in app.extensions["csrf_exempt"]:
            proof = {"Origin": "http://evil.example"}
            other = {"Content-Type": "application/x-www-form-urlencoded"}
            asked = await client.open(path, method=method, headers={"Host": HOST} | other, data="a=b")
            assert asked.status_code == 415, (method, path)
        else:
            proof = {}
        refused = await client.open(path, method=method, headers={"Host": HOST} | proof)
        assert refused.status_code == 403, (method, path)


def test_no_route_changes_anything_by_get(app):
    words = {"send", "pause", "resume", "cancel", "delete", "remove"}
    for rule in app.url_map.iter_rules():
        if "GET" in (rule.methods or set()):
            assert not words & {*rule.endpoint.rpartition(".")[2].split("_")}, rule
