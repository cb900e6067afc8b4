"""The line to a mail server of our own: secured or not, and by which certificate."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from mailing.core import reasons
from mailing.domains import relays
from mailing.internet.findings import Light
from tests.support.certificates import self_signed
from tests.support.smtp_server import EXTENSIONS, FakeServer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers here count as ones on other machines."""
    monkeypatch.setattr(relays, "_is_here", lambda _host: False)


async def test_what_a_server_offers_is_told_and_whom_nobody_reaches_is_unknown(tmp_path: Path) -> None:
    file = self_signed(tmp_path, "DNS:localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    offers = (*EXTENSIONS, "STARTTLS")
    async with FakeServer(tls=context, extensions=offers) as server:
        trusted = server.sender(host="localhost", ca=file.read_text().partition("-----BEGIN PRIVATE")[0])
        found = await relays.line(trusted)
        assert (found.light, reasons.code(found.said)) == (Light.AMBER, "relay.ends-soon")  # in two days
        stranger = await relays.line(server.sender(host="localhost"))
        assert (stranger.light, reasons.code(stranger.said)) == (Light.AMBER, "relay.certificate")
        assert not any(it.startswith("MAIL") for it in server.commands)
    async with FakeServer() as server:
        plain = await relays.line(server.sender(host="localhost"))
        assert (plain.light, reasons.code(plain.said)) == (Light.AMBER, "relay.no-tls")
        gone = server.sender(host="localhost")
    found = await relays.lines([gone])
    assert (found.light, reasons.code(found.said)) == (Light.UNKNOWN, "relay.unreachable")


async def test_no_line_within_this_machine_has_to_be_secured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    async with FakeServer() as server:
        assert (await relays.line(server.sender())).light is Light.GREEN
        assert server.connections == 0
