"""The words of the audit log: its rows hold codes, and the page says them in the reader's language.

A code that this version has no words for, as of a row that another version wrote, is shown as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.accounts.roles import Role
from mailing.core.actors import ActorKind
from mailing.core.reasons import FIELDS, Reason
from webapp.accounts.people import ROLES
from webapp.i18n.domain_texts import say
from webapp.i18n.languages import N_, _
from webapp.ui import formats

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jinja2 import Environment

ACTIONS: Mapping[str, str] = {
    "create": N_("Created a campaign"),
    "revise": N_("Changed a campaign"),
    "add to list": N_("Added recipients"),
    "correct": N_("Corrected the message"),
    "change breaker": N_("Changed the failure limit"),
    "follow up": N_("Made a follow-up draft"),
    "fix list": N_("Fixed skipped lines"),
    "send": N_("Started sending"),
    "schedule": N_("Scheduled a campaign"),
    "unschedule": N_("Made a scheduled campaign a draft"),
    "steer": N_("Changed schedule or priority"),
    "pause": N_("Paused"),
    "resume": N_("Resumed"),
    "cancel": N_("Canceled"),
    "retry": N_("Retried recipients"),
    "resend-unknown": N_("Resent to unknown recipients"),
    "mark-unknown-sent": N_("Marked unknown as sent"),
    "skip": N_("Excluded recipients"),
    "fail": N_("Marked as failed"),
    "lane-resume": N_("Resumed a receiver"),
    "lane-rest": N_("Slowed down a receiver"),
    "lane-pause": N_("Paused a receiver"),
    "rehearse": N_("Rehearsed a campaign"),
    "test send": N_("Sent a test"),
    "open links": N_("Checked the links"),
    "create share link": N_("Created a share link"),
    "revoke share link": N_("Revoked a share link"),
    "keep file": N_("Saved a file"),
    "attach": N_("Attached a file"),
    "detach": N_("Removed an attachment"),
    "save template": N_("Saved a template"),
    "delete template": N_("Deleted a template"),
    "create list": N_("Created a list"),
    "rename list": N_("Renamed a list"),
    "delete list": N_("Deleted a list"),
    "add contact": N_("Added a contact"),
    "change contact": N_("Changed a contact"),
    "remove contact": N_("Removed a contact"),
    "upload file": N_("Uploaded a file"),
    "start import": N_("Started an import"),
    "cancel import": N_("Canceled an import"),
    "correct addresses": N_("Corrected addresses"),
    "add sender": N_("Added a sender"),
    "change sender": N_("Changed a sender"),
    "move sender": N_("Moved a sender"),
    "connect sender": N_("Connected a sender"),
    "test sender": N_("Tested a sender"),
    "change route": N_("Changed senders or limits of a campaign"),
    "warm up sender": N_("Changed the warm-up of a sender"),
    "end warm-up": N_("Ended the warm-up of a sender"),
    "delete sender": N_("Deleted a sender"),
    "add mailbox": N_("Added a mailbox"),
    "change mailbox": N_("Changed a mailbox"),
    "delete mailbox": N_("Removed a mailbox"),
    "connect mailbox": N_("Connected a mailbox"),
    "test mailbox": N_("Tested a mailbox"),
    "take bounces": N_("Took in bounces"),
    "change bounce rule": N_("Changed a rule for bounces"),
    "create webhook": N_("Created a webhook"),
    "change webhook key": N_("Changed the key of a webhook"),
    "remove webhook": N_("Removed a webhook"),
    "make dkim keys": N_("Created DKIM keys"),
    "retire dkim key": N_("Retired a DKIM key"),
    "suppress": N_("Added to the do-not-send list"),
    "lift suppression": N_("Lifted a suppression"),
    "forget person": N_("Forgot a person"),
    "unsubscribe": N_("Unsubscribed"),
    "pause emails": N_("Paused emails for 30 days"),
    "resubscribe": N_("Subscribed again"),
    "start worker": N_("Resumed a worker"),
    "stop worker": N_("Paused a worker"),
    "resize worker": N_("Changed a worker's connections"),
    "set up": N_("Created the first account"),
    "sign in": N_("Signed in"),
    "sign in refused": N_("Sign-in refused"),
    "access refused": N_("Access refused"),
    "confirm": N_("Confirmed the identity"),
    "end session": N_("Ended a session"),
    "end all sessions": N_("Ended sessions"),
    "add person": N_("Added a person"),
    "invite": N_("Invited a person"),
    "mail invitation": N_("Mailed an invitation"),
    "revoke invitation": N_("Revoked an invitation"),
    "accept invitation": N_("Accepted an invitation"),
    "link identity": N_("Linked an identity"),
    "change role": N_("Changed a role"),
    "change password": N_("Changed the password"),
    "deactivate": N_("Deactivated a person"),
    "reactivate": N_("Reactivated a person"),
    "turn on totp": N_("Turned the authenticator app on"),
    "turn off totp": N_("Turned the authenticator app off"),
    "renew recovery codes": N_("Created recovery codes"),
    "add passkey": N_("Added a passkey"),
    "remove passkey": N_("Removed a passkey"),
    "add key": N_("Created an API key"),
    "revoke key": N_("Revoked an API key"),
    "make signing key": N_("Created a signing key"),
    "make receipt key": N_("Created a key for receipts"),
}
"""What was done, in the order in which a page offers them."""

KINDS: Mapping[str, str] = {
    ActorKind.PERSON: N_("person"),
    ActorKind.API: N_("program"),
    ActorKind.CLI: N_("command line"),
    ActorKind.VOLLEY: "Volley",
    ActorKind.RECIPIENT: N_("recipient"),
}
SUBJECTS: Mapping[str, tuple[str, str]] = {
    "campaign": (N_("campaign %(n)s"), "/campaigns/"),
    "list": (N_("list %(n)s"), "/lists/"),
    "import": (N_("import %(n)s"), "/lists/imports/"),
    "sender": (N_("sender %(n)s"), "/senders/"),
    "template": (N_("template %(n)s"), ""),
    "user": (N_("person %(n)s"), ""),
    "invitation": (N_("invitation %(n)s"), ""),
    "key": (N_("API key %(n)s"), ""),
    "signing-key": (N_("signing key %(n)s"), ""),
}
"""What it was done to, and where its page is if it has one."""

DETAILS: Mapping[str, str] = {
    "after": N_("after"),
    "at_least": N_("at least"),
    "before": N_("before"),
    "signs": N_("DKIM signing"),
    "connections": N_("connections"),
    "changed": N_("changed"),
    "contact": N_("contact"),
    "contacts": N_("contacts"),
    "corrected": N_("corrected"),
    "days": N_("days"),
    "email": N_("address"),
    "ended": N_("ended"),
    "file": N_("file"),
    "follows": N_("after campaign"),
    "how": N_("by"),
    "issuer": N_("issuer"),
    "label": N_("label"),
    "link": N_("link"),
    "limits": N_("limits"),
    "list": N_("list"),
    "name": N_("name"),
    "needed": N_("scope"),
    "of_last": N_("of the last"),
    "percent": N_("percent"),
    "q": N_("search"),
    "recipient": N_("recipient"),
    "recipe": N_("recipe"),
    "recipients": N_("recipients"),
    "recognised": N_("recognized as"),
    "rehearsal": N_("rehearsal"),
    "role": N_("role"),
    "scopes": N_("scopes"),
    "sent": N_("sent"),
    "senders": N_("senders"),
    "server": N_("server"),
    "session": N_("session"),
    "size": N_("size"),
    "standing": N_("status"),
    "state": N_("state"),
    "to": N_("to"),
    "topic": N_("topic"),
    "version": N_("version"),
    "why": N_("reason"),
    "worker": N_("worker"),
}
WAYS: Mapping[str, str] = {
    "code": N_("code of the authenticator app"),
    "invitation": N_("invitation"),
    "openid": "OpenID Connect",
    "passkey": N_("passkey"),
    "password": N_("password"),
    "password+code": N_("password and code"),
    "password+recovery": N_("password and recovery code"),
    "recovery": N_("recovery code"),
    "role": N_("not allowed to this role"),
}
_ROLES = frozenset({"after", "before", "role"})
_WAYS = frozenset({"how", "why"})


def install(env: Environment) -> None:
    """Give the template of the audit log what it asks for."""
    env.filters.update(
        audit_action=action, audit_kind=kind, audit_subject=subject, audit_page=page, audit_details=details
    )


def action(code: str) -> str:
    """Return what was done."""
    return _said(ACTIONS, code)


def kind(code: str) -> str:
    """Return by which door somebody came."""
    return _said(KINDS, code)


def subject(text: str) -> str:
    """Return what a subject like ``campaign:12`` is called."""
    what, _colon, which = text.partition(":")
    return _(SUBJECTS[what][0], n=which) if what in SUBJECTS and which else text


def page(text: str) -> str:
    """Return the path of a subject's page; empty if it has none."""
    what, _colon, which = text.partition(":")
    path = SUBJECTS[what][1] if what in SUBJECTS else ""
    return path + which if path and which.isdecimal() else ""


def details(entry: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Return the name and the value of each detail that says something."""
    for name, value in entry.items():
        if value is not None and value not in ("", {}):
            yield _said(DETAILS, name), _value(name, value)


def _value(name: str, value: object) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {number}" for key, number in value.items())
    text = str(value)
    if name == "size" and text.isdecimal():
        return formats.size(int(text))
    if name in _ROLES and text in set(Role):
        return _(ROLES[Role(text)][0])
    return _way(text) if name in _WAYS else text


def _way(code: str) -> str:
    """Return how somebody came in, or the reason why not, if its sentence needs no values."""
    reason = code.rpartition(": ")[2]  # "openid: openid.over"
    if FIELDS.get(reason) == frozenset():
        return say(Reason(reason))
    return _said(WAYS, code)


def _said(words: Mapping[str, str], code: str) -> str:
    return _(words[code]) if code in words else code
