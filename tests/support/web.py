"""The web application without a server: a visitor who keeps cookies and fills in forms."""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, cast

from jinja2 import BytecodeCache
from quart import Quart
from quart.routing import QuartMap
from werkzeug.routing.matcher import StateMachineMatcher

from mailing import settings
from mailing.accounts import sessions, tokens, users
from mailing.accounts.roles import Role
from mailing.addresses import parsing as addresses
from mailing.campaigns import drafts, lifecycle
from mailing.campaigns import queries as campaigns
from mailing.campaigns.drafts import Draft
from mailing.core.states import CampaignAction
from mailing.ledger import claims, leases, results
from tests.support.stack import free_port
from webapp.app import create_app
from webapp.http import auth
from webapp.http.forms import PacedBody

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from types import CodeType

    from jinja2.bccache import Bucket
    from quart.routing import QuartRule
    from quart.wrappers import Response
    from werkzeug.routing import Rule, RuleFactory

    from mailing.campaigns.queries import Campaign
    from mailing.core.database import Database
    from mailing.core.states import AttemptResult
    from mailing.settings import Settings


class Compiled(BytecodeCache):
    """Templates, compiled once for all the applications that tests make.

    What is constant in them is worked out then, such as addresses of files, which begin with the root.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, ...], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._kept.get(self._name(bucket))

    def dump_bytecode(self, bucket: Bucket) -> None:
        if bucket.code:
            self._kept[self._name(bucket)] = bucket.code

    def _name(self, bucket: Bucket) -> tuple[str, ...]:
        return str(bucket.environment.globals.get("root")), bucket.key, bucket.checksum


class Routes(QuartMap):
    """The routes of an application, compiled once for all that have the same: each test makes an application.

    They are compiled when the first is looked for.
    """

    _compiled: ClassVar[dict[tuple[object, ...], tuple[StateMachineMatcher, dict[Any, list[Rule]]]]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._given: list[QuartRule] = []
        super().__init__(*args, **kwargs)

    def add(self, rulefactory: RuleFactory) -> None:
        self._given.append(cast("QuartRule", rulefactory))
        self._remap = True

    def update(self) -> None:
        if not self._remap:
            return
        key = (self.merge_slashes, *map(self._known_by, self._given), *self.converters.items())
        if key not in self._compiled:
            matcher, by_endpoint = StateMachineMatcher(self.merge_slashes), defaultdict(list)
            for rule in self._given:
                rule.bind(self, rebind=True)
                matcher.add(rule)
                by_endpoint[rule.endpoint].append(rule)
            self._matcher, self._rules_by_endpoint = matcher, dict(by_endpoint)
            super().update()
            self._compiled[key] = self._matcher, self._rules_by_endpoint
        self._matcher, self._rules_by_endpoint = self._compiled[key]
        self._remap = False

    @staticmethod
    def _known_by(rule: QuartRule) -> tuple[object, ...]:
        methods, defaults = frozenset(rule.methods or ()), repr(rule.defaults)
        options = rule.strict_slashes, rule.websocket, rule.build_only, rule.provide_automatic_options
        return rule.rule, rule.endpoint, methods, defaults, options


Quart.jinja_options = {**Quart.jinja_options, "bytecode_cache": Compiled()}
Quart.url_map_class = Routes
HOST = "127.0.0.1"
DRAFT = Draft("Ann Lee <ann@example.org>", "Picnic, {{ name }}", "Dear {{ name }},\n\nbring a blanket.\n")


def settings_for(tmp_path: Path, database_url: str, **more: str) -> Settings:
    """Settings with a Redis that is not there."""
    return settings.load(
        {
            "VOLLEY_INSTANCE": str(tmp_path),
            "VOLLEY_DATABASE_URL": database_url,
            "VOLLEY_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
            **more,
        }
    )


@contextlib.asynccontextmanager
async def running(chosen: Settings, role: Role | None = Role.OWNER) -> AsyncIterator[Visitor]:
    """A visitor of an application that has started, and stops afterwards.

    Where others can reach it nothing is served without an account, so the visitor is signed in with a role.
    """
    app = create_app(chosen)
    async with app.test_app():
        visitor = Visitor(app)
        if role and not chosen.private:
            visitor.enter(role)
        yield visitor


def enlist(db: Database, role: Role, email: str = "") -> int:
    """Give somebody an account without a password, if there is none yet; return the id."""
    email = email or f"{role}@people.example"
    with db.write() as connection:
        user = users.find(connection, email)
        return user.id if user else users.add(connection, email, role, None)


def campaign_in(db: Database, campaign_id: int) -> Campaign | None:
    """Return a campaign as the database has it now."""
    with db.read() as connection:
        return campaigns.get(connection, campaign_id)


def cookies(chosen: Settings, db: Database, user_id: int) -> dict[str, str]:
    """Begin a session; return the cookie of its browser, by its names on HTTP and HTTPS."""
    with db.write() as connection:
        _id, token = sessions.begin(connection, user_id, HOST, "a test")
    return dict.fromkeys((auth.COOKIE, f"__Host-{auth.COOKIE}"), tokens.signed(chosen.secret_key, token))


class Untouched(PacedBody):
    """A body of which nothing may be read."""

    def __aiter__(self) -> NoReturn:
        raise AssertionError("the body was read")

    __await__ = __aiter__


class Visitor:
    """A browser without scripts."""

    def __init__(self, app: Quart) -> None:
        self.app = app
        self.client = app.test_client()
        self.token = ""
        self.hidden: dict[str, str] = {}  # what the forms of the last page hide beside it

    def enter(self, role: Role, email: str = "") -> int:
        """Sign in with a role; return the id of the account."""
        services = self.app.extensions["volley"]
        user_id = enlist(services.db, role, email)
        for name, value in cookies(services.settings, services.db, user_id).items():
            self.client.set_cookie(HOST, name, value)
        services.doors.forget()
        return user_id

    async def get(self, path: str, **options: Any) -> Response:
        options.setdefault("headers", {}).setdefault("Host", HOST)
        return await self.client.get(path, **options)

    async def read(self, path: str, status: int = 200) -> str:
        """Return a page's text; remember the token of its forms, and the revision of its draft."""
        response = await self.get(path)
        text = (await response.get_data()).decode()
        assert response.status_code == status, text
        if found := re.search(r'name="csrf_token" value="([^"]+)"', text):
            self.token = found[1]
        found = re.search(r'name="revision" value="([^"]+)"', text)
        self.hidden = {"revision": found[1]} if found else {}
        return text

    async def post(self, path: str, form: dict[str, str] | None = None, **options: Any) -> Response:
        """Send a form with what the forms of the last page read hide."""
        options.setdefault("headers", {}).setdefault("Host", HOST)
        return await self.client.post(
            path, form={"csrf_token": self.token} | self.hidden | (form or {}), **options
        )


def store(db: Database, pasted: str, draft: Draft = DRAFT, *, send: bool = False) -> int:
    """Store a campaign as the pages would; return its id."""
    with drafts.creating(db, draft, addresses.parse_pasted(pasted)) as (connection, campaign_id):
        if send:
            lifecycle.act(connection, campaign_id, CampaignAction.SEND, checked=drafts.FIRST)
    return campaign_id


def deliver(
    db: Database, *endings: tuple[AttemptResult, int | None, str, str], campaign_id: int = 1
) -> list[int]:
    """Let a worker end a campaign's next attempts, each with result, code, enhanced code and reply.

    Returns the ids of the recipients.
    """
    with db.write() as connection:
        worker = leases.register(connection, "here:1")
        held = claims.claim(connection, worker, campaign_id, after=0, last=10**9, limit=len(endings))
        ended = [
            results.Result(claim, result, "mx:25", claim.claimed_at, claim.claimed_at + 5, *reply)
            for claim, (result, *reply) in zip(held, endings, strict=True)
        ]
        results.settle(connection, ended)
        leases.end(connection, worker)
    return [claim.recipient_id for claim in held]


def register(db: Database, name: str = "host:1", **told: Any) -> int:
    """Let a worker tell this about itself; return its id."""
    status = {"notice": "", "consuming": True, "connections": 5, "in_flight": 0, "done": 0, "memory": 0}
    with db.write() as connection:
        worker_id = leases.register(connection, name)
        leases.beat(connection, worker_id, leases.Status(**status | {"campaign_id": None} | told))
    return worker_id
