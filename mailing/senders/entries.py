"""What a person enters for a sender, and all that is wrong with it at once. Pure."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, get_args

from mailing.core.reasons import EntryError, Reason
from mailing.senders.limits import NONE, Limits
from mailing.smtp.account import AuthWay, TlsMode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


NAME_MAX, HOST_MAX, TEXT_MAX, CA_MAX, SECRET_MAX = 100, 253, 320, 65_536, 4_096  # characters
PORTS = range(1, 65_536)
CONNECTIONS = range(1, 101)
TLS_MODES: tuple[TlsMode, ...] = get_args(TlsMode)
AUTH_WAYS: tuple[AuthWay, ...] = get_args(AuthWay)
PROVIDERS = ("", "google", "microsoft")
XOAUTH2 = "xoauth2"


@dataclass(frozen=True, slots=True)
class Entry:
    """A sender as it was entered. ``connections`` is of one worker process; none: as the setting says.

    It ``signs`` with DKIM, unless its server does. A secret that is None stays what it is; an empty one is
    taken away.
    """

    name: str
    host: str
    port: int
    tls: TlsMode = "starttls"
    verify: bool = True
    ca: str = ""
    username: str = ""
    auth: AuthWay = ""
    password: str | None = field(default=None, repr=False)
    provider: str = ""
    tenant: str = ""
    client_id: str = ""
    client_secret: str | None = field(default=None, repr=False)
    signs: bool = True
    connections: int | None = None
    limits: Limits = NONE
    receiver_limits: Mapping[str, Limits] = field(default_factory=dict)
    preset: str = ""


def check(entry: Entry) -> None:
    """Raise ``EntryError`` with all that is wrong with an entry; the first fault of each field."""
    faults: dict[str, Reason] = {}
    for name, reason in _faults(entry):
        faults.setdefault(name, reason)
    if faults:
        raise EntryError(faults)


def tidy(name: str) -> str:
    """Return a name with single spaces and nothing that cannot be seen."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in name).split())


def is_host(host: str) -> bool:
    """Whether this can be the name of a mail server, or its address (RFC 5321 section 2.3.5)."""
    try:
        return bool(ip_address(host))
    except ValueError:
        pass
    try:
        name = host.removesuffix(".").encode("idna").decode()
    except UnicodeError:
        return False
    labels = name.split(".")
    fit = all(label.replace("-", "").replace("_", "").isalnum() and label.isascii() for label in labels)
    return fit and len(name) <= HOST_MAX


def _faults(entry: Entry) -> Iterator[tuple[str, Reason]]:
    if not 0 < len(tidy(entry.name)) <= NAME_MAX:
        yield "name", Reason("sender-fault.name", most=NAME_MAX)
    if not is_host(entry.host):
        yield "host", Reason("sender-fault.host")
    if entry.port not in PORTS:
        yield "port", Reason("sender-fault.port")
    if entry.tls not in TLS_MODES:
        yield "tls", Reason("sender-fault.tls", ways=TLS_MODES)
    if entry.auth not in AUTH_WAYS:
        yield "auth", Reason("sender-fault.auth", ways=AUTH_WAYS[1:])
    if entry.connections is not None and entry.connections not in CONNECTIONS:
        yield "connections", Reason("sender-fault.connections", most=CONNECTIONS[-1])
    if entry.ca and not _is_ca(entry.ca):
        yield "ca", Reason("sender-fault.ca")
    yield from _credential_faults(entry)


def _credential_faults(entry: Entry) -> Iterator[tuple[str, Reason]]:
    for name, value in (
        ("username", entry.username),
        ("password", entry.password),
        ("tenant", entry.tenant),
        ("client_id", entry.client_id),
        ("client_secret", entry.client_secret),
    ):
        longest = SECRET_MAX if name in {"password", "client_secret"} else TEXT_MAX
        if value and (len(value) > longest or not value.isprintable()):
            yield name, Reason("sender-fault.text", most=longest)
    if entry.provider not in PROVIDERS:
        yield "provider", Reason("sender-fault.provider", ways=PROVIDERS[1:])
    if bool(entry.provider) != (entry.auth == XOAUTH2):
        yield "provider", Reason("sender-fault.oauth-both")
    if entry.provider and not entry.client_id:
        yield "client_id", Reason("sender-fault.client-id")
    if entry.provider and not entry.username:
        yield "username", Reason("sender-fault.oauth-user")
    if entry.tenant and not entry.tenant.replace("-", "").replace(".", "").isalnum():
        yield "tenant", Reason("sender-fault.tenant")
    if entry.auth and not entry.username:
        yield "username", Reason("sender-fault.auth-without-user")
    if entry.password and not entry.username:
        yield "username", Reason("sender-fault.password-without-user")


def _is_ca(text: str) -> bool:
    """Whether this is at least one certificate in PEM (RFC 7468)."""
    if len(text) > CA_MAX or not text.isascii():
        return False
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        return False
    return True
