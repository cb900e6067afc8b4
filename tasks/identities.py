"""Commands about accounts elsewhere (OpenID Connect): whose an identity is, and with which role.

Blocking. The issuer has proved the identity; here it is decided whether it opens a door.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts import audit, identities, users
from mailing.accounts.users import AccountError
from mailing.addresses import mailbox
from mailing.core.actors import Actor, ActorKind
from mailing.core.reasons import Reason, UnfitError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mailing.accounts.openid import Identity, OpenId
    from mailing.accounts.roles import Role
    from mailing.accounts.users import User
    from tasks.commands import Backend

_HOW = "openid"


def admit(backend: Backend, settings: OpenId, who: Identity, address: str) -> int:
    """Return the id of the account that an identity opens, with the role that the issuer gives.

    An identity that is not linked yet is linked to the account of its verified e-mail address; a new account
    is made if the settings say so. Raises ``AccountError``.
    """
    with backend.db.write() as connection:
        user = identities.owner(connection, who.issuer, who.subject)
        user = user or _first_time(connection, settings, who, address)
        if not user.active:
            raise AccountError(Reason("account.refused"))
        if who.role and who.role is not user.role:
            _give(connection, user, who.role, address)
    return user.id


def _first_time(connection: Connection, settings: OpenId, who: Identity, address: str) -> User:
    if not who.email:
        raise AccountError(Reason("openid.unverified", name=settings.name))
    user = users.find(connection, who.email)
    if user is None and settings.default_role and users.any_exist(connection):
        user = _make(connection, settings, who, who.role or settings.default_role, address)
    if user is None:
        raise AccountError(Reason("openid.no-account", email=who.email))
    if not user.active:
        raise AccountError(Reason("account.refused"))
    if identities.any_of(connection, user.id, who.issuer):  # the address may have been given to somebody else
        raise AccountError(Reason("openid.other-person", name=settings.name))
    identities.link(connection, who.issuer, who.subject, user.id)
    actor = Actor(ActorKind.PERSON, user.email, user.id, address)
    audit.record(connection, actor, "link identity", f"user:{user.id}", issuer=who.issuer)
    return user


def _make(connection: Connection, settings: OpenId, who: Identity, role: Role, address: str) -> User:
    try:
        email = mailbox.judge(who.email)
    except UnfitError:
        raise AccountError(Reason("openid.unverified", name=settings.name)) from None
    user_id = users.add(connection, email, role, None)
    actor = Actor(ActorKind.PERSON, email, user_id, address)
    audit.record(connection, actor, "add person", f"user:{user_id}", email=email, role=role, how=_HOW)
    user = users.get(connection, user_id)
    assert user is not None
    return user


def _give(connection: Connection, user: User, role: Role, address: str) -> None:
    """Give the role, unless no owner would be left."""
    try:
        with connection.begin_nested():
            before = users.set_role(connection, user.id, role)
    except AccountError:
        return
    actor = Actor(ActorKind.PERSON, user.email, user.id, address)
    details = {"before": before.role, "after": role, "how": _HOW}
    audit.record(connection, actor, "change role", f"user:{user.id}", **details)
