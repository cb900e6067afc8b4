"""The web process is killed while a provider posts: it posts again, and each event counts once."""

from __future__ import annotations

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from mailing.bounces import store
from mailing.core.actors import Actor, ActorKind
from mailing.feedback import store as webhooks
from mailing.feedback.providers import Provider
from tasks.commands import bounces as commands
from tests.integration.bounces.test_recording import SENT
from tests.support import feedback
from tests.support.web import deliver
from tests.support.web import store as store_campaign

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.stack import Stack

N = 200
PATIENCE_S = 60.0


@pytest.fixture
def stack(make_stack: Callable[..., Stack]) -> Stack:
    """A Volley with its web process alone."""
    made = make_stack()
    made.start("redis", "web")
    return made


def post(stack: Stack, path: str, body: bytes, headers: dict[str, str]) -> None:
    """Post as a provider does, again until it is answered with 200."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        line = http.client.HTTPConnection("127.0.0.1", stack.web_port, timeout=10)
        with suppress(OSError, http.client.HTTPException), closing(line):
            line.request("POST", path, body, headers)
            if line.getresponse().status == http.client.OK:
                return
        time.sleep(0.05)
    raise AssertionError("a post was never answered")


def test_what_a_provider_posts_again_after_a_kill_counts_once(stack: Stack) -> None:
    people = [f"p{n}@x.example" for n in range(N)]
    campaign_id = store_campaign(stack.db, "\n".join(people), send=True)
    deliver(stack.db, *[SENT] * N, campaign_id=campaign_id)
    secret_key = stack.settings.secret_key
    hook = commands.create_webhook(stack.backend, Actor(ActorKind.VOLLEY), Provider.BREVO, "", secret_key)
    headers = feedback.basic(webhooks.secret(hook, secret_key)) | {"Content-Type": "application/json"}
    at = int(time.time()) + 60
    bodies = [json.dumps(feedback.brevo(it, ts_event=at)).encode() for it in people]
    with ThreadPoolExecutor(8) as provider:
        posted = [provider.submit(post, stack, hook.path, body, headers) for body in bodies * 2]
        time.sleep(0.3)
        stack.kill("web")
        stack.start("web")
        for it in posted:
            it.result()
    with stack.db.read() as connection:
        assert store.counts(connection, campaign_id).hard == N
        assert store.count(connection) == N
