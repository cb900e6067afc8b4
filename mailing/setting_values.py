"""How the value of a setting is read: each reader raises ``ValueError`` with what is wrong, and the fix."""

from __future__ import annotations

import os
import re
import secrets
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from mailing.redis import url as redis_url

if TYPE_CHECKING:
    from collections.abc import Mapping

SECRET_MIN = 32  # characters
PORT_MAX = 65535
USUAL_FROM = "Volley <volley@localhost>"


def whole(value: str) -> int:
    """Return a number of at most nine digits, or -1, which no setting allows."""
    return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else -1


_DRIVERS = {  # as other programs' settings name them: the same database, reached by the drivers of this one
    **dict.fromkeys(("sqlite", "sqlite3", "sqlite+pysqlite", "sqlite+aiosqlite"), "sqlite"),
    **dict.fromkeys(("postgresql", "postgres", "pgsql"), "postgresql+psycopg"),
    **{
        f"{name}+{driver}": "postgresql+psycopg"
        for name in ("postgresql", "postgres")
        for driver in ("psycopg", "psycopg_async", "psycopg2", "psycopg2cffi", "asyncpg", "pg8000")
    },
}


def database_url(value: str, root: Path) -> str:
    """Read the URL of a database; a SQLite file is meant from ``root``."""
    try:
        url = make_url(value)
    except (ArgumentError, ValueError):
        raise ValueError(
            "is not a database URL; use one such as postgresql://user:password@host/volley"
        ) from None
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.drivername not in _DRIVERS.values():
        raise ValueError(f"{url.drivername} is not supported; use sqlite:/// or postgresql://")
    if url.port is not None and not 1 <= url.port <= PORT_MAX:
        raise ValueError(f"has a port outside 1 to {PORT_MAX}")
    if url.drivername == "sqlite":
        if url.database in {None, "", ":memory:"}:
            raise ValueError(
                "has no file for the processes to share; use a URL such as sqlite:///path/to/file"
            )
        if "uri" not in url.query:  # each process finds the same file, wherever it was started
            url = url.set(database=str(root / str(url.database)))
    return url.render_as_string(hide_password=False)


def redis(value: str) -> str:
    """Read the URL of a Redis server, and try the files that it names."""
    address = redis_url.parse(value)
    if address.tls:
        _try_files({name: str(address.tls[name]) for name in redis_url.FILES if name in address.tls})
    return address.url


def _try_files(files: Mapping[str, str]) -> None:
    """Load certificates and keys as a connection will, so that a wrong one is told now and by its name."""
    context = ssl.create_default_context()
    try:
        for name in files:
            Path(files[name]).stat()
            if name in {"ssl_ca_certs", "ssl_ca_path"}:
                place = "cafile" if name == "ssl_ca_certs" else "capath"
                context.load_verify_locations(**{place: files[name]})
        name = "ssl_certfile"
        if name in files or "ssl_keyfile" in files:
            context.load_cert_chain(files.get(name, ""), files.get("ssl_keyfile"), password=lambda: b"")
    except ssl.SSLError:  # an OSError, too
        raise ValueError(f"has an {name} without a matching PEM") from None
    except OSError as error:
        said = error.strerror or error
        raise ValueError(f"has an {name} that cannot be read: {said}") from None


def bind(value: str) -> tuple[str, int]:
    """Read a host and a port to listen on."""
    host, _, port = value.rpartition(":")
    if not re.fullmatch(r"\[[^][\s]+\]|[^][\s]+", host) or not 1 <= whole(port) <= PORT_MAX:
        raise ValueError(f"{value!r} must be host:port, such as 127.0.0.1:5000")
    return host.strip("[]"), int(port)


def default_from(value: str) -> str:
    """Read a From. What judges one is loaded only where the operator has written one."""
    if value != USUAL_FROM:
        from mailing.messages.headers import read_from  # noqa: PLC0415

        read_from(value)
    return value


def mail_domain(value: str) -> str:
    """Read a domain that takes mail; empty if none is set."""
    label = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    if value and not re.fullmatch(rf"(?=.{{1,200}}$){label}(?:\.{label})*", value.lower()):
        raise ValueError(f"{value!r} must be a domain, such as bounces.example.com")
    return value.lower()


def mail_domains(value: str) -> tuple[str, ...]:
    """Read domains with commas or blanks between them."""
    return tuple(mail_domain(each) for each in value.replace(",", " ").split())


def addresses(value: str) -> tuple[str, ...]:
    """Read IP addresses with commas or blanks between them."""
    try:
        return tuple(str(ip_address(each.strip("[]"))) for each in value.replace(",", " ").split())
    except ValueError:
        raise ValueError(f"{value!r} must be IP addresses, such as 192.0.2.1, 2001:db8::1") from None


def name_server(value: str) -> tuple[str, int] | None:
    """Read the address of a DNS server, with a port unless it is 53; None if none is set."""
    try:
        return (str(ip_address(value.strip("[]"))), 53) if value else None
    except ValueError:
        host, port = bind(value)
    try:
        return str(ip_address(host)), port
    except ValueError:
        raise ValueError(f"{value!r} must be an IP address, such as 192.0.2.53 or 127.0.0.1:5353") from None


def log(value: str) -> str:
    """Read how the log is written."""
    if value not in {"text", "json"}:
        raise ValueError(f"{value!r} must be text or json")
    return value


def secret(value: str) -> str:
    """Read a secret key; empty if none is set."""
    if value and len(value) < SECRET_MIN:
        raise ValueError(f"must have at least {SECRET_MIN} characters; make one with: openssl rand -hex 32")
    return value


def audience(value: str) -> str:
    """Read whom tokens must be meant for: it is repeated in answers."""
    if not re.fullmatch(r"[!#-\[\]-~]*", value):
        raise ValueError(
            f"{value!r} must be one word of plain characters, such as https://example.com/volley"
        )
    return value


def tls_file(value: str, root: Path) -> Path | None:
    """Read the path of a certificate or key, meant from ``root``; None if none is set."""
    if not value:
        return None
    file = root / value
    try:
        file.read_bytes()
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot read {file}: {getattr(error, 'strerror', None) or error}") from None
    return file


def rulebook(value: str, root: Path) -> Path | None:
    """Read the path of an operator's rulebook, meant from ``root``; None if none is set."""
    if not value:
        return None
    from mailing import rulebook_file  # noqa: PLC0415 - only where there is one
    from mailing.rulebook_reading import RulebookError  # noqa: PLC0415

    file = root / value
    try:
        rulebook_file.load(file)
    except RulebookError as error:
        raise ValueError(f"{file}: {error}") from None
    return file


def fault_of_tls(certificate: Path, key: Path) -> str:
    """Return what is wrong with a certificate and its key in PEM files (RFC 7468): they are tried."""
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key, lambda: b"")
    except (OSError, ValueError) as error:
        reason = str(getattr(error, "reason", None) or "")
        if reason == "KEY_VALUES_MISMATCH":
            return f"{key} is the key of another certificate than {certificate}"
        return (
            f"{certificate} and {key} must be PEM files: the certificate with its chain, "
            "and its key without a password"
        )
    return ""


def keep_secret(path: Path) -> str:
    """Return the key in ``path``, made on first use; several processes may race, the first wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            draft.touch(mode=0o600)
            draft.write_text(secrets.token_hex(SECRET_MIN))
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink(missing_ok=True)
    return path.read_text().strip()


def kept_secret(instance: Path, name: str, setting: str) -> str:
    """Return a secret that a folder keeps, made if it is not there. Raises ``ValueError`` with the fault."""
    kept = instance / name
    try:
        key = keep_secret(kept)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        fault = f"VOLLEY_INSTANCE: {instance} cannot be used: {reason}. Set it to a writable folder."
        raise ValueError(fault) from None
    if len(key) < SECRET_MIN:
        raise ValueError(f"{setting}: {kept} is too short for a secret. Delete it; a new one is created.")
    return key
