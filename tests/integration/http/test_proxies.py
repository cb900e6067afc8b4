"""Volley behind a real nginx: with and without a prefix, with its usual settings and with better ones."""

from __future__ import annotations

import dataclasses
import http.client
import json
import re
import ssl
from html import unescape
from urllib.parse import urlencode, urljoin

import pytest
from sqlalchemy import text

from mailing.campaigns import queries as campaigns
from mailing.core.states import CampaignAction, RecipientAction
from tests.support.proxies import NAME, WAYS, Site

_ACTIONS = "|".join(
    (
        *CampaignAction,
        *RecipientAction,
        "preferences",
        "watches",
        "revoke",
        "copy",
        "fallback",
        "start",
        "stop",
        "resize",
    )
)
NO_PAGE = re.compile(rf"/stream\b|/({_ACTIONS.replace('|edit', '')})$")


class Browser:
    """Keeps cookies and sends what a browser sends."""

    def __init__(self, port, prefix):
        self.port, self.prefix, self.cookies, self.page, self.path = port, prefix, {}, "", ""
        self.origin = f"https://{NAME}:{port}"
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

    def press(self, path, **form):
        form["csrf_token"] = re.search(r'name="csrf_token" value="([^"]+)"', self.page)[1]
        return self.ask(path, form, Referer=f"https://{NAME}:{self.port}{self.path}")


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


def links(text):
    """Every address in a page."""
    found = re.findall(r'\b(?:href|src|action|hx-get|data-address|data-icon|hx-sse:connect)="([^"]+)"', text)
    return {unescape(link) for link in found if not link.startswith("#")}


def test_every_address_on_every_page_leads_to_where_it_should(site):
    browser, prefix, campaign = Browser(site.port, site.prefix), site.prefix, site.store()
    seen, waiting = set(), {f"{prefix}/campaigns/{campaign}"}
    while waiting:
        path = waiting.pop()
        seen.add(shape(path))
        for link in links(browser.open(path)):
            assert link.startswith((f"{prefix}/", "?", browser.origin)), (path, link)
            target = urljoin(browser.origin + path, link).removeprefix(browser.origin).partition("#")[0]
            if shape(target) not in seen | set(map(shape, waiting)) and not NO_PAGE.search(target):
                waiting.add(target)
    for page in ("/", "/campaigns/N", "/campaigns/new", "/campaigns/N/recipients/N", "/history", "/workers"):
        assert prefix + page in seen
    assert any(path.startswith(f"{prefix}/static/") for path in seen)


def shape(path):
    """An address without what makes it one of many."""
    return re.sub(r"/\d+\b", "/N", path.partition("?")[0])


def test_forms_work_and_lead_back_to_where_they_were_pressed(site):
    browser, campaign = Browser(site.port, site.prefix), site.store()
    page = f"{site.prefix}/campaigns/{campaign}?state=failed"
    browser.open(page)
    answer, _ = browser.press(f"{site.prefix}/preferences", theme="dark")
    assert (answer.status, answer.headers["Location"]) == (303, page)
    answer, text = browser.press(f"{site.prefix}/campaigns/{campaign}/pause")
    assert (answer.status, answer.headers["Location"]) == (303, page), text
    with site.stack.db.read() as connection:
        assert campaigns.get(connection, campaign).state == "paused"


def test_cookies_are_for_tls_and_for_volley_s_own_pages_only(site):
    browser = Browser(site.port, site.prefix)
    browser.open(f"{site.prefix}/")
    browser.press(f"{site.prefix}/preferences", theme="dark")
    assert len(browser.set) >= 2
    for cookie in browser.set:
        parts = cookie.split("; ")
        assert {"Secure", "HttpOnly", f"Path={site.prefix or '/'}"} <= set(parts)


def test_a_watch_link_can_be_given_away(site):
    browser, page = Browser(site.port, site.prefix), f"{site.prefix}/campaigns/{site.store()}"
    browser.open(page)
    answer, _ = browser.press(f"{page}/watches", label="Bea", days="1")
    assert answer.headers["Location"] == f"{page}#share"
    link = re.search(r"https?://[^\"<]+/watch/[^\"<]+", browser.open(page))[0]
    assert link.startswith(f"{browser.origin}{site.prefix}/watch/")
    assert "ann@" not in Browser(site.port, site.prefix).open(link.removeprefix(browser.origin))


def test_live_news_come_at_once(site):
    browser, page = Browser(site.port, site.prefix), f"{site.prefix}/campaigns/{site.store()}"
    stream = re.search(r'hx-sse:connect="([^"]+)"', browser.open(page))[1]
    connection = browser.connect()
    connection.request("GET", unescape(stream), headers={"Host": f"{NAME}:{browser.port}"})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    told = b""
    while told.count(b"event: beat") < 2:  # the second of them comes seconds later, and alone
        told += answer.read1()
    assert f'href="{page}/recipients/'.encode() in told
    connection.close()


def test_the_api_names_where_a_campaign_is(site):
    browser = Browser(site.port, site.prefix)
    connection = browser.connect()
    body = json.dumps(
        {"subject": "x", "text": "x", "from": "a@b.example", "recipients": "a@b.example", "send": False}
    )
    headers = {"Host": f"{NAME}:{browser.port}", "Content-Type": "application/json"}
    connection.request("POST", f"{site.prefix}/api/v1/campaigns", body, headers)
    answer = connection.getresponse()
    assert answer.status == 201, answer.read()
    connection.close()
    assert answer.headers["Location"].startswith(f"{site.prefix}/api/v1/campaigns/")
    browser.open(answer.headers["Location"])


@pytest.mark.parametrize("origin", ["https://evil.example", f"https://{NAME}", f"http://{NAME}:{{}}", "null"])
def test_a_page_of_another_site_gets_nothing_done(site, origin):
    browser, page = Browser(site.port, site.prefix), f"{site.prefix}/campaigns/{site.store(send=False)}"
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
def test_the_log_names_who_asked_as_trusted_proxies_tell_it(tmp_path, trusted, sent, logged):
    site = Site(dataclasses.replace(WAYS["all passed"], trusted=trusted), tmp_path / "site")
    try:
        with site.stack.db.write() as connection:
            connection.execute(text("ALTER TABLE campaigns RENAME TO gone"))
        answer, _ = Browser(site.port, site.prefix).ask("/campaigns", source="127.0.0.2", **sent)
        assert answer.status == 503
        (line,) = [line for line in site.stack.log("web").splitlines() if "database cannot be used" in line]
        assert re.search(r"client=(\S+)", line)[1] == logged
    finally:
        site.stack.__exit__()
