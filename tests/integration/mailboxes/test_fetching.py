"""Reports are fetched from the mailboxes of a real Dovecot: in order, once, and nothing there is marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from mailing.bounces import store as bounces_store
from mailing.bounces import tokens
from mailing.bounces.reading import READ_MOST
from mailing.bounces.tables import report_texts, reports
from mailing.bounces.tokens import Returns
from mailing.core.tables import campaigns, recipients
from mailing.mailboxes import looking, store, watching
from mailing.mailboxes.faults import MailboxError
from mailing.mailboxes.imap import utf7
from tasks.commands.mailboxes import Diary
from tests.integration.bounces.test_recording import SENT
from tests.support import bounces, dovecot, mailboxes
from tests.support.undertakings import reachable
from tests.support.web import deliver
from tests.support.web import store as store_campaign

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mailing.core.database import Database
    from mailing.mailboxes.store import Mailbox, Position
    from tests.support.dovecot import Dovecot

DOMAIN = "bounces.sender.example"


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    """A Dovecot with a certificate of its own."""
    with dovecot.running() as it:
        yield it


def sent(db: Database, n: int) -> tuple[int, list[bytes]]:
    """Send a campaign to this many; return its id, and a report about each."""
    people = [f"p{it:03}@x.example" for it in range(n)]
    campaign_id = store_campaign(db, "\n".join(people), send=True)
    deliver(db, *[SENT] * n, campaign_id=campaign_id)
    with db.read() as connection:
        returns = Returns(DOMAIN, tokens.stored(connection))
        token = connection.execute(
            select(campaigns.c.token).where(campaigns.c.id == campaign_id)
        ).scalar_one()
        own = select(recipients.c.id, recipients.c.email).where(recipients.c.campaign_id == campaign_id)
        rows = connection.execute(own.order_by(recipients.c.email)).all()
    return campaign_id, [
        bounces.dsn(row.email, to=returns.address(row.id, token), number=str(row.id)) for row in rows
    ]


def hard(db: Database, campaign_id: int) -> int:
    with db.read() as connection:
        return bounces_store.counts(connection, campaign_id).hard


def kept(db: Database) -> int:
    with db.read() as connection:
        return int(connection.execute(select(func.count()).select_from(reports)).scalar_one())


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_what_is_there_is_recorded_once_and_stays_there_unmarked(
    db: Database, server: Dovecot, protocol: str
) -> None:
    user = f"leave-{protocol}"
    campaign_id, raws = sent(db, 70)
    server.deliver(user, *raws[:60])
    mailbox = mailboxes.keep(db, getattr(server, protocol), user, protocol=protocol)
    mailboxes.look(db, mailbox)
    assert hard(db, campaign_id) == 60
    mailboxes.look(db, mailbox)
    server.deliver(user, *raws[60:], raws[0])
    mailboxes.look(db, mailbox)
    assert hard(db, campaign_id) == 70
    assert kept(db) == 70
    assert server.messages(user) == server.unread(user) == 71
    assert mailboxes.now(db, mailbox).fetched == 71


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_what_is_recorded_is_deleted_there_if_wanted(db: Database, server: Dovecot, protocol: str) -> None:
    user = f"remove-{protocol}"
    campaign_id, raws = sent(db, 55)
    server.deliver(user, *raws)
    mailbox = mailboxes.keep(db, getattr(server, protocol), user, protocol=protocol, removes=True)
    mailboxes.look(db, mailbox)
    assert (hard(db, campaign_id), server.messages(user)) == (55, 0)
    server.deliver(user, raws[0])
    mailboxes.look(db, mailbox)
    assert (kept(db), server.messages(user)) == (55, 0)


class Crashing(Diary):
    """Ends after some batches: before the commit, or right after it."""

    def __init__(self, db: Database, batches: int, *, after: bool) -> None:
        super().__init__(reachable(db))
        self._left, self._after = batches, after

    def take(self, seen: Mailbox, raws: Sequence[bytes], position: Position) -> Mailbox:
        self._left -= 1
        if self._left < 0:
            if self._after:
                super().take(seen, raws, position)
            raise RuntimeError
        return super().take(seen, raws, position)


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
@pytest.mark.parametrize("removes", [False, True], ids=["leave", "delete"])
@pytest.mark.parametrize("after", [False, True], ids=["before-commit", "after-commit"])
def test_a_crash_loses_nothing_and_counts_nothing_twice(  # noqa: PLR0917
    db: Database, server: Dovecot, protocol: str, removes: bool, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "BATCH", 5)
    user = f"crash-{protocol}-{removes}-{after}".lower()
    campaign_id, raws = sent(db, 18)
    server.deliver(user, *raws)
    mailbox = mailboxes.keep(db, getattr(server, protocol), user, protocol=protocol, removes=removes)
    for batches in (0, 1, 2):
        with pytest.raises(RuntimeError):
            mailboxes.look(db, mailbox, Crashing(db, batches, after=after))
        if after and batches == 1:
            break
    mailboxes.look(db, mailbox)
    assert (hard(db, campaign_id), kept(db)) == (18, 18)
    assert server.messages(user) == (0 if removes else 18)


def test_another_that_looks_at_the_same_moment_records_nothing(db: Database, server: Dovecot) -> None:
    campaign_id, raws = sent(db, 3)
    server.deliver("twice", *raws)
    mailbox = mailboxes.keep(db, server.imap, "twice")

    class Late(Diary):
        def take(self, seen: Mailbox, raws: Sequence[bytes], position: Position) -> Mailbox:
            mailboxes.look(db, mailbox)
            return super().take(seen, raws, position)

    with pytest.raises(watching.MovedError):
        mailboxes.look(db, mailbox, Late(reachable(db)))
    assert (hard(db, campaign_id), mailboxes.now(db, mailbox).fetched) == (3, 3)


def test_a_folder_that_was_made_anew_is_read_wholly_and_counts_once(db: Database, server: Dovecot) -> None:
    campaign_id, raws = sent(db, 6)
    mailbox = mailboxes.keep(db, server.imap, "anew", folder="Bounçes & more")
    name = utf7("Bounçes & more")
    server.deliver("anew")
    for some in (raws[:4], raws):
        with mailboxes.client(server.imap, "anew") as client:
            client.command(b'CREATE "%b"' % name.encode())
            for raw in some:
                client.line.send(b'A APPEND "%b" {%d+}\r\n%b\r\n' % (name.encode(), len(raw), raw))
                while not client.line.read_line().startswith(b"A OK"):
                    pass
        before = mailboxes.now(db, mailbox).uidvalidity
        mailboxes.look(db, mailbox)
        assert mailboxes.now(db, mailbox).uidvalidity != before
        with mailboxes.client(server.imap, "anew") as client:
            client.command(b'DELETE "%b"' % name.encode())
    assert (hard(db, campaign_id), kept(db)) == (6, 6)


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_of_a_message_of_fifty_megabytes_the_beginning_is_fetched(
    db: Database, server: Dovecot, protocol: str
) -> None:
    user = f"large-{protocol}"
    campaign_id, raws = sent(db, 3)
    large = raws[1].replace(
        b"Content-Description: Undelivered", b"X: " + b"x" * 70_000 + b"\r\nContent-Description: Undelivered"
    )
    server.deliver(user, raws[0], large + b"y" * 990 * 5_000 * 10, raws[2])
    mailbox = mailboxes.keep(db, getattr(server, protocol), user, protocol=protocol)
    mailboxes.look(db, mailbox, answer_s=60)
    assert hard(db, campaign_id) == 3
    with db.read() as connection:
        assert connection.execute(select(func.max(report_texts.c.size))).scalar_one() <= READ_MOST


@pytest.mark.parametrize(
    ("tls", "port"), [("tls", "imaps"), ("starttls", "imap"), ("tls", "pop3s"), ("starttls", "pop3")]
)
def test_the_line_is_encrypted_and_the_certificate_must_be_trusted(
    db: Database, server: Dovecot, tls: str, port: str
) -> None:
    user = f"tls-{tls}-{port}"
    campaign_id, raws = sent(db, 1)
    server.deliver(user, *raws)
    protocol = port.rstrip("s")
    more = {"tls": tls, "protocol": protocol}
    strict = mailboxes.keep(db, getattr(server, port), user, name="strict", **more)
    with pytest.raises(MailboxError) as refused:
        mailboxes.look(db, strict)
    assert refused.value.reason.code == "mailbox.certificate-issuer"
    assert refused.value.lasts
    assert server.certificate
    loose = mailboxes.keep(db, getattr(server, port), user, name="loose", verify=False, **more)
    mailboxes.look(db, loose)
    assert hard(db, campaign_id) == 1
    trusting = {"name": "trusting", "ca": server.certificate[0].read_text()}
    mailboxes.look(db, mailboxes.keep(db, getattr(server, port), user, **trusting, **more))


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_wrong_password_says_so_and_is_asked_again_seldom(
    db: Database, server: Dovecot, protocol: str
) -> None:
    mailbox = mailboxes.keep(
        db, getattr(server, protocol), f"wrong-{protocol}", protocol=protocol, password="wrong"
    )
    with pytest.raises(MailboxError) as refused:
        mailboxes.look(db, mailbox)
    assert refused.value.reason.code == "mailbox.sign-in-refused"
    assert refused.value.lasts


def test_a_folder_that_is_not_there_is_named(db: Database, server: Dovecot) -> None:
    mailbox = mailboxes.keep(db, server.imap, "nofolder", folder="Nowhere")
    server.deliver("nofolder")
    with pytest.raises(MailboxError) as refused:
        mailboxes.look(db, mailbox)
    assert refused.value.reason.code == "mailbox.no-folder"
    assert "Nowhere" in str(refused.value)


def test_only_one_process_watches_at_a_time(db: Database) -> None:
    with db.write() as connection:
        assert store.watch_over(connection, "one")
        assert not store.watch_over(connection, "other")
        assert store.watch_over(connection, "one")
        assert store.is_watched(connection)
        store.watch_no_more(connection, "one")
        assert not store.is_watched(connection)
        assert store.watch_over(connection, "other")
