"""An invitation by email: it arrives in the inviter's language, and where it does not, the page says why."""

from __future__ import annotations

import re
from email import message_from_bytes, policy

import pytest
from sqlalchemy import delete

from mailing.accounts import audit
from mailing.accounts.audit import Asked
from mailing.accounts.roles import Role
from mailing.accounts.tables import invitations
from mailing.domains import keys
from mailing.domains.dkim import Algorithm
from mailing.domains.tables import KeyState, dkim_keys
from tests.support.smtp_server import FakeServer
from tests.support.stack import free_port
from tests.support.web import HOST, Visitor, running, settings_for

SECRET = "a secret key of thirty-two letters"
BOB = "bob@example.org"


@pytest.fixture
def settled(tmp_path, database_url):
    def settings(port, **more):
        smtp = {"VOLLEY_SMTP_URL": f"smtp://127.0.0.1:{port}", "VOLLEY_FROM": "Volley <volley@example.org>"}
        return settings_for(tmp_path, database_url, **(smtp | more))

    return settings


async def invite(visitor):
    """Invite Bob; return the link and the form beside it."""
    await visitor.read("/people")
    made = await visitor.post("/people", {"email": BOB, "role": "writer"})
    page = (await made.get_data()).decode()
    assert made.status_code == 201
    token = re.search(r'name="token" value="([^"]+)"', page)[1]
    return f"http://{HOST}/invitations/{token}", {"token": token}


async def mail(visitor, form, status):
    response = await visitor.post("/people/invitations/mail", form)
    text = (await response.get_data()).decode()
    assert response.status_code == status, text
    return text


async def test_an_invitation_is_mailed_in_the_language_of_the_inviter_and_its_link_works(db, settled):
    async with FakeServer() as server, running(settled(server.port)) as visitor:
        visitor.enter(Role.OWNER, "ann@example.org")
        link, form = await invite(visitor)
        page = await mail(visitor, form, 200)
        assert f"Sent to {BOB}." in page
        assert link in page
        visitor.client.set_cookie(HOST, "language", "vi")
        await mail(visitor, form, 200)
        english, vietnamese = (message_from_bytes(it.data, policy=policy.default) for it in server.received)
        assert [it.recipients for it in server.received] == [(BOB,), (BOB,)]
        assert (english["From"], english["To"]) == ("Volley <volley@example.org>", BOB)
        assert (english["Subject"], vietnamese["Subject"]) == ("Invitation to Volley", "Lời mời dùng Volley")
        assert "ann@example.org invites you to Volley." in english.get_content()
        assert link in english.get_content()
        assert "ann@example.org mời bạn" in vietnamese.get_content()
        svc = visitor.app.extensions["volley"]
        told = await svc.read(audit.page, Asked(action="mail invitation"))
        assert [each.details for each in told] == [{"email": BOB, "sent": True}] * 2
        assert "Create account" in await Visitor(visitor.app).read(link.removeprefix(f"http://{HOST}"))


async def test_an_email_that_is_refused_leaves_the_link_and_says_why(db, settled):
    async with (
        FakeServer({"rcpt": [b"550 5.1.1 no such <user>\r\n"]}) as server,
        running(settled(server.port)) as visitor,
    ):
        visitor.enter(Role.OWNER)
        link, form = await invite(visitor)
        page = await mail(visitor, form, 502)
        assert "didn&#39;t accept the email. Copy the link instead. 550 5.1.1 no such &lt;user&gt;" in page
        assert link in page
        await visitor.read("/people")
        await visitor.post("/people/invitations/1/revoke")
        assert "used or revoked" in await mail(visitor, form, 409)
        assert server.received == []


async def test_a_mail_server_that_is_down_leaves_the_link_and_says_why(db, settled):
    port = free_port()
    async with running(settled(port)) as visitor:
        visitor.enter(Role.OWNER)
        link, form = await invite(visitor)
        page = await mail(visitor, form, 502)
        assert f"127.0.0.1:{port}" in page
        assert link in page


async def test_a_link_names_the_public_address_of_volley(db, settled):
    async with FakeServer() as server:
        chosen = settled(server.port, VOLLEY_URL="https://mail.example.org/volley", VOLLEY_HOSTS=HOST)
        async with running(chosen) as visitor:
            await visitor.read("/people")
            made = await visitor.post("/people", {"email": BOB, "role": "viewer"})
            assert "https://mail.example.org/volley/invitations/" in (await made.get_data()).decode()


async def test_an_invitation_is_signed_with_the_keys_of_its_domain_or_of_the_one_above(db, settled):
    with db.write() as connection:
        keys.keep(connection, "example.org", keys.generate([*Algorithm]), SECRET)
        connection.execute(dkim_keys.update().values(state=KeyState.ACTIVE))
    for sender in ("volley@example.org", "volley@news.example.org"):
        chosen = {"VOLLEY_SECRET_KEY": SECRET, "VOLLEY_FROM": f"Volley <{sender}>"}
        async with FakeServer() as server, running(settled(server.port, **chosen)) as visitor:
            visitor.enter(Role.OWNER, "ann@example.org")
            _link, form = await invite(visitor)
            await mail(visitor, form, 200)
            (got,) = server.received
        assert got.data.count(b"DKIM-Signature: ") == 2
        assert b"\r\n d=example.org;" in got.data
        with db.write() as connection:
            connection.execute(delete(invitations))
