"""Every setting, read once from the environment or ``.env``, with all faults reported together.

A variable ``NAME_FILE`` names a file that holds the value of ``NAME`` (for secrets). The README's
table is tested against ``SETTINGS``.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from email.utils import parseaddr
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from mailing.senders import Sender, parse_sender

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent


class SettingsError(Exception):
    """Some settings cannot be used: each line names the variable, what is wrong and the fix."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable as the README shows it."""

    name: str
    default: str
    meaning: str


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "VOLLEY_DATABASE_URL",
        "SQLite file under `instance/`",
        "any SQLAlchemy URL; PostgreSQL through psycopg 3",
    ),
    Setting("VOLLEY_REDIS_URL", "`redis://127.0.0.1:6380/0`", "broker, results, live events"),
    Setting(
        "VOLLEY_SMTP_URL",
        "`smtp://127.0.0.1:1025`",
        "the sender: `smtp://`, `smtp+starttls://` or `smtps://`, then `user:password@host:port`",
    ),
    Setting("VOLLEY_FROM", "`Volley <volley@localhost>`", "default From"),
    Setting("VOLLEY_BIND", "`127.0.0.1:5000`", "where the web server listens"),
    Setting("VOLLEY_WORKERS", "number of cores (`make run`: 3)", "worker processes"),
    Setting("VOLLEY_CONNECTIONS", "10", "SMTP connections per worker process"),
    Setting("VOLLEY_SECRET_KEY", "made once, kept under `instance/`", "signs sessions and forms"),
    Setting(
        "VOLLEY_INSTANCE",
        "`instance`",
        "folder of the SQLite file, the secret key and the bundled Redis server's data",
    ),
    Setting("VOLLEY_LOG", "`text`", "`text` for people, `json` for machines"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    sender: Sender
    default_from: str
    host: str
    port: int
    workers: int
    instance: Path
    log: str
    secret_key: str = field(repr=False)

    @property
    def loopback(self) -> bool:
        """Whether the web server can be reached from this machine only."""
        return self.host in {"127.0.0.1", "::1", "localhost"}


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; raise ``SettingsError`` with every fault if any is wrong.

    Makes the instance folder, and the secret key in it if none is set.
    """
    if environ is None:
        environ = {**{k: v or "" for k, v in dotenv_values(ROOT / ".env").items()}, **os.environ}
    return _Reader(environ).settings()


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[str] = []

    def settings(self) -> Settings:
        self._report_unknown_names()
        instance = ROOT / (self._text("VOLLEY_INSTANCE") or "instance")
        connections = self._number("VOLLEY_CONNECTIONS", 10, most=1000)
        host, port = self._read("VOLLEY_BIND", "127.0.0.1:5000", _bind) or ("", 0)
        sender = self._read(
            "VOLLEY_SMTP_URL", "smtp://127.0.0.1:1025", lambda url: parse_sender(url, connections=connections)
        )
        values = {
            "database_url": self._read(
                "VOLLEY_DATABASE_URL", f"sqlite:///{instance / 'volley.sqlite'}", _database_url
            ),
            "redis_url": self._read("VOLLEY_REDIS_URL", "redis://127.0.0.1:6380/0", _redis_url),
            "sender": sender,
            "default_from": self._read("VOLLEY_FROM", "Volley <volley@localhost>", _from),
            "host": host,
            "port": port,
            "workers": self._number("VOLLEY_WORKERS", os.cpu_count() or 1, most=256),
            "instance": instance,
            "log": self._read("VOLLEY_LOG", "text", _log),
            "secret_key": self._read("VOLLEY_SECRET_KEY", "", _secret),
        }
        if self.faults:
            raise SettingsError(self.faults)
        instance.mkdir(mode=0o700, parents=True, exist_ok=True)
        values["secret_key"] = values["secret_key"] or _kept_secret(instance / "secret_key")
        return Settings(**values)  # type: ignore[arg-type]

    def _report_unknown_names(self) -> None:
        known = {setting.name for setting in SETTINGS}
        for name in self.environ:
            if (
                name.startswith("VOLLEY_")
                and not name.startswith("VOLLEY_TEST_")
                and name not in known
                and name.removesuffix("_FILE") not in known
            ):
                self.faults.append(f"{name}: there is no such setting; see the README for the names.")

    def _text(self, name: str) -> str:
        value = self.environ.get(name, "").strip()
        file = self.environ.get(f"{name}_FILE", "").strip()
        if value and file:
            self.faults.append(f"{name}: set it or {name}_FILE, not both.")
        elif file:
            try:
                return Path(file).read_text().strip()
            except OSError as error:
                self.faults.append(f"{name}_FILE: cannot read {file}: {error.strerror}.")
        return value

    def _read(self, name: str, default: str, parse: Callable[[str], T]) -> T | None:
        value = self._text(name) or default
        try:
            return parse(value)
        except ValueError as error:
            self.faults.append(f"{name}: {error}.")
            return None

    def _number(self, name: str, default: int, *, most: int) -> int:
        def parse(value: str) -> int:
            if not value.isascii() or not value.isdigit() or not 1 <= int(value) <= most:
                raise ValueError(f"{value!r} is no whole number from 1 to {most}")
            return int(value)

        return self._read(name, str(default), parse) or default


def _database_url(value: str) -> str:
    try:
        url = make_url(value)
    except ArgumentError:
        raise ValueError("is no database URL; write it like postgresql://user:password@host/volley") from None
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in {"sqlite", "postgresql+psycopg"}:
        raise ValueError(f"{url.drivername} is not supported; use sqlite:/// or postgresql://")
    return url.render_as_string(hide_password=False)


def _redis_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"redis", "rediss"} or not parts.hostname:
        raise ValueError("must look like redis://127.0.0.1:6380/0")
    return value


def _bind(value: str) -> tuple[str, int]:
    host, _, port = value.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:  # noqa: PLR2004
        raise ValueError(f"{value!r} must be host:port, like 127.0.0.1:5000")
    return host.strip("[]"), int(port)


def _from(value: str) -> str:
    if any(mark in value for mark in "\r\n\0") or "@" not in parseaddr(value)[1]:
        raise ValueError(f"{value!r} must be an address, like Volley <volley@example.com>")
    return value


def _log(value: str) -> str:
    if value not in {"text", "json"}:
        raise ValueError(f"{value!r} must be text or json")
    return value


def _secret(value: str) -> str:
    if value and len(value) < 32:  # noqa: PLR2004
        raise ValueError("must have at least 32 characters; make one with: openssl rand -hex 32")
    return value


def _kept_secret(path: Path) -> str:
    """Return the key in ``path``, made on first use; several processes may race, the first wins."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    if not path.exists():
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
