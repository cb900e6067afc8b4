"""A campaign by a real Postfix, as a new user has it: what comes back finds its person while it is sent.

Some mailboxes are dead, some full, some servers want no such mail, and part of it comes back only after the
campaign has ended. People press the button of their mail program, write to the address beside it, or call it
spam at their provider. The reports go half to a mailbox at Dovecot, which Volley watches, and half to
Volley's own door. NSD has the DKIM keys, and Postfix's log says what was really mailed.
"""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import re
import smtplib
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING

import dkim as dkimpy
import dns.query
import pytest
from dns.message import make_query
from sqlalchemy import select

from mailing.bounces import store as bounces
from mailing.bounces.causes import BounceClass, Cause
from mailing.bounces.reading import Kind
from mailing.bounces.tables import reports
from mailing.core.actors import Actor, ActorKind
from mailing.core.clock import now_ms
from mailing.core.tables import recipients
from mailing.domains.dkim import Algorithm
from mailing.domains.ways import Ours
from mailing.mailboxes import store as mailboxes
from mailing.mailboxes.entries import Entry
from mailing.suppression import store as suppressions
from tasks.commands import dkim
from tests.drills.judging import DRAFT, SHORT
from tests.support import dovecot, name_server, postfix
from tests.support.stack import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from email.message import Message
    from pathlib import Path

    from tests.drills.judging import Drill, Size
    from tests.support.dovecot import Dovecot
    from tests.support.name_server import NameServer
    from tests.support.postfix import Postfix
    from tests.support.stack import Stack

DOMAIN, RETURNS = "sender.test", "bounces.sender.test"
SITE, HOST = "https://mail.sender.test", "mail.sender.test"
CLI = Actor(ActorKind.CLI)
NEWS = replace(DRAFT, sender_from=f"Club <club@{DOMAIN}>")
LAST_WEEK = replace(NEWS, subject="Last week")
KINDS = {0: "dead", 5: "late", 10: "full", 15: "blocked"}  # by the place in the list, of each 40
SAYS = {
    "^(dead|late)": "550 5.1.1 No such user here",
    "^full": "552 5.2.2 The mailbox is full",
    "^blocked": "550 5.7.1 Message rejected due to content restrictions",
}
BOUNCES = {
    "dead": BounceClass.HARD,
    "late": BounceClass.HARD,
    "full": BounceClass.SOFT,
    "blocked": BounceClass.POLICY,
}
LATE_S = 5.0  # so long an email may be under way that was claimed before its recipient left
AT_ONCE, BETWEEN_S = 4, 0.4
_WAY = re.compile(r"<(https|mailto):([^>]+)>")
PARTS = ("redis", "worker", "beat", "web", "bounces", "mailboxes")


@dataclass
class Walk:
    """The servers, the campaign, and who did what when (ms since 1970)."""

    it: Drill
    mail: Dovecot
    mta: Postfix
    names: NameServer
    people: Sequence[str]
    told: dict[str, int] = field(default_factory=dict)  # who pressed the button, and when that was answered
    wrote: set[str] = field(default_factory=set)  # who unsubscribed by an email
    complained: set[str] = field(default_factory=set)
    _read: dict[Path, Message] = field(default_factory=dict)

    @property
    def stack(self) -> Stack:
        return self.it.stack

    def of(self, kind: str) -> list[str]:
        return [it for it in self.people if it.startswith(kind)]

    def inbox(self, subject: str) -> dict[str, tuple[Path, Message]]:
        """Return the emails that people have got, by address: the file, and its header."""
        for path in (self.mail.folder / "mail/people/new").iterdir():
            if path not in self._read:
                with path.open("rb") as file:
                    self._read[path] = BytesHeaderParser().parse(file)
        return {
            str(head["Delivered-To"]): (path, head)
            for path, head in self._read.items()
            if str(head["Subject"]).startswith(subject)
        }

    def ways(self, subject: str) -> Mapping[str, Mapping[str, str]]:
        """Return by which URL and which address each may unsubscribe, as their email says."""
        return {
            who: dict(_WAY.findall(str(head["List-Unsubscribe"])))
            for who, (_path, head) in self.inbox(subject).items()
        }

    def press(self, who: str, url: str) -> None:
        """Unsubscribe as a mail provider does: without a cookie, and once."""
        line = http.client.HTTPConnection("127.0.0.1", self.stack.web_port, timeout=30)
        with closing(line):
            path = url.removeprefix(f"//{HOST}")
            fields = {"Host": HOST, "Content-Type": "application/x-www-form-urlencoded"}
            line.request("POST", path, "List-Unsubscribe=One-Click", fields)
            answer = line.getresponse()
            assert answer.status == http.client.OK, answer.read()
        self.told[who] = now_ms()

    def write(self, who: str, mailto: str) -> None:
        """Unsubscribe as a mail program without the button does."""
        to = mailto.partition("?")[0]
        self._post(who, to, f"From: {who}\r\nTo: {to}\r\nSubject: unsubscribe\r\n\r\n\r\n".encode())
        self.wrote.add(who)

    def complain(self, who: str) -> None:
        """Report an email as their provider does (RFC 5965), which blackens the address."""
        path, head = self.inbox(NEWS.subject.partition(" ")[0])[who]
        report = EmailMessage()
        report["From"], report["To"] = "feedback@people.test", f"fbl@{RETURNS}"
        report["Subject"], report["Message-ID"] = "FW: Hello", email.utils.make_msgid(domain="people.test")
        report["Date"] = email.utils.formatdate()
        report.set_type("multipart/report")
        report.set_param("report-type", "feedback-report")
        sender = str(head["Return-Path"])
        says = f"Feedback-Type: abuse\nUser-Agent: People/1.0\nVersion: 1\nOriginal-Mail-From: {sender}\n"
        for text, kind in (("This is an email abuse report.\n", "plain"), (says, "feedback")):
            part = EmailMessage()
            part.set_content(text)
            if kind == "feedback":
                part.replace_header("Content-Type", "message/feedback-report")
            report.attach(part)
        own = EmailMessage()
        own["Content-Type"] = "message/rfc822"
        own.set_payload(path.read_bytes().decode("latin-1").replace(who, "redacted@people.test"))
        report.attach(own)
        self._post("feedback@people.test", f"fbl@{RETURNS}", report.as_bytes())
        self.complained.add(who)

    def _post(self, sender: str, to: str, raw: bytes) -> None:
        with smtplib.SMTP("127.0.0.1", self.mta.mx) as line:
            line.sendmail(sender, [to], raw)


def listed(n: int) -> list[str]:
    """Return the people: of each forty some with a mailbox of a kind, and the others without a fault."""
    kinds = [KINDS.get(place % 40, "user") for place in range(n)]
    return [f"{kind}{place}@d{place % 7}.people.test" for place, kind in enumerate(kinds)]


def leavers(people: Sequence[str]) -> list[str]:
    """Return who unsubscribes from last week's email: some throughout the list, most at its end."""
    users = [it for it in people if it.startswith("user")]
    last = len(users) - len(people) // 25
    return [*users[5:last:60], *users[last:]]


@contextlib.contextmanager
def walk(drill: Callable[..., Drill], folder: Path, n: int, **options: object) -> Iterator[Walk]:
    """Set everything up as the README says: servers, DNS, keys, the mailbox for bounces."""
    with contextlib.ExitStack() as stack:
        names = stack.enter_context(name_server.running(folder / "nsd"))
        mail = stack.enter_context(dovecot.running())
        mail.deliver("bounces")
        mail.deliver("people")
        door = free_port()
        returns = {
            rf"^b-.*[a-m]@{re.escape(RETURNS)}$": f"lmtp:inet:127.0.0.1:{door}",
            rf"@{re.escape(RETURNS)}$": "bounces",
        }
        mta = stack.enter_context(
            postfix.running(mail.folder / "mail", refused=SAYS, held=["^late"], returns=returns, pause_s=1)
        )
        extra = {
            "VOLLEY_URL": SITE,
            "VOLLEY_DNS": f"127.0.0.1:{names.port}",
            "VOLLEY_BOUNCE_DOMAIN": RETURNS,
            "VOLLEY_BOUNCE_BIND": f"127.0.0.1:{door}",
        }
        it = drill(*PARTS, smtp_port=mta.port, extra=extra, **options)
        sign(it.stack, names)
        entry = Entry("Bounces", "127.0.0.1", mail.imap, "bounces", tls="none", password=dovecot.PASSWORD)
        with it.stack.db.write() as connection:
            mailboxes.create(connection, entry, it.stack.settings.secret_key)
        yield Walk(it, mail, mta, names, listed(n))


def sign(stack: Stack, names: NameServer) -> None:
    """Make keys, publish what Volley says of them, and have them sign."""
    key = stack.settings.secret_key
    made = dkim.create(stack.backend, CLI, DOMAIN, [*Algorithm], key)
    names.publish(*(it.zone_line for it in made))
    found = dkim.check(stack.db, DOMAIN, key, ours=Ours(dns=names.at))
    assert {str(it.light) for it in found.keys.values()} == {"green"}


@pytest.mark.short
def test_what_comes_back_finds_its_person_and_who_left_is_mailed_no_more(
    drill: Callable[..., Drill], size: Size, tmp_path: Path
) -> None:
    with walk(drill, tmp_path, size.recipients, connections=10 if size is SHORT else 30) as it:
        ways = last_week(it)
        gone = leavers(it.people)
        it.it.begin(NEWS, people=[f"{who.partition('@')[0]} <{who}>" for who in it.people])
        users = [who for who in it.of("user") if who not in gone]
        leave(it, gone, ways)
        for who in users[: max(1, size.recipients // 500)]:
            wait_until(lambda who=who: who in it.inbox("Hello"), f"{who} has the email")  # type: ignore[misc]
            it.complain(who)
        assert returned(it), "nothing came back while it was sent"
        it.it.end()
        settle(it, {"dead", "full", "blocked"})
        it.mta.release()  # what was held comes back after the campaign has ended
        settle(it, {*BOUNCES})
        judge(it)


def last_week(it: Walk) -> Mapping[str, Mapping[str, str]]:
    """Send an email to those who will leave; return by which ways each may."""
    gone = leavers(it.people)
    campaign_id = it.stack.send(LAST_WEEK, gone)
    it.stack.wait_for(campaign_id)
    return wait_until(
        lambda: len(found := it.ways("Last week")) == len(gone) and found, "last week's arrived"
    )


def leave(it: Walk, gone: Sequence[str], ways: Mapping[str, Mapping[str, str]]) -> None:
    """Have all of them unsubscribe by and by, every third by an email."""

    def act(place: int, who: str) -> None:
        time.sleep(BETWEEN_S)
        if place % 3:
            it.press(who, ways[who]["https"])
        else:
            it.write(who, ways[who]["mailto"])

    with ThreadPoolExecutor(AT_ONCE) as hands:
        for done in [hands.submit(act, *each) for each in enumerate(gone)]:
            done.result()


def returned(it: Walk) -> Mapping[str, str]:
    """Return who of the campaign bounced, and how, as the database has it."""
    columns = select(recipients.c.email, recipients.c.bounced)
    own = recipients.c.campaign_id == it.it.campaign_id, recipients.c.bounced.is_not(None)
    with it.stack.db.read() as connection:
        found = connection.execute(columns.where(*own)).all()
    return {row.email: Cause(row.bounced).bounce_class for row in found}


def settle(it: Walk, kinds: Collection[str]) -> None:
    """Wait until all reports about mailboxes of these kinds, and all complaints, are recorded."""
    n = sum(len(it.of(kind)) for kind in kinds)
    wait_until(lambda: len(returned(it)) >= n, f"{n} bounces found their person")
    wait_until(lambda: counts(it).complained == len(it.complained), "the complaints found their person")


def counts(it: Walk) -> bounces.Counts:
    with it.stack.db.read() as connection:
        return bounces.counts(connection, it.it.campaign_id)


def judge(it: Walk) -> None:
    """Compare what Volley says with what Postfix did, and each person with what became of them."""
    wait_until(lambda: not it.mta.waiting(), "Postfix has brought everything")
    expected = {who: BOUNCES[kind] for kind in BOUNCES for who in it.of(kind)}
    assert returned(it) == expected
    by_class = Counter(expected.values())
    told = counts(it)
    assert {kind: getattr(told, kind) for kind in BounceClass} == by_class
    assert told.complained == len(it.complained)

    own = recipients.c.campaign_id == it.it.campaign_id
    with it.stack.db.read() as connection:
        columns = recipients.c.email, recipients.c.state, recipients.c.claimed_at, recipients.c.complained_at
        rows = {row.email: row for row in connection.execute(select(*columns).where(own))}
        found = connection.execute(
            select(reports.c.source, reports.c.kind, reports.c.named, recipients.c.email).outerjoin(
                recipients, recipients.c.id == reports.c.recipient_id
            )
        ).all()
        kept = {entry.subject: entry for entry in suppressions.find(connection, limit=len(it.people))}

    assert len(found) == len(expected) + len(it.complained) + len(it.wrote)
    bounced = [row for row in found if row.named and row.email in expected]
    assert len(bounced) == len(expected)
    assert all(row.named == row.email for row in bounced), "a report found somebody else"
    assert {row.source for row in bounced} == {"smtp", "imap"}, "one of the doors was not used"
    assert {row.email for row in rows.values() if row.complained_at} == it.complained
    assert {row.email for row in found if row.kind == Kind.UNSUBSCRIBED} == it.wrote
    assert all(row.email for row in found), "a report found nobody"

    hard = {who for who, kind in expected.items() if kind is BounceClass.HARD}
    left = {*it.told} | it.wrote
    assert {who: str(entry.reason) for who, entry in kept.items()} == (
        dict.fromkeys(hard, "bounced")
        | dict.fromkeys(it.complained, "complained")
        | dict.fromkeys(left, "unsubscribed")
    )
    since = {who: it.told.get(who, kept[who].created_at + 1_000) for who in left}
    claimed = [rows[who] for who in left if rows[who].state == "sent"]
    assert not [row for row in claimed if row.claimed_at > since[row.email]], "claimed after they had left"
    news = it.inbox("Hello")
    after = {who: _came(news[who][0]) - since[who] / 1000 for who in left & {*news}}
    assert all(seconds < LATE_S for seconds in after.values()), f"mailed after they had left: {after}"
    suppressed = sum(row.state == "suppressed" for row in rows.values())
    assert suppressed, "all were mailed before they left: the drill proves nothing"
    assert {who for who in news if who in left} == {row.email for row in claimed}

    by_dns(it, [path.read_bytes() for path, _head in [*news.values()][:5]])
    record(it)
    it.it.judge(suppressed=suppressed)


def _came(path: Path) -> float:
    """Return when Postfix put an email there, in seconds since 1970."""
    return path.stat().st_mtime


def by_dns(it: Walk, mails: Sequence[bytes]) -> None:
    """See that both signatures are good by what the DNS server says (dkimpy)."""

    def ask(name: bytes, timeout: float = 5) -> bytes:
        answer = dns.query.tcp(make_query(name.decode(), "TXT"), it.names.at[0], timeout, it.names.port)
        return b"".join(answer.answer[0][0].strings)

    for mail in mails:
        judge = dkimpy.DKIM(re.sub(rb"\r?\n", b"\r\n", mail))
        n = sum(name.lower() == b"dkim-signature" for name, _value in judge.headers)
        assert [judge.verify(idx=at, dnsfunc=ask) for at in range(n)] == [True, True]


def record(it: Walk) -> None:
    """Write down what Postfix took of the campaign, as the sink does of what it takes."""
    with it.stack.db.read() as connection:
        mine = select(recipients.c.email).where(recipients.c.campaign_id == it.it.campaign_id)
        people = {*connection.execute(mine).scalars()}
    older = {str(head["Message-ID"]) for _path, head in it.inbox("Last week").values()}
    lines = [
        f"{each.email}\t{each.message_id}\t\n"
        for each in it.mta.passed()
        if each.email in people and each.message_id not in older
    ]
    it.stack.record.write_text("".join(lines))
