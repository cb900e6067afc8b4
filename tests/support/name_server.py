"""A real DNS server on this machine, whose records a test publishes."""

from __future__ import annotations

import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from shutil import which
from typing import TYPE_CHECKING

import dns.query
from dns.exception import DNSException
from dns.message import make_query

from tests.support.processes import Keeper
from tests.support.stack import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ZONES = ("test", "2.0.192.in-addr.arpa")
_CONFIG = """
server:
  ip-address: 127.0.0.1@{port}
  server-count: 1
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: "{folder}/pid"
  xfrdfile: "{folder}/xfrd"
  zonelistfile: "{folder}/zones"
  logfile: "{folder}/log"
remote-control:
  control-enable: no
"""
_ZONE = """
zone:
  name: "{zone}"
  zonefile: "{zone}.zone"
"""


@dataclass
class NameServer:
    """NSD, authoritative for ``ZONES``: it knows nothing else."""

    folder: Path
    keeper: Keeper
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None
    _serial: int = 0

    @property
    def at(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    def publish(self, *lines: str) -> None:
        """Have these records, as in a zone file, and no others."""
        self._serial += 1
        for zone in ZONES:
            soa = f"{zone}. IN SOA ns.test. root.test. {self._serial} 60 60 60 1"
            start = ["$TTL 0", soa, f"{zone}. IN NS ns.test."]
            own = [it for it in lines if it.split(" ", 1)[0].endswith(f"{zone}.")]
            mark = [f'serial.{zone}. IN TXT "{self._serial}"']
            (self.folder / f"{zone}.zone").write_text("\n".join([*start, *own, *mark, ""]))
        if self._process:
            self._process.send_signal(signal.SIGHUP)
            wait_until(self._is_new, "the records are published")

    def _is_new(self) -> bool:
        names = [f"serial.{zone}." for zone in ZONES]
        try:
            found = [dns.query.udp(make_query(it, "TXT"), self.at[0], 1, self.port).answer for it in names]
        except (OSError, DNSException):  # it has not started
            return False
        return all(f'"{self._serial}"' in str(answer) for answer in found)

    def start(self) -> None:
        config = self.folder / "nsd.conf"
        zones = "".join(_ZONE.format(zone=zone) for zone in ZONES)
        config.write_text(_CONFIG.format(port=self.port, folder=self.folder) + zones)
        program = which("nsd", path="/usr/sbin:/usr/bin:/usr/local/sbin")
        assert program, "install the package nsd"
        command = [program, "-d", "-c", str(config)]
        self._process = self.keeper.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._is_new, "the DNS server answers")

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


@contextmanager
def running(folder: Path) -> Iterator[NameServer]:
    """A DNS server without records, that ends afterwards."""
    folder.mkdir()
    with Keeper() as keeper:
        server = NameServer(folder, keeper)
        server.publish()
        server.start()
        try:
            yield server
        finally:
            server.stop()
