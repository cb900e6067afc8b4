"""What comes over the wire to the real server: bare line ends, upgrades, strange hosts, paths and digits."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gzip
import socket
from urllib.parse import quote

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import redirect

from tests.support.web import HOST, Visitor, running, settings_for, store
from webapp import http1
from webapp.app import create_app
from webapp.http import forms, static_files
from webapp.http.security import HEADERS

PATIENCE_S = 30


@contextlib.asynccontextmanager
async def served(chosen):
    """The application on a real port; yields a function that sends bytes and returns the whole answer."""
    http1.install()
    app, stop, listener = create_app(chosen), asyncio.Event(), socket.create_server(("127.0.0.1", 0))
    port, config = listener.getsockname()[1], Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 0.1
    serving = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))

    async def ask(data, *, more=b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        await writer.drain()
        if more:
            await asyncio.sleep(0)
            writer.write(more)
        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.read()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return answer

    yield ask
    stop.set()
    await serving


@pytest.fixture
async def ask(chosen, db):
    async with served(chosen) as ask:
        yield ask


@pytest.fixture
async def visitor(chosen, db):
    async with running(chosen) as visitor:
        yield visitor


def status(answer):
    return int(answer.split(b" ", 2)[1])


GOOD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


async def test_a_plain_request_is_answered_also_when_it_comes_in_pieces(ask):
    assert status(await ask(GOOD)) == 200
    for cut in (1, 20, 21, 22, 23, len(GOOD) - 3, len(GOOD) - 2, len(GOOD) - 1):
        assert status(await ask(GOOD[:cut], more=GOOD[cut:])) == 200


@pytest.mark.parametrize(
    "head",
    [
        GOOD.replace(b"\r\n", b"\n"),
        b"GET /healthz HTTP/1.1\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n b\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\r\n\tb\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\rb\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n Host: 127.0.0.1\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost : 127.0.0.1\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: +1\r\n\r\na",
        b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    ],
)
async def test_what_a_proxy_may_read_otherwise_is_refused(ask, head):
    assert status(await ask(head)) in {400, 501}


async def test_a_body_may_hold_any_line_ends(ask, db):
    store(db, "a@b.example")
    body = b"{\n \n\t\r}"
    head = f"POST /api/v1/campaigns/1/send HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    assert status(await ask(head.encode() + body)) == 200
    assert status(await ask(head.encode(), more=body)) == 409  # it is being sent already


async def test_who_is_refused_in_the_middle_of_a_long_body_gets_the_answer_and_an_end(ask, monkeypatch):
    monkeypatch.setattr(forms, "LINGER_S", 1.0)
    head = f"POST /api/v1/campaigns HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {2 << 30}\r\n\r\n"
    assert status(await ask(head.encode(), more=b" " * 2_000_000)) == 413


@pytest.mark.parametrize("host", [HOST, "evil.example"])
@pytest.mark.parametrize(
    "path", ["/", "/campaigns/stream", "/api/v1/campaigns", "/static/volley.css", "/nowhere"]
)
async def test_an_upgrade_to_websocket_is_refused_in_front_of_everything(ask, capfd, caplog, host, path):
    upgrade = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    upgrade += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    assert status(await ask(upgrade.encode())) in {403, 404, 421}
    assert "Traceback" not in capfd.readouterr().err + caplog.text


async def test_a_connection_stays_one_of_http_1(ask):
    """Or what a proxy passes on as one request becomes a tunnel for many that claim its address."""
    upgrade = (
        b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: close, Upgrade\r\n\r\n"
    )
    answer = await ask(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + upgrade)
    assert answer.startswith(b"HTTP/1.1 200 ")
    answer = await ask(b"PRI * HTTP/2.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\nSM\r\n\r\n")
    assert status(answer) in {400, 403, 404, 405}


@pytest.mark.parametrize("bind", ["127.0.0.1:5000", "0.0.0.0:5000", "[::]:5000", "192.0.2.7:80"])
async def test_a_page_that_points_its_name_here_reads_and_does_nothing(db, tmp_path, database_url, bind):
    store(db, "ann@one.example")
    evil = {
        "Host": "evil.example:5008",
        "Origin": "http://evil.example:5008",
        "Sec-Fetch-Site": "same-origin",
    }
    async with running(settings_for(tmp_path, database_url, VOLLEY_BIND=bind)) as visitor:
        for path in (
            "/campaigns/new",
            "/api/v1/campaigns/1/recipients",
            "/static/volley.css",
            "/campaigns/stream",
        ):
            answer = await visitor.get(path, headers=dict(evil))
            text = (await answer.get_data()).decode()
            assert (answer.status_code, "ann@" in text) == (421, False), path
        posted = await visitor.client.post("/api/v1/campaigns", headers=evil, json={"subject": "x"})
        assert posted.status_code == 421
        assert "VOLLEY_HOSTS" in (await posted.get_json())["detail"]
        for mine in ("localhost:5000", "127.0.0.1:5008", "[::1]"):
            assert (await visitor.get("/campaigns/new", headers={"Host": mine})).status_code == 200


async def test_the_hosts_that_are_named_are_answered_too(db, tmp_path, database_url):
    named = {"VOLLEY_HOSTS": "volley.lan 192.0.2.7", "VOLLEY_URL": "https://mail.example.com/volley"}
    async with running(settings_for(tmp_path, database_url, VOLLEY_BIND="0.0.0.0:5000", **named)) as visitor:
        for host in ("volley.lan", "VOLLEY.LAN.:5000", "192.0.2.7:80", "mail.example.com", HOST):
            assert (await visitor.get("/healthz", headers={"Host": host})).status_code == 200, host
        for host in (
            "example.com",
            "a.volley.lan",
            "volley.lan.evil.example",
            "0.0.0.0",
            "[::2]",
            "a@volley.lan",
        ):
            assert (await visitor.get("/healthz", headers={"Host": host})).status_code == 421, host


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("http://127.0.0.1/healthz", 200),
        ("http://localhost:5000/healthz?x", 200),
        ("http://evil.example/healthz", 421),
        ("http://[/healthz", 421),
        ("http://127.0.0.1@evil.example/healthz", 421),
        ("//evil.example/healthz", 404),
        ("*", 404),
    ],
)
async def test_the_host_of_an_absolute_target_is_the_one_that_counts(ask, target, expected):
    answer = await ask(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    assert status(answer) == expected


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize(
    "name",
    [
        "a/../volley.css",
        "../webapp/api.py",
        "..%2fwebapp/api.py",
        "/volley.css",
        "./volley.css",
        "",
        "VOLLEY.css",
        "vendor/../volley.css",
        "volley.css/",
        "volley.css%00",
        "x" * 5000,
        "vendor",
        "%5c..%5cREADME.md",
    ],
    ids=lambda name: name[:20],
)
async def test_what_is_no_static_file_is_not_found(ask, name, encoding):
    head = f"GET /static/{name} HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: {encoding}\r\nConnection: close"
    assert status(await ask(f"{head}\r\n\r\n".encode())) == 404


async def test_every_static_file_is_sent_as_it_is_and_kept_by_browsers(visitor):
    known = len(static_files.assets())
    for name in static_files.assets():
        for encoding in ("gzip", "identity"):
            headers = {"Host": HOST, "Accept-Encoding": encoding}
            answer = await visitor.get(static_files.address(name), headers=headers)
            body = await answer.get_data()
            body = gzip.decompress(body) if "Content-Encoding" in answer.headers else body
            assert (answer.status_code, body) == (200, (static_files.FOLDER / name).read_bytes())
            assert "immutable" in answer.headers["Cache-Control"]
            headers["If-None-Match"] = answer.headers["ETag"]
            assert (await visitor.get(static_files.address(name), headers=headers)).status_code == 304
    assert len(static_files.assets()) == known
    assert static_files.assets()["volley.css"].content_type.startswith("text/css")


@pytest.mark.parametrize(
    "path", ["/static//volley.css", "/campaigns//1", "/campaigns/", "/campaigns/1//stream"]
)
async def test_an_address_with_more_slashes_is_none(visitor, db, path):
    store(db, "a@b.example")
    for encoding in ("gzip", "identity"):
        answer = await visitor.get(path, headers={"Host": HOST, "Accept-Encoding": encoding})
        assert answer.status_code == 404


async def test_a_redirect_of_the_router_can_be_sent_to_a_browser_that_takes_gzip(chosen, db):
    app = create_app(chosen)
    app.add_url_rule("/folder/", "folder", lambda: redirect("/"))
    async with app.test_app():
        answer = await Visitor(app).get("/folder", headers={"Host": HOST, "Accept-Encoding": "gzip"})
        assert (answer.status_code, answer.location) == (308, f"http://{HOST}/folder/")


@pytest.mark.parametrize("digits", ["\u0661", "\u096f", "\uff11", "1\u0662", "\u00b2"])
async def test_digits_of_other_scripts_are_no_ids(visitor, db, digits):
    for _ in range(12):
        store(db, "a@b.example", send=True)
    for path in (f"/campaigns/{digits}", f"/icons/sent-{digits}.svg", f"/api/v1/campaigns/{digits}"):
        assert (await visitor.get(path)).status_code == 404, path
    for path in (f"/campaigns?before={quote(digits)}", f"/campaigns/1?reply={quote(digits)}"):
        assert (await visitor.get(path)).status_code in {400, 404}, path


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/campaigns",
        "/campaigns/1",
        "/campaigns/2",
        "/campaigns/1/recipients/1",
        "/history",
        "/history.csv",
        "/history.jsonl",
        "/campaigns/1/recipients.csv",
        "/api/v1/campaigns/1/recipients",
        "/api/v1/log",
        "/inbox",
        "/campaigns/1/recipients/1.eml",
        "/nowhere",
        "/healthz",
    ],
)
async def test_no_answer_that_may_hold_addresses_is_kept(visitor, db, path):
    store(db, "ann@one.example", send=True)
    store(db, "ann@one.example")
    assert "no-store" in (await visitor.get(path)).headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/history.csv", "/campaigns/1/recipients.csv", "/history.csv?code=550"])
async def test_a_table_begins_with_the_mark_by_which_excel_knows_utf_8(visitor, db, path):
    store(db, "Nguyễn Văn Ánh <anh@one.example>", send=True)
    data = await (await visitor.get(path)).get_data()
    assert data.startswith(b"\xef\xbb\xbf")
    assert data[3:].split(b",")[0] in {b"time", b"address"}
    assert data.count(b"\xef\xbb\xbf") == 1
    if "recipients" in path:
        assert "Nguyễn Văn Ánh" in data.decode("utf-8-sig")


@pytest.mark.parametrize("path", ["/history.jsonl", "/api/v1/log.jsonl", "/api/v1/log"])
async def test_json_begins_with_no_mark(visitor, db, path):
    store(db, "anh@one.example", send=True)
    assert not (await (await visitor.get(path)).get_data()).startswith(b"\xef\xbb\xbf")


async def test_nor_is_a_stream(visitor, db):
    store(db, "ann@one.example", send=True)
    for path in ("/stream", "/campaigns/1/stream", "/api/v1/campaigns/1/events"):
        async with visitor.client.request(path, headers={"Host": HOST}) as connection:
            await connection.send_complete()
            await connection.receive()
            assert "no-store" in connection.headers["Cache-Control"]
            await connection.disconnect()


async def test_the_form_of_a_message_may_be_kept_so_that_back_brings_what_was_typed(visitor):
    assert (await visitor.get("/campaigns/new")).headers["Cache-Control"] == "private, no-cache"


def test_the_policy_names_what_may_run_connect_and_be_drawn():
    rules = dict(rule.split(" ", 1) for rule in HEADERS["Content-Security-Policy"].split("; "))
    for name in ("default-src", "script-src", "style-src", "connect-src", "img-src", "form-action"):
        assert rules[name] == "'self'"
    for name in ("object-src", "base-uri", "frame-ancestors"):
        assert rules[name] == "'none'"


async def test_a_prefix_that_a_proxy_cut_off_or_passed_on_is_the_same(chosen, db):
    chosen = dataclasses.replace(chosen, url=dataclasses.replace(chosen.site, prefix="/volley"))
    async with running(chosen) as visitor:
        for path in ("/volley", "/volley/", "/", "/volley/campaigns/new", "/campaigns/new"):
            assert 'href="/volley/campaigns"' in await visitor.read(path)
        for path in ("/volleyball", "/volleycampaigns", "/volley/volley/campaigns"):
            assert (await visitor.get(path)).status_code == 404
