"""Visits of a browser to an issuer, and what they leave behind."""

from __future__ import annotations

from mailing.accounts import audit
from mailing.accounts.audit import Asked
from mailing.core.actors import Actor, ActorKind
from tasks.commands.accounts import people

ANN = {"sub": "ann at the issuer", "email": "Ann@example.org", "email_verified": True}
BACK = "/sign-in/openid/callback"
VOLLEY = Actor(ActorKind.VOLLEY)


async def enrol(visitor, email, role):
    """Give somebody an account without a password; return the id."""
    svc = visitor.app.extensions["volley"]
    svc.doors.forget()
    return await svc.do(people.add, VOLLEY, email, role, None)


async def leave(visitor, path="/sign-in/openid"):
    """Set out for the issuer; return the address there."""
    response = await visitor.get(path)
    assert response.status_code == 303, await response.get_data()
    return response.headers["Location"]


async def arrive(visitor, path, status=303):
    """Come back from the issuer; return where it goes on, or what is said."""
    response = await visitor.get(path)
    text = (await response.get_data()).decode()
    assert response.status_code == status, text
    return response.headers["Location"] if status == 303 else text


async def sign_in(visitor, issuer, status=303, token=None, **claims):
    """There and back; return where it goes on, or what is said."""
    location = await leave(visitor)
    return await arrive(visitor, issuer.sign_in(location, token, **(ANN | claims)), status)


async def signed_in(visitor):
    """The address of whoever is signed in; empty if nobody is."""
    response = await visitor.get("/account")
    text = (await response.get_data()).decode()
    return text.split("<h1>")[1].split("</h1>")[0] if response.status_code == 200 else ""


async def entries(visitor, action):
    svc = visitor.app.extensions["volley"]
    return await svc.read(audit.page, Asked(action=action))
