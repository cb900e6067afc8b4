"""Every route, asked by every role through every door: who is let in is what the table says.

What stands behind a door is taken away, so that a request which gets in does nothing but say so.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pytest

from mailing.accounts.roles import ANYBODY, NOTHING, PERMISSIONS, SCOPES, Permission, Role
from mailing.accounts.throttle import Limit
from tests.support.programs import bearing, make_key, make_token, person
from tests.support.routes import Route, routes
from tests.support.web import HOST, Visitor, running, settings_for
from webapp.http import auth
from webapp.http.auth import API
from webapp.http.security import SAFE_METHODS, TOKEN_FIELD
from webapp.programs import limits

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from webapp.http.auth import Door

IN, SIGN_IN, SET_UP = "let in", "asked to sign in", "asked to make an account"
UNKNOWN, FORBIDDEN, CLOSED = 401, 403, 503
BEHIND = "behind the door"


class Somebody(NamedTuple):
    """A visitor; what they may do, and whether they have an account."""

    visitor: Visitor
    permissions: frozenset[Permission]
    account: bool = True
    headers: Mapping[str, str] = {}
    bearer: str = ""


def by_session(app, role):
    """Come with the cookie of a session."""
    visitor = Visitor(app)
    visitor.enter(role)
    return Somebody(visitor, PERMISSIONS[role])


def by_key(app, role):
    """Come with a key that somebody with the role has made for everything that a key may be for."""
    key = make_key(app, SCOPES, by=person(app, f"{role}@programs.example", role))
    return Somebody(Visitor(app), PERMISSIONS[role] & SCOPES, headers=bearing(key), bearer="key")


def by_token(app, role):
    """Come with a token for such a key."""
    who = by_key(app, role)
    token = make_token(app, who.headers["Authorization"].split()[1])
    return who._replace(headers=bearing(token), bearer="token")


DOORS: dict[str, Callable[..., Somebody]] = {"session": by_session, "key": by_key, "token": by_token}
"""How somebody with a role comes: what a program brings goes into ``headers``."""


def _suits(door: Door, who: Somebody):
    return who.bearer == "key" if door.key else door.permission in who.permissions


def expected(route: Route, who: Somebody):
    door = route.door
    if door.reason:
        return IN
    if who.bearer and route.path.startswith(API):
        return IN if _suits(door, who) else FORBIDDEN
    beyond = door.permission not in {None, *ANYBODY} and not route.path.startswith(API)
    if not who.account and (door.account or (beyond and who.permissions)):
        return SET_UP
    if door.key or who.bearer or not who.permissions:
        page = route.method == "GET" and not route.path.startswith(API)
        return SIGN_IN if page else UNKNOWN
    return IN if door.permission in {None, *who.permissions} else FORBIDDEN


async def outcome(route: Route, who: Somebody):
    """Ask, as the page before would; return what came of it."""
    headers = {"Host": HOST, "Accept": "text/html", "Sec-Fetch-Mode": "navigate", **who.headers}
    options = {"headers": headers}
    if route.method not in SAFE_METHODS:
        headers |= {"Origin": f"http://{HOST}", "Sec-Fetch-Site": "same-origin"}
        if not route.path.startswith(API):
            headers |= {"Content-Type": "multipart/form-data; boundary=b"}  # as a form with a file comes
            part = f'--b\r\nContent-Disposition: form-data; name="{TOKEN_FIELD}"\r\n\r\n{who.visitor.token}'
            options["data"] = f"{part}\r\n--b--\r\n".encode()
    answer = await who.visitor.client.open(route.path, method=route.method, **options)
    text, location = (await answer.get_data()).decode(), answer.location or ""
    if answer.status_code == 200 and text == BEHIND:
        return IN
    if answer.status_code == 303:
        return {"/sign-in": SIGN_IN, "/setup": SET_UP}.get(location.partition("?")[0], location)
    return answer.status_code


def take_away(app):
    """Put what only says that somebody is in behind every door."""
    for endpoint, view in list(app.view_functions.items()):

        async def behind(**_values):
            return BEHIND

        behind.door = view.door
        app.view_functions[endpoint] = behind


async def differences(app, who: Somebody):
    found = {}
    for route in routes(app):
        came = await outcome(route, who)
        if came != (wanted := expected(route, who)):
            found[str(route)] = (came, wanted)
    return found


@pytest.mark.parametrize("door", DOORS)
async def test_with_an_account_somebody_gets_where_the_role_leads_and_nowhere_else(
    chosen, db, door, monkeypatch
):
    monkeypatch.setattr(limits, "LIMIT", Limit(burst=10_000, every_ms=1))  # each route is asked twice
    async with running(chosen) as visitor:
        people = {role: DOORS[door](visitor.app, role) for role in Role}
        for who in people.values():
            await who.visitor.read("/sign-in" if who.bearer else "/campaigns")
        take_away(visitor.app)
        for role, who in people.items():
            assert await differences(visitor.app, who) == {}, role
        let_in = {
            role: [await outcome(it, who) for it in routes(visitor.app)].count(IN)
            for role, who in people.items()
        }
    counts = [let_in[role] for role in reversed(Role)]
    assert counts == sorted(set(counts))  # a higher role gets further


async def test_nobody_gets_in_where_a_door_is_closed_to_strangers(chosen, db):
    async with running(chosen) as visitor:
        visitor.enter(Role.OWNER)
        stranger = Visitor(visitor.app)
        await stranger.read("/sign-in")
        take_away(visitor.app)
        who = Somebody(stranger, NOTHING)
        assert await differences(visitor.app, who) == {}
        came = Counter([await outcome(route, who) for route in routes(visitor.app)])
    assert set(came) == {IN, SIGN_IN, UNKNOWN}
    assert came[IN] < came[SIGN_IN]


async def test_a_script_or_a_stream_of_nobody_is_told_so_rather_than_led_away(chosen, db):
    async with running(chosen) as visitor:
        visitor.enter(Role.OWNER)
        stranger = Visitor(visitor.app)
        for headers in (
            {"Accept": "text/html, text/event-stream"},
            {"Accept": "text/html", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "same-origin"},
            {"Accept": "*/*"},
            {"Accept": "application/json"},
        ):
            for path in ("/stream", "/campaigns/1/stream", "/campaigns", "/history.csv"):
                assert (await stranger.get(path, headers=dict(headers))).status_code == 401, (path, headers)


async def test_an_open_machine_lets_everybody_do_what_a_manager_may(chosen, db):
    async with running(chosen) as visitor:
        await visitor.read("/campaigns")
        take_away(visitor.app)
        assert await differences(visitor.app, Somebody(visitor, ANYBODY, account=False)) == {}


@pytest.mark.parametrize(
    "how",
    [
        {"VOLLEY_BIND": "0.0.0.0:5000"},
        {"VOLLEY_URL": "https://127.0.0.1.example/volley", "VOLLEY_HOSTS": HOST},
        {"VOLLEY_TRUSTED_PROXIES": "10.0.0.0/8"},
        {"VOLLEY_HOSTS": "volley.lan"},
    ],
    ids=str,
)
async def test_where_others_can_reach_it_nothing_but_the_set_up_page_answers_without_an_account(
    tmp_path, database_url, db, how
):
    async with running(settings_for(tmp_path, database_url, **how), role=None) as visitor:
        with_token = [
            it for it in routes(visitor.app) if it.method in SAFE_METHODS or it.path.startswith(API)
        ]
        take_away(visitor.app)
        for route in with_token:
            came = await outcome(route, Somebody(visitor, NOTHING))
            assert came == (IN if route.door.always else CLOSED), str(route)


async def test_a_route_that_forgot_its_door_is_closed_to_an_owner_too(chosen, db):
    async with running(chosen) as visitor:
        visitor.enter(Role.OWNER)

        async def forgotten():
            return BEHIND

        visitor.app.add_url_rule("/forgotten", view_func=forgotten)
        assert (await visitor.get("/forgotten")).status_code == 403
        visitor.app.view_functions["forgotten"] = auth.needs(Permission.READ)(forgotten)
        assert (await visitor.get("/forgotten")).status_code == 200
