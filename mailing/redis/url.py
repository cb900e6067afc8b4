"""Where Redis is: ``VOLLEY_REDIS_URL`` read once, and what each library is told from it.

redis-py, kombu and Celery's results read such a URL each in a way of its own: other defaults, other
spellings, and kombu takes any certificate unless it is told not to. So none of them gets what the operator
wrote. It is read here, all of them get the same options, and TLS is verified unless the URL says otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PORT = 6379
_TCP, _TLS = {"redis", "valkey"}, {"rediss", "valkeys"}
_SOCKET = {"unix", "redis+unix", "redis+socket", "socket", "valkey+unix", "valkey+socket"}
_VERIFIED: Mapping[str, str | bool] = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
_FORM = "must look like redis://127.0.0.1:6380/0; percent-encode the password"
_SOCKET_FORM = "must look like unix:///run/redis/redis.sock?db=0, with the absolute path of the socket"


@dataclass(frozen=True, slots=True)
class Address:
    """A Redis server, reached by TCP, by TLS or by the socket file ``path``.

    ``tls`` holds options as redis-py names them; None: the line is plain.
    """

    host: str = ""
    port: int = PORT
    path: str = ""
    db: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    tls: Mapping[str, str | bool] | None = None

    @property
    def name(self) -> str:
        """``host:port``, or the path of the socket: how people call it, without user and password."""
        return self.path or f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def url(self) -> str:
        """The one spelling of this address, which ``parse`` takes again."""
        if self.path:
            return f"unix://{self._login}{quote(self.path)}?{urlencode({'db': self.db})}"
        scheme = "redis" if self.tls is None else "rediss"
        told = {name: value for name, value in (self.tls or {}).items() if _VERIFIED.get(name) != value}
        return f"{scheme}://{self._login}{self.name}/{self.db}{'?' if told else ''}{urlencode(told)}"

    @property
    def client(self) -> dict[str, Any]:
        """What redis-py's clients are made with, blocking or not."""
        place = {"unix_socket_path": self.path} if self.path else {"host": self.host, "port": self.port}
        login = {"username": self.username or None, "password": self.password or None}
        return {**place, **login, "db": self.db, **({} if self.tls is None else {"ssl": True, **self.tls})}

    @property
    def celery(self) -> dict[str, Any]:
        """The settings of Celery's broker and of its results."""
        scheme, place = "redis" if self.tls is None else "rediss", f"{self.name}/{self.db}"
        if self.path:
            scheme, place = "redis+socket", f"{quote(self.path)}?virtual_host={self.db}"
        url = f"{scheme}://{self._login}{place}"
        tls = None if self.tls is None else dict(self.tls)
        return {"broker_url": url, "result_backend": url, "broker_use_ssl": tls, "redis_backend_use_ssl": tls}

    @property
    def _login(self) -> str:
        user, password = quote(self.username, safe=""), quote(self.password, safe="")
        return f"{user}:{password}@" if user or password else ""


def parse(value: str) -> Address:
    """Read the URL of a Redis server, in the spellings of redis-py and of Celery.

    Raises ``ValueError`` with what is wrong and how it is written; it never quotes the password.
    """
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:  # its text may quote the password
        raise ValueError(_FORM) from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    user = unquote(parts.username or "") or options.pop("username", "")
    password = unquote(parts.password or "") or options.pop("password", "")
    if parts.scheme in _SOCKET:
        if parts.hostname or port is not None or not parts.path.startswith("/") or parts.path == "/":
            raise ValueError(_SOCKET_FORM)
        found = Address("", PORT, unquote(parts.path), _db(options), user, password)
    elif parts.scheme in _TCP | _TLS and parts.hostname and port != 0 and "," not in parts.netloc:
        tls = _tls(options) if parts.scheme in _TLS else None
        db = _db({"db": parts.path.strip("/"), **options})
        found = Address(parts.hostname, port or PORT, "", db, user, password, tls)
    else:
        raise ValueError(_FORM)
    for name in options.keys() - {"db", "virtual_host"}:
        raise ValueError(
            f"has the option {name}, which needs rediss://"
            if name in _OPTIONS
            else f"has an unknown option; use db, {', '.join(_OPTIONS)}"
        )
    return found


def _db(options: Mapping[str, str]) -> int:
    number = options.get("db") or options.get("virtual_host", "").strip("/") or "0"
    if not re.fullmatch(r"[0-9]{1,9}", number):
        raise ValueError(_FORM)
    return int(number)


def _tls(options: dict[str, str]) -> dict[str, str | bool]:
    told = {name: read(options.pop(name)) for name, read in _OPTIONS.items() if name in options}
    return {**_VERIFIED, **told}


def _demand(value: str) -> str:
    demand = value.lower().removeprefix("cert_")
    if demand not in {"required", "optional", "none"}:
        raise ValueError("has an ssl_cert_reqs other than required, optional or none")
    return demand


def _truth(value: str) -> bool:
    if value.lower() not in {"true", "yes", "1", "false", "no", "0"}:
        raise ValueError("has an ssl_check_hostname other than true or false")
    return value.lower() in {"true", "yes", "1"}


FILES = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
_OPTIONS: dict[str, Callable[[str], str | bool]] = {
    "ssl_cert_reqs": _demand,
    "ssl_check_hostname": _truth,
    **dict.fromkeys(FILES, str),
}
