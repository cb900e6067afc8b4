"""What an SMTP answer means, in plain words of the language now.

The enhanced code (RFC 3463) is more exact than the basic code (RFC 5321 section 4.2), so it is looked
up first: whole, then without its class, then its subject. The server's own line always stands beside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.states import AttemptResult
from webapp.languages import N_, _

if TYPE_CHECKING:
    from mailing.finding import Reply

_EXACT = {
    "4.3.2": N_("the server takes no mail just now"),
    "4.7.0": N_("the server wants it to be tried again later"),
    "4.7.1": N_("the server wants it to be tried again later"),
}
_DETAILS = {
    "1.0": N_("the address was refused"),
    "1.1": N_("this mailbox does not exist"),
    "1.2": N_("this domain cannot receive mail"),
    "1.3": N_("the address is written wrongly"),
    "1.6": N_("the mailbox has moved and left no new address"),
    "1.8": N_("the server refuses the sender's address"),
    "1.10": N_("this domain says that it accepts no mail"),
    "2.0": N_("the mailbox has a problem"),
    "2.1": N_("the mailbox is closed or not allowed to receive"),
    "2.2": N_("the mailbox is full"),
    "2.3": N_("the message is larger than this mailbox allows"),
    "3.0": N_("the mail system has a problem"),
    "3.1": N_("the mail system is full"),
    "3.2": N_("the mail system takes no messages now"),
    "3.4": N_("the message is larger than the server allows"),
    "4.0": N_("the network on the way failed"),
    "4.1": N_("the receiving server does not answer"),
    "4.2": N_("the connection broke"),
    "4.3": N_("the domain's servers could not be looked up"),
    "4.4": N_("no way to the receiving server was found"),
    "4.5": N_("the server is too busy now"),
    "4.6": N_("the message went round in a loop"),
    "4.7": N_("it could not be delivered in time"),
    "5.1": N_("the server did not understand a command"),
    "5.2": N_("the server did not understand a command"),
    "5.3": N_("the message has too many recipients"),
    "6.0": N_("the content was refused"),
    "7.0": N_("the server refuses for reasons of security"),
    "7.1": N_("the server's rules forbid this message"),
    "7.8": N_("the user name or password was refused"),
    "7.26": N_("the sender's domain failed the server's authentication checks"),
}
_SUBJECTS = {
    "1": N_("something is wrong with the address"),
    "2": N_("something is wrong with the mailbox"),
    "3": N_("the mail system has a problem"),
    "4": N_("the network or the route has a problem"),
    "5": N_("the servers did not understand each other"),
    "6": N_("the content was refused"),
    "7": N_("the server's security rules refused it"),
}
_CODES = {
    421: N_("the server closed the connection"),
    450: N_("the mailbox is not available now"),
    451: N_("the server had a problem of its own"),
    452: N_("the server has no room now"),
    530: N_("the server wants a user name and password"),
    535: N_("the user name or password was refused"),
    550: N_("the mailbox is not available"),
    551: N_("the mailbox is elsewhere"),
    552: N_("there is no room for the message"),
    553: N_("the address is not allowed"),
    554: N_("the server refused the message"),
}


def explain(code: int | None, enhanced: str) -> str:
    """Return why mail was refused, such as ``this mailbox does not exist``; empty if nothing is known.

    ``code`` is the basic reply code, None when no answer came; ``enhanced`` is like ``5.1.1`` or empty.
    """
    if code is None or code < 400:  # noqa: PLR2004 - 2xx and 3xx refuse nothing (RFC 5321 section 4.2.1)
        return ""
    detail = enhanced.partition(".")[2]
    subject = detail.partition(".")[0]
    known = _EXACT.get(enhanced) or _DETAILS.get(detail) or _CODES.get(code) or _SUBJECTS.get(subject)
    return _(known) if known else _("refused for now") if code < 500 else _("refused for good")  # noqa: PLR2004


def reason(reply: Reply, result: AttemptResult) -> str:
    """Return why tries with this reply were not simply ``sent``, also where no answer came."""
    if reply.code:
        return explain(reply.code, reply.enhanced) or _("the server took it, but not as it should")
    lost = result is AttemptResult.UNKNOWN
    return _("the line broke before the answer came") if lost else _("the server could not be reached")
