"""How a sender's line is protected, whom it trusts, and how it signs in by a token."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from mailing.core.reasons import Reason
from mailing.smtp.account import TokenError
from mailing.smtp.dialogue import Dialogue
from mailing.smtp.replies import Stage
from mailing.smtp.session import Session, SmtpError
from mailing.smtp.trial import carry
from tests.support.certificates import self_signed
from tests.support.smtp_server import EXTENSIONS, FakeServer
from tests.support.smtp_sessions import DEFERRED, PATIENT, RETURNED, SENT, mail, opened

if TYPE_CHECKING:
    from pathlib import Path

TOKENS = (*EXTENSIONS, "AUTH XOAUTH2 PLAIN")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    """A server that shows a certificate of its own, and that certificate (PEM)."""
    file = self_signed(tmp_path_factory.mktemp("certificate"), "DNS:localhost")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, _public(file)


def _public(file: Path) -> str:
    return file.read_text().partition("-----BEGIN PRIVATE KEY-----")[0]


@dataclass
class Given:
    """Tokens that a test gives, one after the other."""

    tokens: list[str]
    asked: list[str] = field(default_factory=list)

    async def get(self, *, instead_of: str = "") -> str:
        self.asked.append(instead_of)
        return self.tokens.pop(0)


@dataclass
class Refused:
    lasts: bool

    async def get(self, *, instead_of: str = "") -> str:
        raise TokenError(Reason("sender.not-connected", name="Club"), lasts=self.lasts)


# Trust


@pytest.mark.parametrize("mode", ["tls", "starttls", "opportunistic"])
async def test_an_authority_of_ones_own_is_trusted(certificate, mode):
    context, ca = certificate
    async with (
        FakeServer(tls=context, implicit_tls=mode == "tls") as server,
        opened(server, host="localhost", tls=mode, ca=ca) as session,
    ):
        assert session.tls


@pytest.mark.parametrize("mode", ["tls", "starttls", "opportunistic"])
async def test_without_verification_any_certificate_will_do(certificate, mode):
    async with (
        FakeServer(tls=certificate[0], implicit_tls=mode == "tls") as server,
        opened(server, host="127.0.0.1", tls=mode, verify=False) as session,
    ):
        assert session.tls


async def test_another_authority_is_not_trusted_nor_another_name(certificate, tmp_path):
    context, ca = certificate
    other = _public(self_signed(tmp_path, "DNS:localhost"))
    async with FakeServer(tls=context) as server:
        for host, trusted in (("localhost", other), ("127.0.0.1", ca)):
            with pytest.raises(SmtpError, match="certificate") as error:
                await Session.open(server.sender(host=host, tls="starttls", ca=trusted), PATIENT)
            assert error.value.stage is Stage.TLS


# STARTTLS if offered


async def test_the_line_is_secured_where_the_server_offers_it(certificate):
    context, ca = certificate
    async with FakeServer(tls=context, login=("u", "p"), extensions=("AUTH PLAIN",)) as server:
        settings = {"host": "localhost", "tls": "opportunistic", "ca": ca, "username": "u", "password": "p"}
        async with opened(server, **settings) as session:
            assert session.tls
    assert server.commands[1] == "STARTTLS"


@pytest.mark.parametrize("answer", [None, b"454 4.7.0 TLS not available\r\n"])
async def test_and_stays_bare_where_it_does_not(certificate, answer):
    tls = certificate[0] if answer else None
    async with (
        FakeServer({"starttls": answer}, tls=tls) as server,
        opened(server, tls="opportunistic") as session,
    ):
        assert session.tls == ""
        assert (await session.deliver(mail())).verdict.result is SENT


def far_away(_client: object, what: str) -> tuple[str, int] | None:
    """Tell of a line that has no TLS and leaves this machine."""
    return ("192.0.2.1", 25) if what in {"peername", "sockname"} else None


async def test_a_line_that_hides_its_tls_is_shown_no_password(monkeypatch):
    monkeypatch.setattr("aiosmtplib.SMTP.get_transport_info", far_away)
    async with FakeServer(extensions=("AUTH PLAIN LOGIN",), login=("u", "p")) as server:
        with pytest.raises(SmtpError, match="not sent over an unencrypted line") as error:
            await Session.open(server.sender(tls="opportunistic", username="u", password="p"), PATIENT)
    assert error.value.verdict.sender_fault
    assert not [command for command in server.commands if command.startswith("AUTH")]


async def test_a_line_without_tls_is_shown_no_token(monkeypatch):
    monkeypatch.setattr("aiosmtplib.SMTP.get_transport_info", far_away)
    async with FakeServer(extensions=TOKENS, login=("u", "token")) as server:
        sender = server.sender(username="u", auth="xoauth2", tokens=Given(["token"]))
        with pytest.raises(SmtpError, match="unencrypted"):
            await Session.open(sender, PATIENT)
    assert not [command for command in server.commands if command.startswith("AUTH")]


# Tokens


async def test_an_access_token_signs_in():
    async with (
        FakeServer(extensions=TOKENS, login=("u@x", "token")) as server,
        opened(server, username="u@x", auth="xoauth2", tokens=Given(["token"])) as session,
    ):
        assert (await session.deliver(mail())).verdict.result is SENT


@pytest.mark.parametrize("refusal", [b"535 5.7.8 no\r\n", b"501 5.5.127 Token will expire soon\r\n"])
async def test_a_token_that_is_refused_is_replaced_once(refusal):
    given = Given(["old", "new"])

    async def first_refused(_):
        return refusal if given.asked == [""] else None

    async with (
        FakeServer({"auth": first_refused}, extensions=TOKENS, login=("u", "new")) as server,
        opened(server, username="u", auth="xoauth2", tokens=given) as session,
    ):
        assert session.usable
    assert given.asked == ["", "old"]


@pytest.mark.parametrize("tokens", [["same", "same"], ["one", "two"]])
async def test_an_account_that_refuses_new_tokens_is_the_senders_fault(tokens):
    different = len({*tokens})
    async with FakeServer(extensions=TOKENS, login=("u", "right")) as server:
        with pytest.raises(SmtpError, match=r"rejected the sign-in of u \(XOAUTH2\)") as error:
            await Session.open(server.sender(username="u", auth="xoauth2", tokens=Given(tokens)), PATIENT)
    assert error.value.verdict.sender_fault
    assert sum(command.startswith("AUTH") for command in server.commands) == different


@pytest.mark.parametrize(("lasts", "result"), [(True, RETURNED), (False, DEFERRED)])
async def test_where_no_token_can_be_had_nothing_is_sent_and_it_is_said_why(lasts, result):
    async with FakeServer(extensions=TOKENS) as server:
        with pytest.raises(SmtpError, match="Club is not connected") as error:
            await Session.open(server.sender(username="u", auth="xoauth2", tokens=Refused(lasts)), PATIENT)
    assert (error.value.stage, error.value.verdict.result) == (Stage.AUTH, result)


async def test_no_token_is_in_the_dialogue_however_a_server_repeats_it():
    answers = {"auth": b"535 5.7.8 no: s3cr3t-token\r\n"}
    async with FakeServer(answers, extensions=TOKENS, login=("u", "x")) as server:
        sender = server.sender(username="u", auth="xoauth2", tokens=Given(["s3cr3t-token"] * 2))
        dialogue = Dialogue(sender)
        outcome = await carry(sender, mail(), dialogue)
    assert not outcome.accepted
    assert "s3cr3t-token" not in "\n".join(str(line.words) for line in dialogue.lines)
