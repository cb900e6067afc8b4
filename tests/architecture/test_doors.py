"""Every way in has a door that names what it needs, and every command tells the audit log."""

from __future__ import annotations

import ast
import inspect

import pytest

from mailing.accounts.roles import Permission
from tasks.commands import campaigns as commands
from tasks.commands import corrections, lists, workers
from tasks.commands.accounts import factors, keys, people
from tasks.commands.messages import drafting, files, templates
from tests.support.routes import routes
from tests.support.web import HOST, settings_for
from webapp.app import create_app
from webapp.http import auth
from webapp.http.auth import Door
from webapp.http.security import SAFE_METHODS

UNSUBSCRIBE = {
    *("GET /u/<path:token>", "POST /u/<path:token>"),
    *("GET /u/<token>/choices", "POST /u/<token>/choices"),
}
HOOKS = {"POST /hooks/<provider>/<id:webhook_id>"}
OPEN = {
    "the sign-in page and its parts": {
        *("GET /sign-in", "POST /sign-in", "POST /sign-out", "POST /preferences"),
        *("GET /static/<path:name>",),
        "GET /icons/<any(sent, deferred, failed, unknown):tone>-<int(max=100):percent>.svg",
    },
    "the code after the password, and passkeys": {
        *("GET /sign-in/code", "POST /sign-in/code"),
        *("GET /sign-in/passkey.json", "POST /sign-in/passkey"),
    },
    "the issuer, there and back": {"GET /sign-in/openid", "GET /sign-in/openid/callback"},
    "the first account": {"GET /setup", "POST /setup"},
    "links that are a right of their own": {
        *("GET /invitations/<token>", "POST /invitations/<token>"),
        *("GET /watch/<token>", "GET /watch/<token>/stream"),
        *UNSUBSCRIBE,
    },
    "mail providers, each request with its own proof": HOOKS,
    "whoever checks a token": {"GET /.well-known/jwks.json"},
    "supervisors": {"GET /healthz", "GET /readyz"},
}
BEFORE_THE_FIRST_ACCOUNT = {
    *("GET /setup", "POST /setup", "POST /preferences", "GET /static/<path:name>"),
    "GET /icons/<any(sent, deferred, failed, unknown):tone>-<int(max=100):percent>.svg",
    *("GET /healthz", "GET /readyz"),
    *UNSUBSCRIBE,
    *HOOKS,
}
NO_COMMANDS = {
    "backend": "opens what commands change",
    "announce": "tells of a change that is committed, and in the log already",
    "sit": "says that a form is open, which is no change",
    "touch": "notes that a session is used: a row would come every minute",
    "count_tries": "counts what is tried, which is no change; what is refused is told",
    "use_code": "counts a code; what follows, a sign-in or a refusal, is told",
    "keep_site": "keeps a setting where the workers find it, asked for by nobody",
    "use_recovery": "as use_code",
    "use_passkey": "as use_code",
    "signing_key": "asked for by nobody: Volley makes a key when it is time to, and tells",
    "receipt_key": "as signing_key",
    "keep_piece": "goes on with an upload that is in the log already",
    "upload": "does as the commands that it calls, which tell",
    "go_on": "goes on with a decision that is in the log already",
}


@pytest.fixture
def app(tmp_path):
    return create_app(settings_for(tmp_path, f"sqlite:///{tmp_path / 'volley.sqlite'}"))


def test_every_route_has_a_door(app):
    without = [str(route) for route in routes(app) if not isinstance(route.door, Door)]
    assert not without, "give them auth.needs, auth.needs_account or auth.open_to_all"


def test_a_door_names_one_thing_that_it_needs_or_why_it_needs_nothing(app):
    for route in routes(app):
        door = route.door
        assert bool(door.reason) != bool(door.permission or door.account or door.key), str(route)
        assert not door.reason or len(door.reason) > 20, str(route)
        assert door.reason or not door.always, str(route)


async def test_a_route_without_a_door_lets_nobody_in(app):
    app.add_url_rule("/new", view_func=lambda: "in")
    assert (await app.test_client().get("/new", headers={"Host": HOST})).status_code == 403


def test_what_changes_something_needs_more_than_to_read(app):
    unsafe = [route for route in routes(app) if route.method not in SAFE_METHODS]
    assert len(unsafe) > 10
    for route in unsafe:
        door = route.door
        own = door.reason or door.account or door.key
        assert own or door.permission not in {None, Permission.READ}, str(route)


def test_what_is_open_to_strangers_is_what_this_list_says(app):
    open_to_all = {str(route) for route in routes(app) if route.door.reason}
    assert open_to_all == set().union(*OPEN.values())


def test_what_is_served_before_the_first_account_is_what_this_list_says(app):
    assert {str(route) for route in routes(app) if route.door.always} == BEFORE_THE_FIRST_ACCOUNT


def test_people_and_keys_are_behind_doors_that_ask_again(app):
    for route in routes(app):
        if route.door.permission in auth.SENSITIVE:
            assert route.door.account, str(route)
            assert route.door.fresh, str(route)


def told(function):
    """Whether a function writes into the audit log, or hands that on to what it calls."""
    tree = ast.parse(inspect.getsource(function))
    return any(
        isinstance(node, ast.Attribute) and ast.unparse(node) == "audit.record" for node in ast.walk(tree)
    )


def commands_of(module):
    own = inspect.getmembers(module, inspect.isfunction)
    return {
        name: function
        for name, function in own
        if function.__module__ == module.__name__ and not name.startswith("_") and name not in NO_COMMANDS
    }


LEAST = {
    commands: 9,
    files: 3,
    workers: 2,
    people: 9,
    factors: 5,
    keys: 2,
    drafting: 2,
    corrections: 2,
    lists: 9,
    templates: 2,
}


@pytest.mark.parametrize("module", LEAST)
def test_every_command_names_who_asks_and_tells_the_audit_log(module):
    found = commands_of(module)
    assert len(found) >= LEAST[module]
    for name, function in found.items():
        assert told(function), f"{module.__name__}.{name} must call audit.record in its transaction"
        asked = (
            {"actor"}
            if module in {commands, keys, drafting, corrections, lists, templates}
            else {"actor", "address"}
        )  # who becomes somebody by it
        assert asked & set(inspect.signature(function).parameters), name
