"""An open machine is open to those who sit at it: other names and other sites' pages get nothing there."""

from __future__ import annotations

import pytest

from tests.support.routes import routes
from tests.support.web import HOST, running, store
from webapp.http.security import SAFE_METHODS


@pytest.fixture
async def visitor(chosen, db):
    store(db, "ann@b.example", send=True)
    async with running(chosen) as visitor:
        await visitor.read("/campaigns")
        yield visitor


async def ask(visitor, route, **headers):
    answer = await visitor.client.open(route.path, method=route.method, headers={"Host": HOST} | headers)
    return answer.status_code, (await answer.get_data()).decode(errors="replace")


def by_link(route):
    """Whether a form may come from anywhere: its link or its bytes are the right, and these are none."""
    return route.path.startswith(("/u/", "/hooks/")) and route.method not in SAFE_METHODS


async def test_a_name_that_was_pointed_here_gets_nothing_by_any_route(visitor):
    ours = {"Origin": "http://evil.example:5000", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}
    for route in routes(visitor.app):
        status, text = await ask(visitor, route, Host="evil.example:5000", **ours)
        assert (status, "ann@" in text) == (421, False), str(route)


@pytest.mark.parametrize(
    "sign",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"},
    ],
    ids=str,
)
async def test_a_page_of_another_site_gets_nothing_by_any_route(visitor, sign):
    for route in routes(visitor.app):
        status, text = await ask(visitor, route, **sign)
        assert (status, "ann@" in text) == (404 if by_link(route) else 403, False), str(route)


async def test_a_link_on_another_site_leads_here_and_changes_nothing(visitor):
    clicked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    assert "Picnic" in (await (await visitor.get("/campaigns/1", headers=dict(clicked))).get_data()).decode()
    for route in routes(visitor.app):
        if route.method not in SAFE_METHODS:
            status, _text = await ask(visitor, route, **clicked)
            assert status == (404 if by_link(route) else 403), str(route)


async def test_nothing_is_said_to_other_origins_of_what_they_may_read(visitor):
    for path in ("/campaigns", "/api/v1/campaigns", "/static/volley.css"):
        headers = (await visitor.get(path)).headers
        assert not [name for name in dict(headers) if name.lower().startswith("access-control-")]
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
