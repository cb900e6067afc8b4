"""Every setting, read once from the environment or ``.env``, with all faults reported together.

A variable ``NAME_FILE`` names a file that holds the value of ``NAME`` (for secrets).
"""

from __future__ import annotations

import ipaddress
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dotenv import dotenv_values
from sqlalchemy import URL

from mailing import setting_values as values
from mailing.accounts.openid_settings import OpenId, read_issuer, read_name, read_role
from mailing.core import privacy
from mailing.redis import url as redis_url
from mailing.setting_table import SETTINGS
from mailing.sites import LOOPBACK_NAMES, Host, Network, Site, plain, read_names, read_networks, read_site
from mailing.smtp.account import Sender, parse_sender

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
BUNDLED_REDIS = "redis://127.0.0.1:6380/0"
_OIDC = "VOLLEY_OIDC_"
_LOCALLY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where this machine finds what is bound so


class SettingsError(Exception):
    """Some settings cannot be used: each line names the variable, what is wrong and the fix."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    sender: Sender
    demo_inbox: Sender
    default_from: str
    host: str
    port: int
    url: Site | None
    hosts: frozenset[str]
    proxies: tuple[Network, ...]
    certificate: tuple[Path, Path] | None  # with its key: the web server speaks TLS
    jwt_issuer: str
    jwt_audience: str
    workers: int
    bounce_domain: str
    bounce_bind: tuple[str, int] | None
    dns: tuple[str, int] | None
    relay_addresses: tuple[str, ...]
    dnsbl: tuple[str, ...]
    dialogue_days: int
    openid: OpenId | None
    instance: Path
    rulebook: Path | None
    log: str
    secret_key: str = field(repr=False)

    @property
    def loopback(self) -> bool:
        """Whether the web server can be reached from this machine only."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @property
    def private(self) -> bool:
        """Whether only people at this machine reach the web server, as nothing says that others should."""
        named = {self.url.host.name} if self.url else set()
        return self.loopback and not self.proxies and (named | self.hosts) <= LOOPBACK_NAMES

    @property
    def site(self) -> Site:
        """Where people find it: the public address, or else the bound one."""
        scheme = "https" if self.certificate else "http"
        return self.url or Site(scheme, plain(scheme, Host(self._bound, self.port)))

    @property
    def names(self) -> frozenset[str]:
        """The host names that are answered."""
        return LOOPBACK_NAMES | self.hosts | {self.site.host.name, self._bound}

    @property
    def _bound(self) -> str:
        return _LOCALLY.get(self.host, self.host.lower())


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; raise ``SettingsError`` with every fault if any is wrong.

    The environment wins over ``.env``. Makes the instance folder, and the secret key in it if none is set.
    """
    return _Reader({**dotenv(), **os.environ} if environ is None else environ).settings()


def load_or_exit() -> Settings:
    """Read the settings for a command, and let only its user read the files that it writes from then on.

    With a fault it ends with status 1, and every fault on stderr.
    """
    try:
        chosen = load()
    except SettingsError as error:
        sys.exit(f"These settings are invalid:\n{error}")
    privacy.keep(chosen.instance)
    return chosen


def dotenv() -> dict[str, str]:
    """Return what ``.env`` says; raises ``SettingsError`` where it cannot be read."""
    try:
        return {name: value or "" for name, value in dotenv_values(ROOT / ".env").items()}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f".env: {_unreadable(ROOT / '.env', error)}."]) from None


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[str] = []

    def settings(self) -> Settings:
        self._report_unknown_names()
        instance = ROOT / (self._text("VOLLEY_INSTANCE") or "instance")
        database = URL.create("sqlite", database=str(instance / "volley.sqlite")).render_as_string()
        connections = self._number("VOLLEY_CONNECTIONS", 10, most=1000)
        host, port = self._read("VOLLEY_BIND", "127.0.0.1:5000", values.bind) or ("", 0)
        sender = self._read(
            "VOLLEY_SMTP_URL", "smtp://127.0.0.1:1025", lambda url: parse_sender(url, connections=connections)
        )
        demo_inbox = self._read("VOLLEY_DEMO_INBOX", "127.0.0.1:1025", values.bind) or ("", 0)
        chosen = {
            "database_url": self._read(
                "VOLLEY_DATABASE_URL", database, lambda url: values.database_url(url, ROOT)
            ),
            "redis_url": self._read("VOLLEY_REDIS_URL", BUNDLED_REDIS, values.redis),
            "sender": sender,
            "demo_inbox": Sender(*demo_inbox, connections=connections, demo=True),
            "default_from": self._read("VOLLEY_FROM", values.USUAL_FROM, values.default_from),
            "host": host,
            "port": port,
            "url": self._read("VOLLEY_URL", "", lambda url: read_site(url) if url else None),
            "hosts": self._read("VOLLEY_HOSTS", "", read_names),
            "proxies": self._read("VOLLEY_TRUSTED_PROXIES", "", read_networks),
            "certificate": self._certificate(),
            "jwt_issuer": self._read("VOLLEY_JWT_ISSUER", "", read_issuer),
            "jwt_audience": self._read("VOLLEY_JWT_AUDIENCE", "", values.audience),
            "workers": self._number("VOLLEY_WORKERS", os.cpu_count() or 1, most=256),
            "bounce_domain": self._read("VOLLEY_BOUNCE_DOMAIN", "", values.mail_domain),
            "bounce_bind": self._read(
                "VOLLEY_BOUNCE_BIND", "", lambda value: values.bind(value) if value else None
            ),
            "dns": self._read("VOLLEY_DNS", "", values.name_server),
            "relay_addresses": self._read("VOLLEY_RELAY_ADDRESSES", "", values.addresses),
            "dnsbl": self._read("VOLLEY_DNSBL", "", values.mail_domains),
            "dialogue_days": self._number("VOLLEY_DIALOGUE_DAYS", 30, least=0, most=3650),
            "openid": self._openid(),
            "instance": instance,
            "rulebook": self._read("VOLLEY_RULEBOOK", "", lambda value: values.rulebook(value, ROOT)),
            "log": self._read("VOLLEY_LOG", "text", values.log),
            "secret_key": self._read("VOLLEY_SECRET_KEY", "", values.secret),
        }
        pair = {chosen["jwt_issuer"], chosen["jwt_audience"]}
        if "" in pair and len(pair) > 1 and None not in pair:
            self.faults.append("VOLLEY_JWT_ISSUER and VOLLEY_JWT_AUDIENCE: set both, or neither.")
        if chosen["bounce_bind"] and chosen["bounce_domain"] == "":
            self.faults.append("VOLLEY_BOUNCE_DOMAIN: must be set too, as VOLLEY_BOUNCE_BIND is.")
        if self.faults:
            raise SettingsError(self.faults)
        chosen["secret_key"] = chosen["secret_key"] or self._kept_secret(instance, "secret_key", "SECRET_KEY")
        if chosen["redis_url"] == BUNDLED_REDIS and not self._text("VOLLEY_REDIS_URL"):
            password = self._kept_secret(instance, "redis_password", "REDIS_URL")
            chosen["redis_url"] = replace(redis_url.parse(BUNDLED_REDIS), password=password).url
        return Settings(**chosen)  # type: ignore[arg-type]

    def _certificate(self) -> tuple[Path, Path] | None:
        names = ("VOLLEY_TLS_CERTIFICATE", "VOLLEY_TLS_KEY")
        before = len(self.faults)
        certificate, key = (
            self._read(name, "", lambda value: values.tls_file(value, ROOT)) for name in names
        )
        if len(self.faults) > before:
            return None
        if certificate and key:
            if fault := values.fault_of_tls(certificate, key):
                self.faults.append(f"{names[0]}: {fault}.")
            return certificate, key
        if certificate or key:
            missing, there = names[::-1] if certificate else names
            self.faults.append(f"{missing}: must be set too, as {there} is.")
        return None

    def _openid(self) -> OpenId | None:
        """Return the issuer by which people sign in; None if none is named."""
        issuer = self._read(_OIDC + "ISSUER", "", read_issuer)
        name = self._read(_OIDC + "NAME", "", read_name)
        role = self._read(_OIDC + "DEFAULT_ROLE", "", read_role)
        client, secret, claim = (
            self._text(_OIDC + it) for it in ("CLIENT_ID", "CLIENT_SECRET", "ROLE_CLAIM")
        )
        if issuer == "":
            given = {"CLIENT_ID": client, "CLIENT_SECRET": secret, "NAME": name}
            given |= {"ROLE_CLAIM": claim, "DEFAULT_ROLE": role}
            needless = [_OIDC + it for it, value in given.items() if value]
            self.faults += [f"{it}: has no effect without {_OIDC}ISSUER; set that too." for it in needless]
        elif not client:
            self.faults.append(f"{_OIDC}CLIENT_ID: must be set; the issuer assigns it to this Volley.")
        return OpenId(issuer, client, secret, name or "", claim, role) if issuer else None

    def _kept_secret(self, instance: Path, name: str, setting: str) -> str:
        """Return a secret that the instance folder keeps, and make both if they are not there yet."""
        try:
            return values.kept_secret(instance, name, f"VOLLEY_{setting}")
        except ValueError as error:
            raise SettingsError([str(error)]) from None

    def _report_unknown_names(self) -> None:
        known = {setting.name for setting in SETTINGS}
        for name in self.environ:
            if (
                name.startswith("VOLLEY_")
                and not name.startswith("VOLLEY_TEST_")
                and name not in known
                and name.removesuffix("_FILE") not in known
            ):
                self.faults.append(f"{name}: unknown setting; the README lists the settings.")

    def _text(self, name: str) -> str:
        value = self.environ.get(name, "").strip()
        file = self.environ.get(f"{name}_FILE", "").strip()
        if value and file:
            self.faults.append(f"{name}: set either {name} or {name}_FILE, not both.")
        elif file:
            try:
                value = Path(file).read_text().strip()
            except (OSError, ValueError) as error:
                self.faults.append(f"{name}_FILE: {_unreadable(file, error)}.")
            else:
                if not value:
                    self.faults.append(f"{name}_FILE: {file} is empty. It must contain the value.")
        return value

    def _read(self, name: str, default: str, parse: Callable[[str], T]) -> T | None:
        value = self._text(name) or default
        try:
            return parse(value)
        except ValueError as error:
            self.faults.append(f"{name}: {str(error).rstrip('.')}.")
            return None

    def _number(self, name: str, default: int, *, least: int = 1, most: int) -> int:
        def parse(value: str) -> int:
            if not least <= values.whole(value) <= most:
                raise ValueError(f"{value!r} must be a whole number from {least} to {most}")
            return int(value)

        read = self._read(name, str(default), parse)
        return default if read is None else read


def _unreadable(file: Path | str, error: Exception) -> str:
    return f"cannot read {file}: {getattr(error, 'strerror', None) or 'it is not UTF-8 text'}"
