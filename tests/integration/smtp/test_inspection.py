"""A sender is tried stage by stage, and each fault is said in plain words."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mailing.core import reasons
from mailing.smtp import inspection
from mailing.smtp.account import Sender
from mailing.smtp.dialogue import Dialogue, Side
from mailing.smtp.inspection import inspect
from mailing.smtp.replies import Stage
from tests.support.smtp_server import DROP, EXTENSIONS, HANG, FakeServer

if TYPE_CHECKING:
    from pathlib import Path

    from mailing.smtp.trial import Outcome

SIGNING_IN = (*EXTENSIONS, "AUTH PLAIN LOGIN")
NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


def shows(folder: Path, name: str, since: dt.datetime, until: dt.datetime) -> tuple[ssl.SSLContext, str]:
    """A server with a certificate for a name and a time, and the certificate itself (PEM)."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Volley test")])
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), 7, since, until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    unprotected = serialization.NoEncryption()
    file = folder / f"{name}.pem"
    file.write_bytes(
        pem + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unprotected)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, pem.decode()


async def tried(sender: Sender, mail_from: str = "") -> tuple[Outcome, Dialogue]:
    dialogue = Dialogue(sender)
    return await inspect(sender, dialogue, mail_from), dialogue


def notes(dialogue: Dialogue) -> list[str | None]:
    return [reasons.code(line.words) for line in dialogue.lines if line.side is Side.NOTE]


async def test_each_stage_is_shown_with_what_the_certificate_says(tmp_path):
    context, ca = shows(tmp_path, "localhost", NOW - DAY, NOW + DAY)
    async with FakeServer(tls=context, extensions=SIGNING_IN, login=("u", "p")) as server:
        sender = server.sender(host="localhost", tls="starttls", ca=ca, username="u", password="p")
        outcome, dialogue = await tried(sender, "club@example.org")
    assert (outcome.accepted, reasons.code(outcome.words)) == (True, "inspection.fine")
    assert notes(dialogue) == [
        "dialogue.resolved",
        "dialogue.connecting",
        "dialogue.secured",
        "dialogue.certificate",
    ]
    [certificate] = [line for line in dialogue.lines if reasons.code(line.words) == "dialogue.certificate"]
    assert str(certificate.words).startswith("Certificate for localhost, issued by Volley test, valid from ")
    client = [line.stage for line in dialogue.lines if line.side is Side.CLIENT]
    assert client == [Stage.HELLO, Stage.TLS, Stage.HELLO, Stage.AUTH, Stage.MAIL, Stage.MAIL, None]
    assert not server.received


async def test_a_server_without_tls_or_sign_in_can_be_used_and_it_is_said():
    async with FakeServer() as server:
        outcome, _dialogue = await tried(server.sender())
    assert (outcome.accepted, reasons.code(outcome.words)) == (True, "inspection.fine-bare")
    assert server.commands[-1] == "QUIT"


async def test_a_host_that_does_not_resolve():
    outcome, dialogue = await tried(Sender("no-such-host.invalid", 25))
    assert str(outcome.words) == (
        "The host no-such-host.invalid can't be found in DNS. Check how it is spelled."
    )
    assert dialogue.lines == []


async def test_a_port_where_nothing_listens():
    async with FakeServer() as server:
        sender = server.sender()
    outcome, _dialogue = await tried(sender)
    assert reasons.code(outcome.words) == "smtp.connection-refused"


@pytest.mark.parametrize(
    ("name", "since", "until", "code"),
    [
        ("localhost", NOW - 2 * DAY, NOW - DAY, "smtp.certificate-expired"),
        ("localhost", NOW + DAY, NOW + 2 * DAY, "smtp.certificate-early"),
        ("mail.example.org", NOW - DAY, NOW + DAY, "smtp.certificate-name"),
    ],
)
async def test_a_certificate_that_cannot_be_trusted_is_shown_and_nobody_signs_in(
    tmp_path, name, since, until, code
):
    context, ca = shows(tmp_path, name, since, until)
    async with FakeServer(tls=context, extensions=SIGNING_IN, login=("u", "p")) as server:
        sender = server.sender(host="localhost", tls="starttls", ca=ca, username="u", password="p")
        outcome, dialogue = await tried(sender)
    assert reasons.code(outcome.words) == code
    assert "dialogue.certificate" in notes(dialogue)
    assert not [command for command in server.commands if command.startswith("AUTH")]


async def test_an_authority_that_is_not_known(tmp_path):
    context, _ca = shows(tmp_path, "localhost", NOW - DAY, NOW + DAY)
    async with FakeServer(tls=context) as server:
        outcome, _dialogue = await tried(server.sender(host="localhost", tls="starttls"))
    assert reasons.code(outcome.words) == "smtp.certificate-issuer"


async def test_a_wrong_password_is_refused_once_and_not_shown():
    async with FakeServer(extensions=SIGNING_IN, login=("u", "right")) as server:
        outcome, dialogue = await tried(server.sender(username="u", password="wr0ng-pass"))
    assert reasons.code(outcome.words) == "smtp.sign-in-refused-others"
    assert "wr0ng-pass" not in str([str(line.words) for line in dialogue.lines])
    assert sum(command.startswith("AUTH") for command in server.commands) == 1


async def test_a_server_that_lets_nobody_sign_in_without_tls(tmp_path):
    context, _ca = shows(tmp_path, "localhost", NOW - DAY, NOW + DAY)
    async with FakeServer(tls=context) as server:
        outcome, _dialogue = await tried(server.sender(username="u", password="p"))
    assert reasons.code(outcome.words) == "smtp.sign-in-after-tls"


async def test_tls_at_a_port_that_does_not_speak_it():
    async with FakeServer() as server:
        outcome, _dialogue = await tried(server.sender(tls="tls"))
    assert reasons.code(outcome.words) == "smtp.no-tls-there"


async def test_an_address_that_the_server_takes_no_mail_from():
    async with FakeServer({"mail": b"550 5.7.60 not yours\r\n"}) as server:
        outcome, _dialogue = await tried(server.sender(), "else@example.org")
    assert reasons.code(outcome.words) == "inspection.from-refused"
    assert "550 5.7.60 not yours" in str(outcome.words)


@pytest.mark.parametrize("answers", [{"greeting": DROP}, {"ehlo": DROP}, {"mail": DROP}])
async def test_a_server_that_hangs_up_is_no_end_of_us(answers):
    async with FakeServer(answers) as server:
        outcome, _dialogue = await tried(server.sender(), "a@example.org")
    assert not outcome.accepted
    assert str(outcome.words)


async def test_a_server_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(inspection, "PATIENCE_S", 0.3)
    async with FakeServer({"greeting": HANG}) as server:
        outcome, _dialogue = await tried(server.sender())
    assert reasons.code(outcome.words) == "inspection.too-slow"


async def test_silence_at_the_port_for_tls_means_that_tls_was_not_chosen(monkeypatch):
    monkeypatch.setattr(inspection, "TIMEOUTS", replace(inspection.TIMEOUTS, connect=0.3, greeting=0.3))
    async with FakeServer({"greeting": HANG}) as server:
        monkeypatch.setattr(inspection, "_TLS_PORT", server.port)
        outcome, _dialogue = await tried(server.sender(tls="starttls"))
    assert reasons.code(outcome.words) == "inspection.tls-port"
