"""Commands about people and keys. Each names its actor, and writes into the audit log in its transaction.

All are blocking. What may not be done raises ``AccountError`` with the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts import audit, invitations, sessions, throttle, users
from mailing.accounts.users import AccountError
from mailing.addresses import mailbox
from mailing.core.actors import Actor, ActorKind
from mailing.core.reasons import Reason, UnfitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from mailing.accounts.invitations import Invitation
    from mailing.accounts.openid import Identity
    from mailing.accounts.openid_settings import OpenId
    from mailing.accounts.roles import Role
    from mailing.accounts.sessions import Session
    from mailing.accounts.throttle import Limit
    from mailing.accounts.users import User
    from tasks.commands.backend import Backend


def set_up(backend: Backend, email: str, password_hash: str, address: str) -> int:
    """Make the first account, an owner's; return its id."""
    with backend.db.write() as connection:
        user_id = users.add_first(connection, email, password_hash)
        actor = Actor(ActorKind.PERSON, email, user_id, address)
        audit.record(connection, actor, "set up", _about(user_id))
    return user_id


def add(backend: Backend, actor: Actor, email: str, role: Role, password_hash: str) -> int:
    """Make an account; return its id."""
    with backend.db.write() as connection:
        user_id = users.add(connection, email, role, password_hash)
        audit.record(connection, actor, "add person", _about(user_id), email=email, role=role)
    return user_id


def invite(backend: Backend, actor: Actor, email: str, role: Role) -> str:
    """Invite somebody; return the token of the link."""
    with backend.db.write() as connection:
        invitation_id, token = invitations.make(connection, email, role)
        audit.record(connection, actor, "invite", f"invitation:{invitation_id}", email=email, role=role)
    return token


def note_letter(backend: Backend, actor: Actor, invitation: Invitation, *, sent: bool) -> None:
    """Note that an invitation was mailed, or could not be."""
    subject = f"invitation:{invitation.id}"
    with backend.db.write() as connection:
        audit.record(connection, actor, "mail invitation", subject, email=invitation.email, sent=sent)


def revoke(backend: Backend, actor: Actor, invitation_id: int) -> None:
    """End an invitation; to end it again changes nothing."""
    with backend.db.write() as connection:
        if invitations.revoke(connection, invitation_id):
            audit.record(connection, actor, "revoke invitation", f"invitation:{invitation_id}")


def accept(backend: Backend, token: str, password_hash: str, address: str) -> int:
    """Make the account of an invitation; return its id."""
    with backend.db.write() as connection:
        invitation, user_id = invitations.accept(connection, token, password_hash)
        actor = Actor(ActorKind.PERSON, invitation.email, user_id, address)
        audit.record(connection, actor, "accept invitation", _about(user_id), role=invitation.role)
    return user_id


def sign_in(backend: Backend, user: User, address: str, agent: str, how: str, *, before: str = "") -> str:
    """Begin a session; return its token. The session whose token was ``before`` ends with it.

    ``how`` is like ``password`` or ``passkey``.
    """
    actor = Actor(ActorKind.PERSON, user.email, user.id, address)
    with backend.db.write() as connection:
        now = users.get(connection, user.id)
        if now is None or not now.active:
            raise AccountError(Reason("account.refused"))
        if before and (old := sessions.find(connection, before)):
            sessions.end(connection, old.user_id, old.id)
        session_id, token = sessions.begin(connection, user.id, address, agent)
        audit.record(connection, actor, "sign in", _about(user.id), how=how, session=session_id)
    return token


def admit(backend: Backend, settings: OpenId, who: Identity, address: str) -> int:
    """Return the id of the account that an identity opens, with the role that the issuer gives.

    An identity that is not linked yet is linked to the account of its verified e-mail address; a new account
    is made if the settings say so. Raises ``AccountError``.
    """
    with backend.db.write() as connection:
        user = users.of_identity(connection, who.issuer, who.subject)
        user = user or _first_time(connection, settings, who, address)
        if not user.active:
            raise AccountError(Reason("account.refused"))
        if who.role and _give(connection, user, who.role):
            actor = Actor(ActorKind.PERSON, user.email, user.id, address)
            details = {"before": user.role, "after": who.role, "how": "openid"}
            audit.record(connection, actor, "change role", _about(user.id), **details)
    return user.id


def refuse(backend: Backend, email: str, user: User | None, address: str, why: str) -> None:
    """Note that somebody was not let in. What is no address may be a password, and is not kept."""
    typed = email[:_LONGEST] if "@" in email else ""
    actor = Actor(ActorKind.PERSON, typed, user.id if user else None, address)
    with backend.db.write() as connection:
        audit.record(connection, actor, "sign in refused", _about(user.id) if user else "", why=why)


def refuse_access(backend: Backend, actor: Actor, why: str, needed: str) -> None:
    """Note that a known person or an invalid key was refused something that needs a permission."""
    with backend.db.write() as connection:
        audit.record(connection, actor, "access refused", why=why, needed=needed)


def sign_out(backend: Backend, actor: Actor, user_id: int, session_id: int) -> None:
    """End a session: the one that asks, or another of the same person."""
    with backend.db.write() as connection:
        if sessions.end(connection, user_id, session_id):
            audit.record(connection, actor, "end session", _about(user_id), session=session_id)


def sign_out_everywhere(backend: Backend, actor: Actor, user_id: int, *, but: int | None = None) -> int:
    """End all of somebody's sessions but one; return how many."""
    with backend.db.write() as connection:
        if users.get(connection, user_id) is None:
            raise AccountError(Reason("account.unknown"))
        ended = sessions.end_all(connection, user_id, but=but)
        audit.record(connection, actor, "end all sessions", _about(user_id), ended=ended)
    return ended


def confirm(backend: Backend, actor: Actor, session_id: int, how: str) -> str:
    """Note that whoever uses the session has shown who they are; return the session's new token."""
    with backend.db.write() as connection:
        token = sessions.confirm(connection, session_id)
        audit.record(connection, actor, "confirm", how=how, session=session_id)
    return token


def change_password(
    backend: Backend, actor: Actor, user_id: int, password_hash: str, *, session: int | None = None
) -> None:
    """Keep a new password; all other sessions end."""
    with backend.db.write() as connection:
        users.set_password(connection, user_id, password_hash)
        sessions.end_all(connection, user_id, but=session)
        audit.record(connection, actor, "change password", _about(user_id))


def change_role(backend: Backend, actor: Actor, user_id: int, role: Role) -> None:
    """Give somebody a role."""
    with backend.db.write() as connection:
        before = users.set_role(connection, user_id, role)
        audit.record(connection, actor, "change role", _about(user_id), before=before.role, after=role)


def deactivate(backend: Backend, actor: Actor, user_id: int) -> None:
    """Deactivate an account: its sessions, streams and keys end."""
    with backend.db.write() as connection:
        user = users.deactivate(connection, user_id)
        audit.record(connection, actor, "deactivate", _about(user_id), email=user.email)


def reactivate(backend: Backend, actor: Actor, user_id: int) -> None:
    """Reactivate an account."""
    with backend.db.write() as connection:
        user = users.reactivate(connection, user_id)
        audit.record(connection, actor, "reactivate", _about(user_id), email=user.email)


def touch(backend: Backend, session: Session) -> None:
    """Note that a session is used. No row of the audit log: it would be one a minute."""
    with backend.db.write() as connection:
        sessions.touch(connection, session)


def count_tries(backend: Backend, names: Sequence[tuple[str, Limit]]) -> int:
    """Count a try for each name; return 0, or after how many ms the next one counts."""
    with backend.db.write() as connection:
        return max(throttle.wait_ms(connection, name, limit) for name, limit in names)


_LONGEST = 254  # characters of an address (RFC 5321 section 4.5.3.1.3)


def _about(user_id: int) -> str:
    return f"user:{user_id}"


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
    if users.signs_in_at(connection, user.id, who.issuer):  # the address may have been given to somebody else
        raise AccountError(Reason("openid.other-person", name=settings.name))
    users.link(connection, user.id, who.issuer, who.subject)
    actor = Actor(ActorKind.PERSON, user.email, user.id, address)
    audit.record(connection, actor, "link identity", _about(user.id), issuer=who.issuer)
    return user


def _make(connection: Connection, settings: OpenId, who: Identity, role: Role, address: str) -> User:
    try:
        email = mailbox.judge(who.email)
    except UnfitError:
        raise AccountError(Reason("openid.unverified", name=settings.name)) from None
    user_id = users.add(connection, email, role, None)
    actor = Actor(ActorKind.PERSON, email, user_id, address)
    audit.record(connection, actor, "add person", _about(user_id), email=email, role=role, how="openid")
    user = users.get(connection, user_id)
    assert user is not None
    return user


def _give(connection: Connection, user: User, role: Role) -> bool:
    """Give a role; return whether it is another one. The last owner stays one."""
    try:
        with connection.begin_nested():
            return users.set_role(connection, user.id, role).role is not role
    except AccountError:
        return False
