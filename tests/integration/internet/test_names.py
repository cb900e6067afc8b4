"""Records come over the line as they are, and a server that knows nothing is told from a name without any."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from mailing.internet import names
from mailing.internet.names import Dns, UnansweredError

RECORDS = {
    (".", "NS"): ["a.root-servers.net."],
    ("a.net.", "TXT"): ['"v=spf1 " "-all"', '"other"'],
    ("big.net.", "TXT"): [" ".join(['"' + "x" * 250 + '"'] * 3)],
    ("odd.net.", "TXT"): ['"\\255\\254"'],
    ("mail.net.", "MX"): ["10 mx.mail.net."],
}


class Server(asyncio.DatagramProtocol):
    def __init__(self, mood: str) -> None:
        self.mood = mood
        self.asked: list[str] = []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        asked = dns.message.from_wire(data)
        (question,) = asked.question
        name, kind = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        self.asked.append(f"{name} {kind}")
        answer = dns.message.make_response(asked)
        answer.flags |= dns.flags.RA
        found = RECORDS.get((name, kind)) if self.mood == "good" else None
        if found:
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *found))
        elif self.mood == "broken":
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif name not in {known for known, _kind in RECORDS} or self.mood == "denying":
            answer.set_rcode(dns.rcode.NXDOMAIN)
        if self.mood != "silent":
            self.transport.sendto(answer.to_wire(), address)


@asynccontextmanager
async def asking(mood: str = "good"):
    server = Server(mood)
    loop = asyncio.get_running_loop()
    transport, _protocol = await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = transport.get_extra_info("sockname")[1]
    try:
        yield Dns(resolver), server
    finally:
        transport.close()


async def test_a_record_is_joined_from_its_strings_and_any_bytes_are_read():
    async with asking() as (asked, _server):
        assert set(await asked.texts("a.net")) == {"v=spf1 -all", "other"}
        assert await asked.texts("big.net") == ("x" * 750,)
        assert await asked.texts("odd.net") == ("\ufffd\ufffd",)


@pytest.mark.parametrize("name", ["none.net", "mail.net"])
async def test_a_name_without_such_a_record_has_none(name):
    async with asking() as (asked, server):
        assert await asked.texts(name) == ()
        assert await asked.texts(name) == ()
        assert server.asked.count(". NS") == 1


@pytest.mark.parametrize("mood", ["denying", "broken", "silent"])
async def test_a_server_that_knows_nothing_at_all_gives_no_answer(mood, monkeypatch):
    monkeypatch.setattr(names, "PATIENCE_S", 0.3)
    async with asking(mood) as (asked, _server):
        with pytest.raises(UnansweredError):
            await asked.texts("a.net")


@pytest.mark.parametrize("name", ["x" * 64 + ".net", "a..net"])
async def test_what_cannot_be_a_name_gives_no_answer(name):
    async with asking() as (asked, server):
        with pytest.raises(UnansweredError):
            await asked.texts(name)
        assert server.asked == []
