"""Links are asked politely, and none leads into a private network. A small server plays the internet."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from mailing.core import reasons
from mailing.internet import links
from mailing.internet.findings import Light

ANSWERS = {
    "/fine": "200 OK",
    "/gone": "404 Not Found",
    "/busy": "503 Service Unavailable",
    "/headless": "200 OK",
    "/moved": "302 Found\r\nLocation: /fine",
    "/moved-to-gone": "301 Moved\r\nLocation: gone",
    "/round": "302 Found\r\nLocation: /round",
    "/inside": "302 Found\r\nLocation: http://10.0.0.1/secret",
    "/file": "302 Found\r\nLocation: file:///etc/passwd",
}


class Web:
    """What was asked of it, and where it is."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.hosts: set[str] = set()
        self.port = 0
        self.together = self.most = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.together += 1
        self.most = max(self.most, self.together)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, path, _version = head.split("\r\n")[0].split(" ")
            self.asked.append(f"{method} {path}")
            self.hosts.add(head.lower().split("\r\nhost: ")[1].split("\r\n")[0])
            status = ANSWERS.get(path, "200 OK")
            if path == "/headless" and method == "HEAD":
                status = "405 Method Not Allowed"
            if path == "/never":
                await asyncio.Event().wait()
            body = b"" if method == "HEAD" else b"x" * 100
            head = f"HTTP/1.1 {status}\r\nContent-Length: {100}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        finally:
            self.together -= 1
            writer.close()


@asynccontextmanager
async def serving():
    web = Web()
    server = await asyncio.start_server(web.answer, "127.0.0.1", 0)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()


async def ask(*urls: str, may_ask=lambda address: address == "127.0.0.1") -> list[tuple[Light, str]]:
    findings = await links.findings(urls, may_ask)
    return [(finding.light, reasons.code(finding.said)) for finding in findings]


@pytest.mark.parametrize(
    ("path", "expected", "asked"),
    [
        ("/fine", (Light.GREEN, "link.fine"), ["HEAD /fine"]),
        ("/headless", (Light.GREEN, "link.fine"), ["HEAD /headless", "GET /headless"]),
        ("/moved", (Light.GREEN, "link.fine"), ["HEAD /moved", "HEAD /fine"]),
        ("/gone", (Light.RED, "link.gone"), ["HEAD /gone", "GET /gone"]),
        (
            "/moved-to-gone",
            (Light.RED, "link.gone"),
            ["HEAD /moved-to-gone", "HEAD /gone", "GET /gone"],
        ),
        ("/busy", (Light.AMBER, "link.refused"), ["HEAD /busy", "GET /busy"]),
        ("/round", (Light.AMBER, "link.redirects"), ["HEAD /round"] * links.HOPS_MOST),
        ("/inside", (Light.AMBER, "link.private"), ["HEAD /inside"]),
        ("/file", (Light.RED, "link.invalid"), ["HEAD /file"]),
    ],
)
async def test_a_link_is_judged_by_where_it_leads_in_the_end(path, expected, asked):
    async with serving() as web:
        assert await ask(f"http://127.0.0.1:{web.port}{path}#here") == [expected]
        assert web.asked == asked
        assert web.hosts == {f"127.0.0.1:{web.port}"}


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}/fine", "http://localhost:{}/fine", "http://2130706433:{}/fine"]
)
async def test_nothing_is_asked_of_a_private_address_however_it_is_written(url):
    async with serving() as web:
        assert await ask(url.format(web.port), may_ask=links.public) == [(Light.AMBER, "link.private")]
        assert web.asked == []


@pytest.mark.parametrize(
    "address",
    [
        *("10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.1.1", "172.16.0.1", "0.0.0.0", "100.64.0.1"),
        *(
            "::1",
            "fe80::1%eth0",
            "fc00::1",
            "::ffff:10.0.0.1",
            "::",
            "224.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
        ),
    ],
)
def test_what_is_private_is_known(address):
    assert not links.public(address)


@pytest.mark.parametrize("address", ["192.88.98.1", "8.8.8.8", "2606:4700::1111"])
def test_what_is_public_is_known(address):
    assert links.public(address)


@pytest.mark.parametrize("url", ["https://", "http://\ud800.example/", "ftp://x.example/"])
async def test_what_is_no_link_is_told(url):
    assert await ask(url) == [(Light.RED, "link.invalid")]


async def test_a_server_that_is_not_there_and_one_that_never_answers(monkeypatch):
    async with serving() as web:
        gone = f"http://127.0.0.1:{web.port}/fine"
        monkeypatch.setattr(links, "PATIENCE_S", 0.5)
        never = await ask(f"http://127.0.0.1:{web.port}/never")
    assert never == [(Light.UNKNOWN, "link.too-slow")]
    assert await ask(gone) == [(Light.AMBER, "link.unreachable")]


async def test_many_links_are_asked_up_to_a_limit_and_one_host_for_one_at_a_time():
    async with serving() as web:
        many = [f"http://127.0.0.1:{web.port}/{number}" for number in range(links.LINKS_MOST + 20)]
        (finding,) = await links.findings(many, lambda _address: True)
        assert finding.said.values == {"n": links.LINKS_MOST}
        assert (len(web.asked), web.most) == (links.LINKS_MOST, 1)


async def test_a_message_without_links_is_fine():
    assert await ask() == [(Light.GREEN, "link.none")]
