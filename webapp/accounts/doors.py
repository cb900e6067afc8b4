"""What the pages of accounts have in common: addresses and passwords as typed, where to go on."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from quart import abort, request

from mailing.accounts import passwords
from mailing.accounts.roles import Role
from mailing.accounts.throttle import Limit
from mailing.addresses import mailbox
from mailing.core.reasons import UnfitError
from tasks.commands.accounts import people
from webapp.http.services import services
from webapp.i18n.domain_texts import say
from webapp.i18n.languages import _

if TYPE_CHECKING:
    from collections.abc import Mapping

_HASHING = ThreadPoolExecutor(2, "passwords")  # a core or two at most, and no thread of anybody else
PER_ACCOUNT = Limit(10, 60_000)
PER_ADDRESS = Limit(50, 5_000)
LONGEST_AGENT = 300
_LONGEST_ADDRESS = 45


async def kept(password: str) -> str:
    """Return what is kept of a password."""
    return await asyncio.get_running_loop().run_in_executor(_HASHING, passwords.hashed, password)


async def matches(hashed: str | None, password: str) -> bool:
    """Return whether this is the password."""
    return await asyncio.get_running_loop().run_in_executor(_HASHING, passwords.matches, hashed, password)


async def wait_s(*names: tuple[str, Limit]) -> int:
    """Count a try for each name; return 0, or after how many seconds the next one counts."""
    return -(-await services().do(people.count_tries, names) // 1000)


def sender() -> tuple[str, Limit]:
    """Return the name under which the tries of whoever asks count, all those of their network."""
    return f"from:{network(here()[0])}", PER_ADDRESS


def address(faults: dict[str, str], typed: str) -> str:
    """Read an e-mail address; note what is wrong with it."""
    try:
        return mailbox.judge(typed.strip())
    except UnfitError as error:
        faults["email"] = say(error.reason)
    return ""


def password(faults: dict[str, str], form: Mapping[str, str], *names: str) -> str:
    """Read a new password, typed twice; note what is wrong with it."""
    typed = form.get("password", "")
    if wrong := passwords.fault(typed, *names):
        faults["password"] = say(wrong)
    elif typed != form.get("again", ""):
        faults["again"] = _("The two passwords differ. Type the same one twice.")
    return typed


def role(text: str) -> Role:
    """Read a role; answer 400 if it is none."""
    if text not in set(Role):
        abort(400, _("This form is out of date. Reload the page."))
    return Role(text)


def onward(path: str) -> str:
    """Return where to go on: a page of ours, else the overview. Never another site (CWE-601)."""
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return services().at(path if ours and "\\" not in path else "/")


def network(address: str) -> str:
    """Return whose address it is: with IPv6 everybody has a network of at least 2^64 addresses."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:_LONGEST_ADDRESS]
    return str(found) if found.version == 4 else str(ip_network((found, 64), strict=False))  # noqa: PLR2004


def public(path: str) -> str:
    """Return the whole address of a page of ours, as whoever asks may give it to others."""
    svc = services()
    origin = svc.settings.url.origin if svc.settings.url else f"{request.scheme}://{request.host}"
    return origin + svc.at(path)


def here() -> tuple[str, str]:
    """Return the address and the browser of whoever asks."""
    return request.remote_addr or "", request.headers.get("User-Agent", "")[:LONGEST_AGENT]
