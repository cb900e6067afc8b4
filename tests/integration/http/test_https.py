"""Volley with a certificate of its own: HTTPS from the browser to the web process, by HTTP/1.1 and HTTP/2."""

from __future__ import annotations

import http.client
import re
import ssl

import httpx
import pytest

from tests.support import certificates
from tests.support.stack import OWNER, PASSWORD, Stack, wait_until
from tests.support.web import HOST, running, settings_for
from webapp.http.security import HSTS


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("https")
    certificate, key = certificates.pair(folder, "IP:127.0.0.1")
    extra = {"VOLLEY_TLS_CERTIFICATE": str(certificate), "VOLLEY_TLS_KEY": str(key)}
    with Stack(folder, extra=extra) as stack:
        stack.start("web")
        yield stack


def client(stack, *, http2):
    trusted = ssl.create_default_context(cafile=stack.settings.certificate[0])
    return httpx.Client(base_url=stack.url, http2=http2, verify=trusted, timeout=20)


def press(visitor, path, **form):
    token = re.search(r'name="csrf_token" value="([^"]+)"', visitor.get(path).text)[1]
    return visitor.post(path, data={"csrf_token": token} | form, headers={"Origin": str(visitor.base_url)})


def test_the_first_account_is_made_and_signs_in_by_https(stack):
    wait_until(lambda: f"Open {stack.url}/ in a browser" in stack.log("web"), "the address is written")
    with client(stack, http2=True) as visitor:
        answer = press(visitor, "/setup", email=OWNER, password=PASSWORD, again=PASSWORD)
        assert (answer.status_code, answer.http_version) == (303, "HTTP/2"), answer.text
        assert answer.headers["Strict-Transport-Security"] == HSTS
        assert set(visitor.cookies) >= {"__Host-volley_session"}
        assert all("; Secure; HttpOnly;" in cookie for cookie in answer.headers.get_list("Set-Cookie"))
        assert visitor.get("/people").status_code == 200
        with visitor.stream("GET", "/campaigns/stream", headers={"Accept-Encoding": "identity"}) as news:
            assert any("event: beat" in line for line in news.iter_lines())
    with client(stack, http2=False) as visitor:
        answer = press(visitor, "/sign-in", email=OWNER, password=PASSWORD)
        assert (answer.status_code, answer.http_version) == (303, "HTTP/1.1")
        assert visitor.get("/people").status_code == 200


def test_who_comes_without_tls_gets_nothing_and_harms_nothing(stack):
    line = http.client.HTTPConnection("127.0.0.1", stack.web_port, timeout=20)
    line.request("GET", "/sign-in")
    with pytest.raises((OSError, http.client.HTTPException)):
        line.getresponse()
    line.close()
    with client(stack, http2=True) as visitor:
        assert visitor.get("/healthz").status_code == 200
    assert "Traceback" not in stack.log("web")


async def test_a_browser_is_told_to_stay_on_https_only_where_it_came_by_it(tmp_path, db, database_url):
    """Hypercorn, or a proxy that is trusted, says how it came."""
    chosen = settings_for(tmp_path, database_url, VOLLEY_TRUSTED_PROXIES="192.0.2.0/24")
    async with running(chosen) as visitor:
        for peer, said, told in (
            ("192.0.2.1", "https", HSTS),
            ("192.0.2.1", "http", None),
            ("127.0.0.1", "https", None),
        ):
            headers = {"Host": HOST, "X-Forwarded-Proto": said}
            answer = await visitor.get("/sign-in", headers=headers, scope_base={"client": (peer, 1)})
            assert answer.headers.get("Strict-Transport-Security") == told, (peer, said)
            assert all(("; Secure" in it) == bool(told) for it in answer.headers.getlist("Set-Cookie"))
