"""Volley behind a real nginx: with and without a prefix, with its usual settings and with better ones."""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import json
import re
import ssl
from functools import cache
from html import unescape
from urllib.parse import urlencode, urljoin

import httpx
import pytest
from sqlalchemy import text

from mailing.accounts import audit
from mailing.accounts.audit import Asked
from mailing.campaigns import queries as campaigns
from tests.support.proxies import NAME, WAYS, Site
from tests.support.stack import OWNER, PASSWORD
from webapp.http.security import HSTS

NO_PAGE = re.compile(r"/stream\b")


class Browser:
    """Keeps cookies and sends what a browser sends."""

    def __init__(self, site):
        self.port, self.prefix, self.cookies, self.page, self.path = site.port, site.prefix, {}, "", ""
        self.origin = f"https://{NAME}:{site.port}"
        self.set = []

    def connect(self, source="127.0.0.1"):
        context = ssl._create_unverified_context()
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, context=context, timeout=20, source_address=(source, 0)
        )

    def ask(self, path, form=None, source="127.0.0.1", **headers):
        headers = {"Host": f"{NAME}:{self.port}", "Sec-Fetch-Site": "same-origin"} | headers
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if form is not None:
            headers |= {"Origin": self.origin, "Content-Type": "application/x-www-form-urlencoded"}
        connection = self.connect(source)
        body = urlencode(form) if form is not None else None
        connection.request("POST" if form is not None else "GET", path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            self.set.append(cookie)
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer, text

    def open(self, path):
        answer, text = self.ask(path)
        assert answer.status == 200, (path, answer.status, text[-2000:])
        self.page, self.path = text, path
        return text

    def press(self, path, form=None, **more):
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.page)[1]
        form = {"csrf_token": token} | (form or {})
        return self.ask(path, form, **({"Referer": f"https://{NAME}:{self.port}{self.path}"} | more))

    def sign_in(self, page="/", **more):
        self.open(f"{self.prefix}/sign-in")
        typed = {"email": OWNER, "password": PASSWORD, "next": page}
        answer, text = self.press(f"{self.prefix}/sign-in", typed, **more)
        assert (answer.status, answer.headers["Location"]) == (303, self.prefix + page), text
        return self


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    """Every way that was asked for, each started once."""
    begun, folder = {}, tmp_path_factory.mktemp("proxies")

    def site(name):
        if name not in begun:
            begun[name] = Site(WAYS[name], folder / str(len(begun)))
        return begun[name]

    yield site
    for each in begun.values():
        each.stack.__exit__()


@pytest.fixture(params=WAYS)
def site(request, sites):
    return sites(request.param)


@pytest.fixture(scope="module")
def signed_in():
    """What signs in once at each site, as somebody who is too quick has to wait; returns the cookies."""
    return cache(lambda site: Browser(site).sign_in().cookies)


@pytest.fixture
def browser(site, signed_in):
    """The owner's."""
    browser = Browser(site)
    browser.cookies |= signed_in(site)
    return browser


def links(text):
    """Every address in a page."""
    found = re.findall(r'\b(?:href|src|action|hx-get|data-address|data-icon|hx-sse:connect)="([^"]+)"', text)
    return {unescape(link) for link in found if not link.startswith("#")}


def forms(text):
    """What a page can change, which is no page."""
    return {unescape(link) for link in re.findall(r'<form[^>]+method="post" action="([^"]+)"', text)}


def test_every_address_on_every_page_leads_to_where_it_should(site, browser):
    prefix, campaign = site.prefix, site.store()
    seen, waiting = set(), {f"{prefix}/campaigns/{campaign}"}
    while waiting:
        path = waiting.pop()
        seen.add(shape(path))
        text = browser.open(path)
        theirs = "/static/" in path or path.endswith("/html")  # patterns of a script, links of a message
        for link in () if theirs else links(text):
            assert link.startswith((f"{prefix}/", "?", browser.origin)), (path, link)
            target = urljoin(browser.origin + path, link).removeprefix(browser.origin).partition("#")[0]
            known = shape(target) in seen | set(map(shape, waiting))
            if not known and link not in forms(text) and not NO_PAGE.search(target):
                waiting.add(target)
    for page in ("/account", "/people", "/audit"):
        assert prefix + page in seen
    for page in ("/", "/campaigns/N", "/campaigns/new", "/campaigns/N/recipients/N", "/history", "/workers"):
        assert prefix + page in seen
    assert any(path.startswith(f"{prefix}/static/") for path in seen)


def shape(path):
    """An address without what makes it one of many."""
    return re.sub(r"/\d+\b", "/N", path.partition("?")[0])


def test_forms_work_and_lead_back_to_where_they_were_pressed(site, browser):
    campaign = site.store()
    page = f"{site.prefix}/campaigns/{campaign}?state=failed"
    browser.open(page)
    answer, _ = browser.press(f"{site.prefix}/preferences", {"theme": "dark"})
    assert (answer.status, answer.headers["Location"]) == (303, page)
    answer, text = browser.press(f"{site.prefix}/campaigns/{campaign}/pause")
    assert (answer.status, answer.headers["Location"]) == (303, page), text
    with site.stack.db.read() as connection:
        assert campaigns.get(connection, campaign).state == "paused"


def test_signing_in_is_safe_and_what_is_given_away_leads_back_here(site):
    browser, prefix = Browser(site), site.prefix
    answer, _ = browser.ask(f"{prefix}/people?x=1", Accept="text/html")
    assert answer.headers["Location"] == f"{prefix}/sign-in?next=/people%3Fx%3D1"
    assert answer.headers["Strict-Transport-Security"] == HSTS
    browser.sign_in("/people?x=1")
    browser.open(f"{prefix}/people")
    _, text = browser.press(f"{prefix}/people", {"email": f"{site.port}@b.example", "role": "viewer"})
    links = [re.search(r">(https?://[^<]+/invitations/[^<]+)<", text)[1]]
    page = f"{prefix}/campaigns/{site.store()}"
    browser.open(page)
    answer, _ = browser.press(f"{page}/watches", {"label": "Bea", "days": "1"})
    assert answer.headers["Location"] == f"{page}#share"
    links.append(re.search(r"https?://[^\"<]+/watch/[^\"<]+", browser.open(page))[0])
    for link, path in zip(links, ("invitations", "watch"), strict=True):
        assert link.startswith(f"{browser.origin}{prefix}/{path}/")
        assert "ann@" not in Browser(site).open(link.removeprefix(browser.origin))
    browser.press(f"{prefix}/preferences", {"theme": "dark"})
    assert {cookie.partition("=")[0] for cookie in browser.set} >= {
        "__Host-volley",
        "__Host-volley_session",
        "theme",
    }
    for cookie in browser.set:
        path = "/" if cookie.startswith("__Host-") else prefix or "/"
        assert {"Secure", "HttpOnly", "SameSite=Lax", f"Path={path}"} <= set(cookie.split("; "))


async def test_live_news_come_at_once_by_http_1_and_by_http_2(site, browser):
    page = f"{site.prefix}/campaigns/{site.store()}"
    stream = unescape(re.search(r'hx-sse:connect="([^"]+)"', browser.open(page))[1])
    headers = {"Host": f"{NAME}:{site.port}", "Accept-Encoding": "identity"}

    async def listen(version):
        async with (
            httpx.AsyncClient(http2=version == "HTTP/2", verify=False, cookies=browser.cookies) as client,
            client.stream("GET", f"https://127.0.0.1:{site.port}{stream}", headers=headers) as answer,
        ):
            assert (answer.status_code, answer.http_version) == (200, version)
            assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
            told = b""
            async for each in answer.aiter_raw():
                told += each
                if told.count(b"event: beat") >= 2:  # the second of them comes seconds later, and alone
                    break
            assert f'href="{page}/recipients/'.encode() in told

    async with asyncio.timeout(20):
        await asyncio.gather(listen("HTTP/1.1"), listen("HTTP/2"))


def test_the_api_names_where_a_campaign_is(site, browser):
    connection = browser.connect()
    body = json.dumps(
        {"subject": "x", "text": "x", "from": "a@b.example", "recipients": "a@b.example", "send": False}
    )
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {"Host": f"{NAME}:{browser.port}", "Content-Type": "application/json", "Cookie": cookie}
    connection.request("POST", f"{site.prefix}/api/v1/campaigns", body, headers)
    answer = connection.getresponse()
    assert answer.status == 201, answer.read()
    connection.close()
    assert answer.headers["Location"].startswith(f"{site.prefix}/api/v1/campaigns/")
    browser.open(answer.headers["Location"])


@pytest.mark.parametrize("origin", ["https://evil.example", f"https://{NAME}", f"http://{NAME}:{{}}", "null"])
def test_a_page_of_another_site_gets_nothing_done(site, browser, origin):
    page = f"{site.prefix}/campaigns/{site.store(send=False)}"
    browser.open(page)
    browser.origin = origin.format(site.port)
    answer, _ = browser.press(f"{page}/send")
    assert answer.status == 403


@pytest.mark.parametrize(
    ("trusted", "sent", "logged"),
    [
        ("127.0.0.1", {"X-Forwarded-For": "192.0.2.66"}, "127.0.0.2"),
        ("127.0.0.1", {"Forwarded": "for=192.0.2.66"}, "127.0.0.2"),
        ("127.0.0.0/8 192.0.2.66", {"X-Forwarded-For": "192.0.2.7, 192.0.2.66"}, "192.0.2.7"),
        ("", {"X-Forwarded-For": "192.0.2.66"}, "127.0.0.1"),
    ],
)
def test_the_logs_name_who_asked_as_trusted_proxies_tell_it(tmp_path, trusted, sent, logged):
    site = Site(dataclasses.replace(WAYS["all passed"], trusted=trusted), tmp_path / "site")
    try:
        browser = Browser(site).sign_in(source="127.0.0.2", **sent)
        with site.stack.db.write() as connection:
            (noted,) = audit.page(connection, Asked(action="sign in"), limit=9)
            connection.execute(text("ALTER TABLE campaigns RENAME TO gone"))
        assert noted.address == logged
        answer, _ = browser.ask("/campaigns", source="127.0.0.2", **sent)
        assert answer.status == 503
        (line,) = [line for line in site.stack.log("web").splitlines() if "database cannot be used" in line]
        assert re.search(r"client=(\S+)", line)[1] == logged
    finally:
        site.stack.__exit__()
