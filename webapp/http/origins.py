"""Where a request comes from: one of Volley's own pages or not, by TLS or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import request

from mailing.sites import origin, read_host, read_origin, split
from webapp.http.services import services

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


def ours() -> AbstractSet[str]:
    """Return the origins that our pages have for the browser that asks: the public one, and as it asked."""
    host, url = read_host(request.host), services().settings.url
    public = {url.origin} if url else set()
    if host is None or (url and origin(url.scheme, host) == url.origin):  # asked there, so by its scheme
        return public
    return public | {origin(request.scheme, host)}


def secure() -> bool:
    """Return whether the browser that asks reaches us by TLS, itself or at the proxy."""
    url = services().settings.url
    return request.scheme == "https" or (url is not None and url.scheme == "https")


def page_before() -> str:
    """Return the path and query of our page that led here, without the prefix; empty if none did."""
    page, prefix = split(request.referrer or ""), services().settings.site.prefix
    if page is None or read_origin(f"{page.scheme}://{page.netloc}") not in ours():
        return ""
    if page.path.startswith("//") or not f"{page.path}/".startswith(f"{prefix}/"):
        return ""
    path = page.path.removeprefix(prefix) or "/"
    return f"{path}?{page.query}" if page.query else path
