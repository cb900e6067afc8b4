"""Signing in at an issuer (OpenID Connect): who comes in, who stays out, and that nothing forged counts."""

from __future__ import annotations

import asyncio
import sys
import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from mailing.accounts import users
from mailing.accounts.roles import Role
from tasks.commands.accounts import people
from tests.support.issuer import CLIENT
from tests.support.processes import Keeper
from tests.support.stack import free_port, wait_until
from tests.support.visits import ANN, BACK, VOLLEY, arrive, enrol, entries, leave, sign_in, signed_in
from tests.support.web import HOST, Visitor, running, settings_for

MINUTE, HOUR = 60, 3600


@pytest.fixture
async def visitor(db, issuer, settled):
    """A browser before a Volley in which an owner and Ann, a viewer, have accounts."""
    async with running(settled(issuer.url)) as visitor:
        await enrol(visitor, "owner@example.org", Role.OWNER)
        await enrol(visitor, "ann@example.org", Role.VIEWER)
        yield visitor


async def test_a_verified_address_links_the_identity_and_from_then_on_the_subject_counts(visitor, issuer):
    page = await visitor.read("/sign-in?next=/workers")
    assert "Sign in with Our login" in page
    assert "/sign-in/openid?next=%2Fworkers" in page
    location = await leave(visitor, "/sign-in/openid?next=/workers")
    assert await arrive(visitor, issuer.sign_in(location, **ANN)) == "/workers"
    assert await signed_in(visitor) == "ann@example.org"
    [linked] = await entries(visitor, "link identity")
    assert (linked.actor_name, linked.details) == ("ann@example.org", {"issuer": issuer.url})
    [entry] = await entries(visitor, "sign in")
    assert entry.details["how"] == "openid"
    other = Visitor(visitor.app)  # the address has changed there, the person has not
    await sign_in(other, issuer, email="new@example.org", email_verified=False)
    assert await signed_in(other) == "ann@example.org"
    assert len(await entries(visitor, "link identity")) == 1


async def test_an_address_that_was_given_to_somebody_else_opens_nothing(visitor, issuer):
    await sign_in(visitor, issuer)
    said = await sign_in(Visitor(visitor.app), issuer, 401, sub="the next ann")
    assert "as someone else" in said


async def test_an_unverified_address_links_nothing(visitor, issuer):
    issuer.people = {"sub": ANN["sub"]}
    for verified in (False, None, "true", 1):
        said = await sign_in(visitor, issuer, 401, email_verified=verified)
        assert "Our login doesn&#39;t say that your email address is verified" in said
    assert await signed_in(visitor) == ""
    refused = await entries(visitor, "sign in refused")
    assert {each.details["why"] for each in refused} == {"openid: openid.unverified"}


async def test_what_the_id_token_leaves_out_is_asked_for_and_must_be_about_the_same_person(visitor, issuer):
    bare = {"email": None, "email_verified": None}
    issuer.people = {"sub": "somebody else", "email": "ann@example.org", "email_verified": True}
    assert "failed a check" in await sign_in(visitor, issuer, 401, **bare)
    issuer.people = {**issuer.people, "sub": ANN["sub"]}
    assert "doesn&#39;t say" in await sign_in(
        visitor, issuer, 401, email="ann@example.org", email_verified=False
    )
    await sign_in(visitor, issuer, **bare)
    assert await signed_in(visitor) == "ann@example.org"


async def test_nobody_gets_an_account_by_signing_in_unless_the_settings_say_so(visitor, issuer):
    said = await sign_in(visitor, issuer, 401, sub="bob", email="bob@example.org")
    assert "bob@example.org has no account here" in said
    [refused] = await entries(visitor, "sign in refused")
    assert (refused.actor_name, refused.details["why"]) == ("bob@example.org", "openid: openid.no-account")


async def test_an_account_is_made_with_the_default_role_and_then_has_the_role_of_the_claim(
    db, issuer, settled
):
    async with running(settled(issuer.url, DEFAULT_ROLE="writer", ROLE_CLAIM="groups")) as visitor:
        assert await leave(visitor) == "/setup"  # the first account is made by no issuer
        await enrol(visitor, "owner@example.org", Role.OWNER)

        async def role(email):
            return (await visitor.app.extensions["volley"].read(users.find, email)).role

        bob = {"sub": "bob", "email": "bob@example.org"}
        issuer.people = {"sub": "bob"}
        await sign_in(visitor, issuer, **bob, groups=["staff"])
        assert await role("bob@example.org") is Role.WRITER
        assert "/account/password" not in await visitor.read("/account")  # there is none to change
        await sign_in(
            Visitor(visitor.app), issuer, **bob, groups=["viewer", "staff", "manager", 7, ["owner"]]
        )
        assert await role("bob@example.org") is Role.MANAGER
        await sign_in(Visitor(visitor.app), issuer, **bob)  # says nothing of roles
        assert await role("bob@example.org") is Role.MANAGER
        await sign_in(Visitor(visitor.app), issuer, **bob, groups="viewer")
        assert await role("bob@example.org") is Role.VIEWER
        changes = [each.details for each in await entries(visitor, "change role")]
        assert changes == [
            {"before": "manager", "after": "viewer", "how": "openid"},
            {"before": "writer", "after": "manager", "how": "openid"},
        ]
        await sign_in(Visitor(visitor.app), issuer, sub="o", email="owner@example.org", groups="viewer")
        assert await role("owner@example.org") is Role.OWNER, "the last owner stays one"
        unfit = await sign_in(Visitor(visitor.app), issuer, 401, sub="x", email="no address", groups="viewer")
        assert "verified" in unfit


async def test_a_deactivated_person_stays_out_and_is_linked_anew_when_reactivated(visitor, issuer):
    svc = visitor.app.extensions["volley"]
    await sign_in(visitor, issuer)
    ann = await svc.read(users.find, "ann@example.org")
    await svc.do(people.deactivate, VOLLEY, ann.id)
    assert "can&#39;t be used" in await sign_in(Visitor(visitor.app), issuer, 401)
    said = await sign_in(Visitor(visitor.app), issuer, 401, sub="another subject")
    assert "can&#39;t be used" in said
    await svc.do(people.reactivate, VOLLEY, ann.id)
    assert not await svc.read(users.signs_in_at, ann.id, issuer.url)
    await sign_in(visitor, issuer, sub="another subject")
    assert await signed_in(visitor) == "ann@example.org"


FORGED = {
    "alg none": ("unsigned", {}),
    "the public key as a secret": ("confused", {}),
    "for somebody else": ("signed", {"aud": "another client"}),
    "for nobody": ("signed", {"aud": None}),
    "for several, by nobody": ("signed", {"aud": [CLIENT, "another client"]}),
    "by another client": ("signed", {"azp": "another client"}),
    "of another issuer": ("signed", {"iss": "https://evil.example"}),
    "of another sign-in": ("signed", {"nonce": "another"}),
    "of no sign-in": ("signed", {"nonce": None}),
    "without a subject": ("signed", {"sub": None}),
    "with a subject that is none": ("signed", {"sub": 7}),
    "without an end": ("signed", {"exp": None}),
    "at no time": ("signed", {"iat": "yesterday"}),
    "at a time that is no number": ("signed", {"iat": float("nan")}),
    "not a token": (None, {}),
}


async def test_a_token_that_proves_nothing_opens_nothing(visitor, issuer):
    for what, (token, claims) in FORGED.items():
        made = getattr(issuer, token) if token else lambda _claims: "a.b.c"
        assert "failed a check" in await sign_in(visitor, issuer, 401, made, **claims), what
    assert await signed_in(visitor) == ""
    assert len(await entries(visitor, "sign in refused")) == len(FORGED)


async def test_clocks_may_differ_by_minutes_and_not_by_hours(visitor, issuer):
    now = round(time.time())
    for apart in (-2 * MINUTE, 2 * MINUTE):
        await sign_in(Visitor(visitor.app), issuer, iat=now + apart, exp=now + apart + 30)
    for apart in (-2 * HOUR, 2 * HOUR):
        said = await sign_in(Visitor(visitor.app), issuer, 401, iat=now + apart, exp=now + apart + HOUR)
        assert "The clocks of Our login and this server differ by 120 min" in said
    expired = await sign_in(visitor, issuer, 401, exp=now - 10 * MINUTE)
    assert "differ by 10 min" in expired


async def test_a_way_back_counts_once_and_only_for_the_browser_that_left(visitor, issuer):
    path = issuer.sign_in(await leave(visitor), **ANN)
    over = "has expired or was used already"
    assert over in await arrive(Visitor(visitor.app), path, 400)
    cookie = next(each for each in visitor.client.cookie_jar if each.name == "volley_openid")
    assert (cookie.path, cookie.has_nonstandard_attr("HttpOnly")) == (BACK, True)
    assert cookie.get_nonstandard_attr("SameSite") == "Lax"
    await arrive(visitor, path)
    assert not [each for each in visitor.client.cookie_jar if each.name == "volley_openid"]
    assert over in await arrive(visitor, path, 400)
    visitor.client.cookie_jar.set_cookie(cookie)  # kept by a thief
    assert over in await arrive(visitor, path, 400)


async def test_a_wrong_state_and_a_missing_one_are_refused(visitor, issuer):
    for change in ("state=another", "nothing=else", "state=%ff", "state="):
        path = issuer.sign_in(await leave(visitor), **ANN)
        assert "has expired" in await arrive(visitor, path.replace("state=", f"{change}&was="), 400)
    assert "has expired" in await arrive(visitor, BACK, 400)
    visitor.client.set_cookie(HOST, "volley_openid", "rubbish", path=BACK)
    assert "has expired" in await arrive(visitor, BACK, 400)
    assert await entries(visitor, "sign in refused") == []


async def test_a_code_counts_once_and_only_at_the_issuer_that_was_asked(visitor, issuer):
    used = issuer.sign_in(await leave(visitor), **ANN)
    await arrive(visitor, used)
    again = issuer.sign_in(await leave(thief := Visitor(visitor.app)), **ANN)
    codes = [parse_qs(urlsplit(path).query)["code"][0] for path in (again, used)]
    assert "has expired or was used" in await arrive(thief, again.replace(*codes), 400)
    for wrong in ("iss=https://evil.example", "nothing=else"):  # mix-up (RFC 9207)
        path = issuer.sign_in(await leave(thief), **ANN).replace("iss=", f"{wrong}&was=")
        assert "failed a check" in await arrive(thief, path, 401)
    denied = issuer.sign_in(await leave(thief), **ANN).replace("code=", "error=access_denied&was=")
    assert "Our login didn&#39;t sign you in" in await arrive(thief, denied, 401)
    assert await signed_in(thief) == ""


async def test_nobody_is_led_to_another_site(visitor, issuer):
    for onward in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/%09/evil.example",
        "x" * 2000,
    ):
        browser = Visitor(visitor.app)
        location = await leave(browser, f"/sign-in/openid?next={onward}")
        asked = parse_qs(urlsplit(location).query)
        assert asked["redirect_uri"] == [f"http://{HOST}{BACK}"]
        assert await arrive(browser, issuer.sign_in(location, **ANN)) == "/", onward


async def test_who_has_no_password_confirms_by_signing_in_again_at_the_issuer(visitor, issuer):
    owner = {"sub": "o", "email": "owner@example.org"}
    await sign_in(visitor, issuer, **owner)
    page = await visitor.read("/confirm?next=/people")
    assert "Sign in again with Our login" in page
    assert 'name="password"' not in page

    async def confirm(status=303, **claims):
        location = await leave(visitor, "/confirm/openid?next=/people")
        asked = parse_qs(urlsplit(location).query)
        assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
        return await arrive(visitor, issuer.sign_in(location, **(ANN | owner | claims)), status)

    now = round(time.time()) - 3 * MINUTE  # by the clock of the issuer
    for remembered in ({}, {"auth_time": now - HOUR}, {"auth_time": True}):
        said = await confirm(401, iat=now, **remembered)
        assert "didn&#39;t ask you to sign in" in said
        assert "Sign in again with Our login" in said
    assert "as someone else" in await confirm(401, sub="another", auth_time=now, iat=now)
    assert await entries(visitor, "confirm") == []
    assert await confirm(iat=now, auth_time=now) == "/people"
    [entry] = await entries(visitor, "confirm")
    assert entry.details["how"] == "openid"
    location = await leave(visitor, "/confirm/openid")
    await visitor.read("/account")
    await visitor.post("/sign-out")
    ended = await arrive(visitor, issuer.sign_in(location, **(ANN | owner), auth_time=now), 400)
    assert "has expired" in ended
    assert await signed_in(visitor) == ""


async def test_without_an_issuer_there_is_no_button_and_no_way(db, tmp_path, database_url):
    async with running(settings_for(tmp_path, database_url)) as visitor:
        await enrol(visitor, "ann@example.org", Role.VIEWER)
        assert "openid" not in await visitor.read("/sign-in")
        for path in ("/sign-in/openid", BACK):
            assert (await visitor.get(path)).status_code == 404


async def test_a_provider_of_others_signs_people_in(db, settled):
    """That of a package, in a process of its own: nothing in it was made for Volley."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with Keeper() as keeper:
        keeper.start([sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)])

        def ready():
            try:
                return httpx.get(f"{url}/.well-known/openid-configuration").status_code == 200
            except httpx.TransportError:
                return False

        await asyncio.to_thread(wait_until, ready, "the provider answers")
        async with httpx.AsyncClient() as browser, running(settled(url, ROLE_CLAIM="roles")) as visitor:
            await enrol(visitor, "owner@example.org", Role.OWNER)
            await enrol(visitor, "ann@example.org", Role.VIEWER)
            claims = {"email": "ann@example.org", "email_verified": True, "roles": ["writer"]}
            await browser.put(f"{url}/users/ann", json=claims)
            location = await leave(visitor)
            assert (await browser.get(location)).status_code == 200
            left = await browser.post(location, data={"sub": "ann"})
            back = left.headers["Location"].removeprefix(f"http://{HOST}")
            assert await arrive(visitor, back) == "/"
            assert await signed_in(visitor) == "ann@example.org"
            assert [each.details["after"] for each in await entries(visitor, "change role")] == ["writer"]
            denied = await browser.post(await leave(other := Visitor(visitor.app)), data={"action": "deny"})
            path = denied.headers["Location"].removeprefix(f"http://{HOST}")
            assert await signed_in(other) == ""
            assert path.startswith(BACK)
