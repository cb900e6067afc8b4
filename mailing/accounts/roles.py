"""What may be done in Volley, and which role may do it. Pure: one table for pages, API and tests."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Permission(StrEnum):
    """Something that may be done. Its text is the scope that a key for it is given."""

    READ = "campaigns:read"  # campaigns with their recipients and messages, the email log, the workers
    WRITE = "campaigns:write"  # drafts
    SEND = "campaigns:send"  # send, pause, resume, cancel, and decide about recipients
    SHARE = "campaigns:share"  # links by which strangers watch
    LISTS = "lists:write"  # saved lists
    SENDERS = "senders:write"  # accounts at mail servers: credentials, limits, order
    WORKERS = "workers:write"  # stop, start and resize workers
    PEOPLE = "people:write"  # invite, give a role, deactivate
    KEYS = "keys:write"  # keys of programs
    AUDIT = "audit:read"  # who did what


class Role(StrEnum):
    """What somebody is here for. The first may do the most."""

    OWNER = "owner"
    MANAGER = "manager"
    WRITER = "writer"
    VIEWER = "viewer"


NOTHING: frozenset[Permission] = frozenset()
_VIEWER = frozenset({Permission.READ})
_WRITER = _VIEWER | {Permission.WRITE}
_MANAGER = _WRITER | {
    Permission.SEND,
    Permission.SHARE,
    Permission.LISTS,
    Permission.SENDERS,
    Permission.WORKERS,
}

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.WRITER: _WRITER,
    Role.MANAGER: _MANAGER,
    Role.OWNER: frozenset(Permission),
}
ANYBODY = PERMISSIONS[Role.MANAGER]
"""What everybody may do on a machine of their own, as long as nobody has an account."""

SCOPES: frozenset[Permission] = _MANAGER | {Permission.AUDIT}
"""What a key may be given: no program makes people or keys."""

SENSITIVE: frozenset[Permission] = frozenset({Permission.PEOPLE, Permission.KEYS})
"""What a person must have confirmed lately, with the password or a passkey."""
