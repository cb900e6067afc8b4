"""What an SMTP answer means, in plain words. Pure.

The enhanced code (RFC 3463) is more exact than the basic code (RFC 5321 section 4.2), so it is looked
up first: whole, then without its class, then its subject. The server's own line always stands beside.
"""

from __future__ import annotations

_EXACT = {
    "4.3.2": "the server takes no mail just now",
    "4.7.0": "the server wants it to be tried again later",
    "4.7.1": "the server wants it to be tried again later",
}
_DETAILS = {
    "1.0": "the address was refused",
    "1.1": "this mailbox does not exist",
    "1.2": "this domain cannot receive mail",
    "1.3": "the address is written wrongly",
    "1.6": "the mailbox has moved and left no new address",
    "1.8": "the server refuses the sender's address",
    "1.10": "this domain says that it accepts no mail",
    "2.0": "the mailbox has a problem",
    "2.1": "the mailbox is closed or not allowed to receive",
    "2.2": "the mailbox is full",
    "2.3": "the message is larger than this mailbox allows",
    "3.0": "the mail system has a problem",
    "3.1": "the mail system is full",
    "3.2": "the mail system takes no messages now",
    "3.4": "the message is larger than the server allows",
    "4.0": "the network on the way failed",
    "4.1": "the receiving server does not answer",
    "4.2": "the connection broke",
    "4.3": "the domain's servers could not be looked up",
    "4.4": "no way to the receiving server was found",
    "4.5": "the server is too busy now",
    "4.6": "the message went round in a loop",
    "4.7": "it could not be delivered in time",
    "5.1": "the server did not understand a command",
    "5.2": "the server did not understand a command",
    "5.3": "the message has too many recipients",
    "6.0": "the content was refused",
    "7.0": "the server refuses for reasons of security",
    "7.1": "the server's rules forbid this message",
    "7.8": "the user name or password was refused",
    "7.26": "the sender's domain failed the server's authentication checks",
}
_SUBJECTS = {
    "1": "something is wrong with the address",
    "2": "something is wrong with the mailbox",
    "3": "the mail system has a problem",
    "4": "the network or the route has a problem",
    "5": "the servers did not understand each other",
    "6": "the content was refused",
    "7": "the server's security rules refused it",
}
_CODES = {
    421: "the server closed the connection",
    450: "the mailbox is not available now",
    451: "the server had a problem of its own",
    452: "the server has no room now",
    530: "the server wants a user name and password",
    535: "the user name or password was refused",
    550: "the mailbox is not available",
    551: "the mailbox is elsewhere",
    552: "there is no room for the message",
    553: "the address is not allowed",
    554: "the server refused the message",
}


def explain(code: int | None, enhanced: str) -> str:
    """Return why mail was refused, such as ``this mailbox does not exist``; empty if nothing is known.

    ``code`` is the basic reply code, None when no answer came; ``enhanced`` is like ``5.1.1`` or empty.
    """
    if code is None or code < 400:  # noqa: PLR2004 - 2xx and 3xx refuse nothing (RFC 5321 section 4.2.1)
        return ""
    _, _, detail = enhanced.partition(".")
    subject = detail.partition(".")[0]
    known = _EXACT.get(enhanced) or _DETAILS.get(detail) or _CODES.get(code) or _SUBJECTS.get(subject)
    return known or ("refused for now" if code < 500 else "refused for good")  # noqa: PLR2004
