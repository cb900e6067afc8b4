"""A real Postfix on free ports of the loopback interface, with a queue and a log of its own.

Volley hands emails to ``port``. From there they go to a second door of the same Postfix, that of the
receiving server, which refuses whom a test says; the others lie in a Maildir. So what Postfix took comes back
as in life: as a report that it writes itself, minutes or days later if the email was held meanwhile.

Postfix runs as root alone: its processes take other users.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import stat
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.support import marks
from tests.support.processes import Keeper
from tests.support.stack import free_port, listens, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence

PROGRAM = shutil.which("postfix", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_MAIN = """
compatibility_level = 3.6
import_environment = MAIL_CONFIG TZ LC_ALL {mark}
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.sender.test
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_reject_unlisted_recipient = no
smtpd_client_connection_count_limit = 0
smtpd_client_port_logging = no
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_peername_lookup = no
enable_long_queue_ids = yes
default_process_limit = 120
initial_destination_concurrency = 20
notify_classes =
biff = no
strict_smtputf8 = no
transport_maps = regexp:{folder}/transport
virtual_mailbox_base = {mail}
virtual_mailbox_maps = regexp:{folder}/boxes
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
"""
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
  -o syslog_name=postfix/taken
  -o smtpd_recipient_restrictions={pace}check_recipient_access,regexp:{folder}/held,permit_mynetworks,reject
127.0.0.1:{receiver} inet n - n - - smtpd
  -o syslog_name=postfix/receiver
  -o content_filter=virtual:
  -o myhostname=mx.people.test
  -o smtpd_recipient_restrictions=check_recipient_access,regexp:{folder}/refused,permit_mynetworks,reject
127.0.0.1:{mx} inet n - n - - smtpd
  -o syslog_name=postfix/mx
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
scache unix - - n - 1 scache
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
_TAKEN = re.compile(r"taken/smtpd\[\d+\]: (\w+): client=")
_NAMED = re.compile(r"cleanup\[\d+\]: (\w+): message-id=(<[^>]*>)")
_TO = re.compile(r"/(?:smtp|virtual|lmtp)\[\d+\]: (\w+): to=<([^>]*)>.* status=(\w+)")


class Passed(NamedTuple):
    """An email that Postfix took, and tried to bring to a receiving server."""

    email: str
    message_id: str
    status: str  # sent, bounced


@dataclass
class Postfix:
    """A server.

    ``refused`` and ``held`` are regular expressions of addresses: of people whose server says no with these
    words, and of those whose email stays in the queue until it is released.
    ``returns`` are the other addresses, and where they go: ``lmtp:inet:127.0.0.1:24``, or to a Maildir below
    ``mail``, by its name.
    """

    folder: Path
    mail: Path
    refused: Mapping[str, str]
    held: Sequence[str]
    returns: Mapping[str, str]
    pause_s: int = 0  # before it takes an email
    port: int = field(default_factory=free_port)
    receiver: int = field(default_factory=free_port)
    mx: int = field(default_factory=free_port)  # for what others send to us
    keeper: Keeper = field(default_factory=Keeper)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        if os.geteuid():
            pytest.skip("NOT WALKED with a real Postfix: it runs as root alone")
        assert PROGRAM, "postfix is not installed"
        nobody, own = pwd.getpwnam("nobody"), pwd.getpwnam("postfix")
        etc = self.folder / "etc"
        for name in ("etc", "queue", "data"):
            (self.folder / name).mkdir()
        os.chown(self.folder / "data", own.pw_uid, own.pw_gid)
        self.folder.chmod(0o755)
        boxes = {pattern: to for pattern, to in self.returns.items() if ":" not in to}
        for name, rows in (
            ("refused", self.refused),
            ("held", dict.fromkeys(self.held, "HOLD")),
            (
                "transport",
                {it: "virtual:" if it in boxes else to for it, to in self.returns.items()}
                | {".": f"smtp:[127.0.0.1]:{self.receiver}"},
            ),
            ("boxes", {it: f"{to}/" for it, to in boxes.items()} | {".": "people/"}),
        ):
            lines = "".join(f"/{it}/ {what}\n" for it, what in rows.items())
            (self.folder / name).write_text(lines)
        values = {
            "folder": self.folder,
            "mail": self.mail,
            "mark": marks.NAME,
            "uid": nobody.pw_uid,
            "gid": nobody.pw_gid,
        }
        (etc / "main.cf").write_text(_MAIN.format(**values))
        pace = f"sleep,{self.pause_s}," if self.pause_s else ""
        (etc / "master.cf").write_text(
            _MASTER.format(folder=self.folder, port=self.port, receiver=self.receiver, mx=self.mx, pace=pace)
        )
        output = (self.folder / "said").open("wb")
        with output:
            command = [PROGRAM, "-c", etc, "start-fg"]
            self._process = self.keeper.start(command, stdout=output, stderr=output)
        wait_until(self._listens, "postfix listens", 20)

    def _listens(self) -> bool:
        assert self._process
        assert self._process.poll() is None, (self.folder / "said").read_text() + self.log()
        return all(map(listens, (self.port, self.receiver, self.mx)))

    def stop(self) -> None:
        """End it, and all that it started: its processes are known by our mark, which they pass on."""
        self.keeper.end()
        self._process = None

    def release(self) -> None:
        """Bring what was held."""
        found = shutil.which("postsuper", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert found
        self.keeper.run([found, "-c", self.folder / "etc", "-H", "ALL"], check=True, capture_output=True)
        flush = shutil.which("postqueue", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        assert flush
        self.keeper.run([flush, "-c", self.folder / "etc", "-f"], check=True, capture_output=True)

    def log(self) -> str:
        """Return what it has logged."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def waiting(self) -> int:
        """Return how many emails lie in its queue."""
        places = ("incoming", "active", "deferred", "hold", "maildrop")
        queue = self.folder / "queue"
        return sum(stat.S_ISREG(it.stat().st_mode) for name in places for it in (queue / name).rglob("*"))

    def passed(self) -> Sequence[Passed]:
        """Return the emails that were taken from Volley, and what became of each at its receiving server."""
        log = self.log()
        taken, ids = {*_TAKEN.findall(log)}, dict(_NAMED.findall(log))
        last = {  # of one that was deferred meanwhile
            queue_id: Passed(email, ids[queue_id], status)
            for queue_id, email, status in _TO.findall(log)
            if queue_id in taken
        }
        return [*last.values()]


@contextlib.contextmanager
def running(mail: Path, **options: object) -> Iterator[Postfix]:
    """A Postfix that runs. Its folder is none of pytest's, which are closed to its processes."""
    with tempfile.TemporaryDirectory(prefix="volley-postfix-") as name:
        server = Postfix(Path(name), mail, **options)  # type: ignore[arg-type]
        try:
            server.start()
            yield server
        finally:
            server.stop()
