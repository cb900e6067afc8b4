"""Redis over TLS and over a socket file: all who speak to it mean the same by one URL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import redis
from kombu import pools
from kombu.exceptions import OperationalError

from mailing import checks
from mailing.ledger.batches import Errand
from mailing.redis import events
from tasks.app import app, use
from tasks.sending import enqueue
from tests.support.redis_servers import certificates, server
from tests.support.stack import Stack, free_port
from tests.support.web import DRAFT, running, settings_for
from webapp.live.hub import Hub, Viewer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PEOPLE = [f"p{n}@example.org" for n in range(12)]


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates(tmp_path_factory.mktemp("papers"))


@pytest.fixture
def secure(tmp_path: Path, papers: Path) -> Iterator[str]:
    """The plain URL of a server that speaks TLS only."""
    port = free_port()
    lines = [
        "port 0",
        f"tls-port {port}",
        "tls-auth-clients optional",
        f"tls-cert-file {papers / 'chain.pem'}",
        f"tls-key-file {papers / 'key.pem'}",
        f"tls-ca-cert-file {papers / 'ca.pem'}",
    ]
    url = f"rediss://localhost:{port}/0"
    with server(tmp_path / "tls", f"{url}?ssl_ca_certs={papers / 'ca.pem'}", *lines):
        yield url


def deliver_all(stack: Stack) -> None:
    stack.start("sink", "worker", "beat")
    campaign = stack.send(DRAFT, PEOPLE)
    stack.wait_for(campaign)
    assert stack.delivered() == dict.fromkeys(PEOPLE, 1)
    assert "Traceback" not in stack.log("beat") + stack.log("worker")


def test_mail_leaves_through_a_redis_whose_authority_the_system_trusts(
    make_stack, secure, papers, monkeypatch
):
    """Nothing but ``rediss://``, as providers give it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(papers / "ca.pem"))
    extra = {"VOLLEY_REDIS_URL": secure, "SSL_CERT_FILE": str(papers / "ca.pem")}
    deliver_all(make_stack(extra=extra))


@pytest.mark.parametrize("demand", ["", "&ssl_cert_reqs=CERT_REQUIRED", "&ssl_cert_reqs=required"])
async def test_an_authority_named_in_the_url_is_trusted_by_everyone(  # noqa: PLR0917
    tmp_path, database_url, db, secure, papers, demand
):
    chosen = settings_for(
        tmp_path, database_url, VOLLEY_REDIS_URL=f"{secure}?ssl_ca_certs={papers / 'ca.pem'}{demand}"
    )
    await everyone(chosen, db, welcome=True)


async def test_a_certificate_and_key_of_the_client_are_shown_by_everyone(tmp_path, database_url, db, papers):
    port = free_port()
    files = "&".join(
        f"{option}={papers / file}"
        for option, file in (
            ("ssl_ca_certs", "ca.pem"),
            ("ssl_certfile", "chain.pem"),
            ("ssl_keyfile", "key.pem"),
        )
    )
    lines = [
        f"port 0\ntls-port {port}\ntls-auth-clients yes",
        f"tls-cert-file {papers / 'chain.pem'}\ntls-key-file {papers / 'key.pem'}",
        f"tls-ca-cert-file {papers / 'ca.pem'}",
    ]
    url = f"rediss://localhost:{port}/0?{files}"
    with server(tmp_path / "mutual", url, *lines):
        await everyone(settings_for(tmp_path, database_url, VOLLEY_REDIS_URL=url), db, welcome=True)


async def test_an_unknown_certificate_is_refused_by_everyone(tmp_path, database_url, db, secure):
    chosen = settings_for(tmp_path, database_url, VOLLEY_REDIS_URL=secure)
    await everyone(chosen, db, welcome=False)


async def test_a_certificate_of_another_name_is_refused_by_everyone(
    tmp_path, database_url, db, secure, papers
):
    url = f"{secure.replace('localhost', '127.0.0.1')}?ssl_ca_certs={papers / 'ca.pem'}"
    await everyone(settings_for(tmp_path, database_url, VOLLEY_REDIS_URL=url), db, welcome=False)
    url += "&ssl_check_hostname=false"
    await everyone(settings_for(tmp_path, database_url, VOLLEY_REDIS_URL=url), db, welcome=True)


async def test_whoever_asks_for_no_proof_gets_none_from_anyone(tmp_path, database_url, db, secure):
    url = f"{secure}?ssl_cert_reqs=CERT_NONE"
    await everyone(settings_for(tmp_path, database_url, VOLLEY_REDIS_URL=url), db, welcome=True)


async def everyone(chosen, db, *, welcome: bool) -> None:
    """Have each kind of client try; all are let in, or all refuse the server for its certificate."""
    use(chosen)
    pools.reset()  # kombu's do not tell lines apart by their TLS
    app._pool = app.amqp._producer_pool = None  # or all later tests find them closed

    def broker():
        with app.connection_for_write() as connection:
            connection.channel().client.ping()

    def results():
        app._get_backend().client.ping()  # not the one that this thread may have made for other settings

    def ours():
        with events.connect(chosen.redis_url, chosen.database_url) as client:
            client.ping()

    for ask in (broker, results, ours):
        if welcome:
            await asyncio.to_thread(ask)
        else:
            with pytest.raises((OperationalError, redis.RedisError, OSError), match="certificate"):
                await asyncio.to_thread(ask)
    with events.connect(chosen.redis_url, chosen.database_url) as client:
        finding = await asyncio.to_thread(checks.queue, client)
    assert finding.ok == welcome, finding
    async with events.connect_async(chosen.redis_url) as waiting:
        if welcome:
            assert await waiting.ping()
        else:
            with pytest.raises(redis.ConnectionError, match="certificate"):
                await waiting.ping()
    hub = Hub(chosen.redis_url, chosen.database_url)
    hub.start()
    async with hub.listening(Viewer(), events.ALL_CAMPAIGNS):  # tried once, whatever came of it
        pass
    assert hub.away != welcome
    await hub.close()
    assert await asyncio.to_thread(enqueue, db, [Errand(1, 5)]) == welcome


@pytest.mark.parametrize(
    "scheme", ["unix://{}?db=3", "redis+socket://{}?virtual_host=3", "redis+unix://{}?db=3"]
)
def test_mail_leaves_through_a_socket_file(make_stack, tmp_path, scheme):
    socket = tmp_path / "redis.sock"
    url = scheme.format(socket)
    with server(tmp_path / "own", url, "port 0", f"unixsocket {socket}"):
        deliver_all(make_stack(workers=1, extra={"VOLLEY_REDIS_URL": url}))


async def test_a_send_that_cannot_be_enqueued_for_any_reason_is_stored_and_answered(
    tmp_path, database_url, db, monkeypatch
):
    """Also where a setting is so wrong that Celery raises ``ValueError`` as soon as it is asked."""

    def broken(*_: object, **__: object) -> None:
        raise ValueError("no such transport")

    monkeypatch.setattr(type(app), "connection_for_write", broken)
    async with running(settings_for(tmp_path, database_url)) as visitor:
        answer = await visitor.client.post(
            "/api/v1/campaigns",
            headers={"Host": "127.0.0.1"},
            json={"subject": "s", "text": "t", "recipients": "ann@b.example", "send": True},
        )
        assert answer.status_code == 201, await answer.get_data()
        assert (await answer.get_json())["state"] == "sending"
