"""What people reported of SMTP accounts in other programs, tried here."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from mailing.core import reasons
from mailing.core.reasons import EntryError
from mailing.core.states import AttemptResult
from mailing.senders import entries, opening, store
from mailing.senders.entries import Entry
from mailing.smtp.account import Sender
from mailing.smtp.dialogue import Dialogue
from mailing.smtp.inspection import inspect
from mailing.smtp.session import Session
from tests.support.certificates import self_signed
from tests.support.smtp_server import EXTENSIONS, FakeServer
from tests.support.smtp_sessions import PATIENT, mail, opened

if TYPE_CHECKING:
    from mailing.core.database import Database
    from mailing.smtp.trial import Outcome

KEY = "k" * 32
ODD_PASSWORDS = ("a+b/c=", "100%&<b>\"'$", "§ 6Xcf%20", "pässwörd ", "\\\\ {{ x }} #@:?")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    file = self_signed(tmp_path_factory.mktemp("certificate"), "DNS:localhost")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    return server, file.read_text().partition("-----BEGIN PRIVATE KEY-----")[0]


async def tried(sender: Sender) -> Outcome:
    return await inspect(sender, Dialogue(sender))


@pytest.mark.parametrize("host", ["club@gmail.com", "smtp.gmail.com:587", "https://smtp.gmail.com", "gmail"])
def test_an_address_or_a_port_in_the_place_of_the_host_is_refused_at_once(host: str) -> None:
    """Listmonk 1765: "dial tcp: lookup _address@gmail.com_: no such host" at the first email."""
    if host == "gmail":  # a name within a network is one
        entries.check(Entry("Club", host, 587))
        return
    with pytest.raises(EntryError, match="without the port"):
        entries.check(Entry("Club", host, 587))


@pytest.mark.parametrize("password", ODD_PASSWORDS)
async def test_a_password_goes_to_the_server_as_it_was_typed(db: Database, password: str) -> None:
    """Mautic 14146, SuiteCRM 6332, grafana 69257: encoded twice, or once too often, and so refused."""
    async with FakeServer(extensions=(*EXTENSIONS, "AUTH LOGIN"), login=("club", password)) as server:
        with db.write() as connection:
            entry = Entry("Club", "127.0.0.1", server.port, "none", username="club", password=password)
            account = store.get(connection, store.create(connection, entry, KEY))
        assert account
        assert (await tried(opening.usable(account, KEY, Sender("default", 25)))).accepted


async def test_without_tls_none_is_begun_even_where_it_is_offered(certificate) -> None:
    """Keila 462, listmonk 1905: STARTTLS was used although encryption was set to none."""
    async with (
        FakeServer({"starttls": b"220 go\r\nnot tls"}, tls=certificate[0]) as server,
        opened(server, tls="none") as session,
    ):
        assert (await session.deliver(mail())).verdict.result is AttemptResult.SENT
    assert "STARTTLS" not in server.commands


async def test_starttls_needs_no_password(certificate) -> None:
    """Metabase 51678: STARTTLS without credentials could not be saved."""
    context, ca = certificate
    entries.check(Entry("Relay", "localhost", 587, "starttls"))
    async with FakeServer(tls=context) as server:
        assert (await tried(server.sender(host="localhost", tls="starttls", ca=ca))).accepted


async def test_a_server_that_offers_its_sign_in_after_starttls_is_signed_in_to(certificate) -> None:
    """Msmtp 22: "the server does not support authentication", judged by what it said before STARTTLS."""
    context, ca = certificate
    before = b"250-fake\r\n250 STARTTLS\r\n"
    async with FakeServer(
        {"ehlo": [before]}, tls=context, extensions=("AUTH PLAIN",), login=("u", "p")
    ) as server:
        sender = server.sender(host="localhost", tls="starttls", ca=ca, username="u", password="p")
        assert (await tried(sender)).accepted
    assert [command.split(" ")[0] for command in server.commands] == [
        "EHLO",
        "STARTTLS",
        "EHLO",
        "AUTH",
        "QUIT",
    ]


async def test_nothing_signs_in_before_starttls(certificate) -> None:
    """Subethasmtp 1: AUTH was said before STARTTLS, because the server offered it."""
    context, ca = certificate
    async with FakeServer(tls=context, extensions=("AUTH PLAIN",), login=("u", "p")) as server:
        sender = server.sender(host="localhost", tls="starttls", ca=ca, username="u", password="p")
        await (await Session.open(sender, PATIENT)).close()
    assert server.commands.index("STARTTLS") < min(
        number for number, command in enumerate(server.commands) if command.startswith("AUTH")
    )


@pytest.mark.parametrize(
    ("verify", "code"), [(True, "smtp.certificate-name"), (False, "inspection.fine-open")]
)
async def test_a_server_by_its_address_is_used_without_verification_and_says_why_with_it(
    certificate, verify, code
) -> None:
    """Wud 352: TLS_VERIFY=false made no difference for a host that is an address."""
    context, ca = certificate
    async with FakeServer(tls=context) as server:
        outcome = await tried(server.sender(host="127.0.0.1", tls="starttls", ca=ca, verify=verify))
    assert reasons.code(outcome.words) == code


async def test_a_server_that_wants_a_sign_in_says_so_where_mail_begins() -> None:
    """A test without the saved password ended with 530, and the sender was good (ECM 393)."""
    answers = {"mail": b"530 5.7.0 Authentication Required\r\n"}
    async with FakeServer(answers) as server:
        sender = server.sender()
        outcome = await inspect(sender, Dialogue(sender), "club@example.org")
    assert "530 5.7.0 Authentication Required" in str(outcome.words)


def test_saving_without_the_password_keeps_it(db: Database) -> None:
    """Listmonk 1383 and 931: after saving the field shows something else; people took it for lost."""
    entry = Entry("Club", "smtp.example.org", 587, username="u", password="a long one")
    with db.write() as connection:
        sender_id = store.create(connection, entry, KEY)
        for _ in range(3):
            account = store.get(connection, sender_id)
            assert account
            store.revise(connection, sender_id, store.as_entered(account), KEY, seen=account.revision)
        account = store.get(connection, sender_id)
    assert account
    assert store.open_secret(account, "password", KEY) == "a long one"
