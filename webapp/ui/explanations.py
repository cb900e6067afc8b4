"""What an SMTP answer means, in plain words of the language now.

The enhanced code (RFC 3463) is more exact than the basic code (RFC 5321 section 4.2), so it is looked
up first: whole, then without its class, then without its detail, then its subject. The server's own line
always stands beside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.core.states import AttemptResult
from webapp.i18n.languages import N_, _

if TYPE_CHECKING:
    from mailing.smtp.replies import ReplyCode

_LATER = N_("the server asked to retry later")
_EXACT = {"4.3.2": N_("the server isn't accepting email now"), "4.7.0": _LATER, "4.7.1": _LATER}
_DETAILS = {
    "1.0": N_("the address was rejected"),
    "1.1": N_("this mailbox doesn't exist"),
    "1.2": N_("this domain can't receive email"),
    "1.3": N_("the address is malformed"),
    "1.6": N_("the mailbox has moved without a forwarding address"),
    "1.8": N_("the sender's address was rejected"),
    "1.10": N_("this domain doesn't accept email"),
    "2.0": N_("mailbox problem"),
    "2.1": N_("the mailbox is disabled"),
    "2.2": N_("the mailbox is full"),
    "2.3": N_("the message is larger than this mailbox allows"),
    "3.0": N_("mail system problem"),
    "3.1": N_("the mail system is full"),
    "3.2": N_("the mail system isn't accepting messages"),
    "3.4": N_("the message is larger than the server allows"),
    "4.0": N_("network failure"),
    "4.1": N_("the receiving server isn't responding"),
    "4.2": N_("connection lost"),
    "4.3": N_("DNS lookup failed for this domain"),
    "4.4": N_("no route to the receiving server"),
    "4.5": N_("the server is too busy"),
    "4.6": N_("mail loop detected"),
    "4.7": N_("not delivered in time"),
    "5.1": N_("the server didn't understand a command"),
    "5.2": N_("the server didn't understand a command"),
    "5.3": N_("too many recipients"),
    "6.0": N_("the content was rejected"),
    "7.0": N_("rejected for security reasons"),
    "7.1": N_("the server's policy forbids this message"),
    "7.8": N_("the user name or password was rejected"),
    **dict.fromkeys(("7.20", "7.21", "7.22"), N_("the DKIM signature is missing or wrong")),
    **dict.fromkeys(("7.23", "7.24"), N_("SPF doesn't allow this server to send for the domain")),
    "7.25": N_("the sending server's reverse DNS is missing or wrong"),
    "7.26": N_("the sender's domain failed authentication"),
    "7.27": N_("the sender's domain can't receive email"),
    "7.28": N_("too much email in a short time"),
}
_CLASSES = {"4.7": _LATER}
_SUBJECTS = {
    "1": N_("problem with the address"),
    "2": N_("problem with the mailbox"),
    "3": N_("mail system problem"),
    "4": N_("network or routing problem"),
    "5": N_("SMTP protocol error"),
    "6": N_("the content was rejected"),
    "7": N_("the server's security policy rejected it"),
}
_CODES = {
    421: N_("the server closed the connection"),
    450: N_("the mailbox is temporarily unavailable"),
    451: N_("temporary error at the server"),
    452: N_("the server is out of space"),
    530: N_("the server requires a user name and password"),
    535: N_("the user name or password was rejected"),
    550: N_("the mailbox is unavailable"),
    551: N_("the mailbox is at another server"),
    552: N_("not enough space for the message"),
    553: N_("the address isn't allowed"),
    554: N_("the server rejected the message"),
}


def explain(code: int | None, enhanced: str) -> str:
    """Return why mail was refused, such as ``this mailbox does not exist``; empty if nothing is known.

    ``code`` is the basic reply code, None when no answer came; ``enhanced`` is like ``5.1.1`` or empty.
    """
    if code is None or code < 400:  # noqa: PLR2004 - 2xx and 3xx refuse nothing (RFC 5321 section 4.2.1)
        return ""
    detail = enhanced.partition(".")[2]
    subject = detail.partition(".")[0]
    known = (
        _EXACT.get(enhanced)
        or _DETAILS.get(detail)
        or _CLASSES.get(enhanced.rpartition(".")[0])
        or _SUBJECTS.get(subject)
        or _CODES.get(code)
    )
    return _(known) if known else _("rejected temporarily") if code < 500 else _("rejected permanently")  # noqa: PLR2004


def reason(reply: ReplyCode, result: AttemptResult) -> str:
    """Return why tries with this reply were not simply ``sent``, also where no answer came."""
    if reply.code:
        return explain(reply.code, reply.enhanced) or _("accepted with an unexpected reply")
    lost = result is AttemptResult.UNKNOWN
    return _("connection lost before confirmation") if lost else _("the server couldn't be reached")
