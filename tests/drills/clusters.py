"""A PostgreSQL cluster of a drill's own, to restart and to starve: never a server that others use."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.processes import Keeper
from tests.support.stack import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

BINARIES = "/usr/lib/postgresql"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A server with its data in ``folder``."""

    binaries: Path
    folder: Path
    port: int
    keeper: Keeper

    @property
    def url(self) -> str:
        """The database that Volley uses."""
        return f"postgresql+psycopg://volley@127.0.0.1:{self.port}/postgres"

    def control(self, *order: str) -> None:
        """Give ``pg_ctl`` an order; raises if it fails."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        log = str(self.folder / "log")
        command = [self.binaries / "pg_ctl", f"--pgdata={self.folder / 'data'}", "--wait", f"--log={log}"]
        self.keeper.run(
            [*command, f"--options={options}", *order],
            check=True,
            user=account(),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
        )

    def running(self) -> bool:
        """Whether the server runs."""
        command = [self.binaries / "pg_ctl", f"--pgdata={self.folder / 'data'}", "status"]
        status = self.keeper.run(command, user=account(), cwd=self.folder, capture_output=True)
        return status.returncode == 0


def account() -> str | None:
    """Return whom the server runs as: PostgreSQL refuses root."""
    return "postgres" if os.geteuid() == 0 else None


@contextmanager
def temporary() -> Iterator[Path]:
    """A folder that another account may reach, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="volley-drill-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Make and run a cluster in ``folder``, which the server's account must be able to reach."""
    found = sorted(Path(BINARIES).glob("*/bin"), key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    if not (found or on_path):
        raise AssertionError(f"This drill needs PostgreSQL's programs under {BINARIES}: install postgresql.")
    if user := account():
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    with Keeper() as keeper:
        made = Cluster(found[-1] if found else Path(str(on_path)).parent, folder, free_port(), keeper)
        keeper.run(
            [
                made.binaries / "initdb",
                f"--pgdata={folder / 'data'}",
                *("--username=volley", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"),
            ],
            check=True,
            user=user,
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        made.control("start")
        try:
            yield made
        finally:
            if made.running():
                made.control("stop", "--mode=immediate")
