"""Whether the links of a message lead anywhere: each asked politely, none within private networks.

A link is asked for its head alone, and where a server dislikes that, for the page, of which nothing is read.
An address is resolved first and the connection goes to what was found, so that no name leads elsewhere
meanwhile. A redirect is followed the same way.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import defaultdict
from typing import TYPE_CHECKING

import httpx

from mailing.core.reasons import Reason
from mailing.internet.findings import Finding, Light

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LINKS_MOST = 50
AT_A_TIME = 6
HOPS_MOST = 5
PATIENCE_S, EACH_S = 40.0, 8.0
SHOWN = 200  # characters of a link
_HEADERS = {"User-Agent": "Volley (link check)", "Accept": "*/*"}
_GONE = frozenset({404, 410})
_REFUSED = 400  # and above
_REDIRECTS = range(300, 400)
_TRANSLATED = tuple(
    map(ipaddress.ip_network, ("64:ff9b::/96", "2002::/16"))
)  # an IPv4 address stands in them


class _FoundError(Exception):
    """Something is wrong with a link."""

    def __init__(self, light: Light, code: str, /, **values: int) -> None:
        super().__init__(code)
        self.light, self.code, self.values = light, code, values


def public(address: str) -> bool:
    """Whether an IP address is anybody's on the internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _TRANSLATED)


async def findings(links: Sequence[str], may_ask: Callable[[str], bool] = public) -> tuple[Finding, ...]:
    """Ask the first ``LINKS_MOST`` links. ``may_ask`` says whether an IP address may be connected to."""
    links = links[:LINKS_MOST]
    if not links:
        return (Finding(Light.GREEN, Reason("link.none")),)
    async with httpx.AsyncClient(
        headers=_HEADERS, timeout=EACH_S, trust_env=False, follow_redirects=False
    ) as client:
        asker = _Asker(client, may_ask)
        asking = [asyncio.create_task(asker.finding(link)) for link in links]
        done, late = await asyncio.wait(asking, timeout=PATIENCE_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    found = [
        task.result() if task in done else _finding(link, _FoundError(Light.UNKNOWN, "link.too-slow"))
        for link, task in zip(links, asking, strict=True)
    ]
    faults = tuple(finding for finding in found if finding)
    good = len(links) - len(faults)
    return (*faults, Finding(Light.GREEN, Reason("link.fine", n=good))) if good else faults


class _Asker:
    def __init__(self, client: httpx.AsyncClient, may_ask: Callable[[str], bool]) -> None:
        self._client = client
        self._may_ask = may_ask
        self._room = asyncio.Semaphore(AT_A_TIME)
        self._hosts: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)  # one question at a time for each

    async def finding(self, link: str) -> Finding | None:
        try:
            url = httpx.URL(link)
            async with self._hosts[url.host], self._room:
                await self._follow(url)
        except _FoundError as fault:
            return _finding(link, fault)
        except (httpx.InvalidURL, UnicodeError):
            return _finding(link, _FoundError(Light.RED, "link.invalid"))
        except httpx.TimeoutException:
            return _finding(link, _FoundError(Light.UNKNOWN, "link.too-slow"))
        except (httpx.HTTPError, OSError):
            return _finding(link, _FoundError(Light.AMBER, "link.unreachable"))
        return None

    async def _follow(self, url: httpx.URL) -> None:
        for _ in range(HOPS_MOST):
            if url.scheme not in {"http", "https"} or not url.host:
                raise _FoundError(Light.RED, "link.invalid")
            address = await self._address(url)
            status, where = await self._ask("HEAD", url, address)
            if status >= _REFUSED:
                status, where = await self._ask("GET", url, address)
            if status not in _REDIRECTS or not where:
                break
            url = url.join(where)
        else:
            raise _FoundError(Light.AMBER, "link.redirects")
        if status in _GONE:
            raise _FoundError(Light.RED, "link.gone", code=status)
        if status >= _REFUSED:
            raise _FoundError(Light.AMBER, "link.refused", code=status)

    async def _address(self, url: httpx.URL) -> str:
        """Return an IP address of the link's host, if all that it has may be connected to."""
        try:
            async with asyncio.timeout(EACH_S):
                loop = asyncio.get_running_loop()
                found = await loop.getaddrinfo(url.host, url.port or 443, type=socket.SOCK_STREAM)
        except TimeoutError:
            raise _FoundError(Light.UNKNOWN, "link.too-slow") from None
        except socket.gaierror as error:
            if error.errno == socket.EAI_NONAME:
                raise _FoundError(Light.RED, "link.no-host") from None
            raise _FoundError(Light.UNKNOWN, "link.unresolved") from None
        addresses = [str(address[0]) for *_kind, address in found]
        if not all(map(self._may_ask, addresses)):
            raise _FoundError(Light.AMBER, "link.private")
        return addresses[0]

    async def _ask(self, method: str, url: httpx.URL, address: str) -> tuple[int, str]:
        there = url.copy_with(host=address, fragment=None)
        headers = {"Host": url.netloc.decode("ascii")}
        asked = self._client.build_request(method, there, headers=headers)
        asked.extensions["sni_hostname"] = url.raw_host.decode("ascii")
        response = await self._client.send(asked, stream=True)
        try:
            return response.status_code, response.headers.get("location", "")
        finally:
            await response.aclose()


def _finding(link: str, fault: _FoundError) -> Finding:
    todo = None if fault.light is Light.UNKNOWN else Reason("link.open-it")
    return Finding(fault.light, Reason(fault.code, link=link[:SHOWN], **fault.values), todo)
