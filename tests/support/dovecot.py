"""A real Dovecot on free ports of the loopback interface: a mailbox that reports are fetched from.

Run by root it gives mail to ``nobody``, and else everything to who runs it.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import pwd
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import certificates
from tests.support.processes import Keeper
from tests.support.stack import free_port, listens, wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

PASSWORD = "seven-quiet-herons"
PROGRAM = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
_numbers = count(1)
_CONFIG = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap pop3
listen = 127.0.0.1
ssl = {ssl}
{certificate}
disable_plaintext_auth = no
auth_mechanisms = plain
mail_location = maildir:{folder}/mail/%u
mail_max_userip_connections = 50
maildir_stat_dirs = yes
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
first_valid_uid = 1
mailbox_idle_check_interval = 1s
auth_failure_delay = 0
protocol pop3 {{
  pop3_no_flag_updates = yes
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u
}}
service imap-login {{
  {chroot}
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service pop3-login {{
  {chroot}
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
  }}
}}
service anvil {{
  {chroot}
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  {chroot}
}}
"""


@dataclass
class Dovecot:
    """A server, and the mail of its users."""

    folder: Path
    certificate: tuple[Path, Path] | None = None
    imap: int = field(default_factory=free_port)
    imaps: int = field(default_factory=free_port)
    pop3: int = field(default_factory=free_port)
    pop3s: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    keeper: Keeper = field(default_factory=Keeper)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        root = os.geteuid() == 0
        own = pwd.getpwnam("nobody") if root else pwd.getpwuid(os.geteuid())
        me = getpass.getuser()
        for name in ("run", "state", "mail"):
            (self.folder / name).mkdir(exist_ok=True)
        os.chown(self.folder / "mail", own.pw_uid, own.pw_gid)
        self.folder.chmod(0o711)
        key = self.certificate
        config = self.folder / "dovecot.conf"
        config.write_text(
            _CONFIG.format(
                folder=self.folder,
                ssl="yes" if key else "no",
                certificate=f"ssl_cert = <{key[0]}\nssl_key = <{key[1]}" if key else "",
                internal="dovecot" if root else me,
                internal_group="dovecot" if root else "",
                login="dovenull" if root else me,
                password=PASSWORD,
                uid=own.pw_uid,
                gid=own.pw_gid,
                chroot="" if root else "chroot =",
                **{it: getattr(self, it) for it in ("imap", "imaps", "pop3", "pop3s")},
            )
        )
        assert PROGRAM, "dovecot is not installed"
        self.process = self.keeper.start([PROGRAM, "-F", "-c", str(config)])
        wait_until(lambda: listens(self.imap) and listens(self.pop3), "dovecot listens")

    def stop(self) -> None:
        """End it, and whoever is connected."""
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(20)
            self.process = None

    def deliver(self, user: str, *raws: bytes) -> None:
        """Put messages into a user's mailbox, as a server does (maildir)."""
        own = (self.folder / "mail").stat()
        box = self.folder / "mail" / user
        for name in ("", "tmp", "new", "cur"):
            if not (box / name).exists():
                (box / name).mkdir()
                os.chown(box / name, own.st_uid, own.st_gid)
        for raw in raws:
            name = f"{time.time():.6f}.M{next(_numbers):07d}.host"
            (box / "tmp" / name).write_bytes(raw)
            os.chown(box / "tmp" / name, own.st_uid, own.st_gid)
            (box / "tmp" / name).rename(box / "new" / name)

    def messages(self, user: str) -> int:
        """Return how many messages lie in a user's mailbox."""
        box = self.folder / "mail" / user
        return sum(len([*(box / name).iterdir()]) for name in ("new", "cur"))

    def unread(self, user: str) -> int:
        """Return how many of them nobody has marked."""
        box = self.folder / "mail" / user
        return len([*(box / "new").iterdir()]) + len([*(box / "cur").glob("*:2,")])


@contextlib.contextmanager
def running() -> Iterator[Dovecot]:
    """A Dovecot that runs, with a certificate for 127.0.0.1.

    Its folder is none of pytest's, which are closed to whoever mail is kept for.
    """
    with tempfile.TemporaryDirectory(prefix="volley-dovecot-") as name:
        folder = Path(name)
        server = Dovecot(folder, certificates.pair(folder, "IP:127.0.0.1"))
        try:
            server.start()
            yield server
        finally:
            server.stop()
            server.keeper.end()
