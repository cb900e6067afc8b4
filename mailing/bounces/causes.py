"""Why an email came back, and whom that means. Pure.

A server's text decides where it says enough, then the rulebook, then the enhanced status code (RFC 3463).
A mailbox is dead only where that is sure: whatever else is said, nobody is lost by it.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from mailing.core.reasons import Reason
from mailing.smtp import rulebook
from mailing.smtp.replies import Reply, Stage
from mailing.smtp.rulebook import Follows, Scope

if TYPE_CHECKING:
    from collections.abc import Sequence


class BounceClass(StrEnum):
    """Whom a bounce means."""

    HARD = "hard"  # the mailbox: it is dead
    SOFT = "soft"  # the mailbox, for now
    POLICY = "policy"  # what was sent, or who sent it


class Cause(StrEnum):
    """Why an email came back."""

    NO_MAILBOX = "no-mailbox"
    INACTIVE = "inactive"
    NO_DOMAIN = "no-domain"
    FULL = "full"
    EXPIRED = "expired"
    OTHER = "other"
    TOO_LARGE = "too-large"
    POLICY = "policy"

    @property
    def bounce_class(self) -> BounceClass:
        """Whom it means."""
        return _CLASSES.get(self, BounceClass.SOFT)

    @property
    def told(self) -> Reason:
        """What it is in words."""
        return Reason(f"bounced.{self}")


_CLASSES = {
    Cause.NO_MAILBOX: BounceClass.HARD,
    Cause.INACTIVE: BounceClass.HARD,
    Cause.NO_DOMAIN: BounceClass.HARD,
    Cause.TOO_LARGE: BounceClass.POLICY,
    Cause.POLICY: BounceClass.POLICY,
}

READ_MOST = 4_000  # characters of a server's words
_PERMANENT = 5

_OURS = re.compile(  # what is said of the sender, also where it reads like a dead mailbox
    r"sender (address|domain|verify|verification|id|policy)\b.{0,60}(reject|fail|not|denied|invalid"
    r"|unknown)"
    r"|(unverified|invalid|unknown|blocked) sender|sender (rejected|denied|blocked|is not|not)"
    r"|(return.path|envelope.from|mail from|from (address|domain|header)|sender)\b.{0,40}"
    r"(does not (exist|resolve)|not (exist|found|resolve)|invalid|unresolvable)"
    r"|\b(your|sending|client) (ip|host|domain|server|mail server|address)\b|reverse (dns|lookup)|\bptr\b"
    r"|\bhelo\b|\behlo\b|relay(ing)? (is )?(denied|not (permitted|allowed))|unable to relay|cannot relay"
    r"|authentication (is )?(required|failed)|not authenticated"
)
_FULL = re.compile(
    r"(mail ?box|inbox|account|user|quota|storage|recipient|disk|folder|mail ?drop)\b.{0,60}"
    r"\b(is |has been |was )?(almost |now )?(full|exceed(s|ed|ing)?|exhausted)\b"
    r"|\b(over|out of|exceed(s|ed|ing)?|above|beyond)\b.{0,40}\b(quota|storage|disk|mailbox size|space)\b"
    r"|(over|disk) ?quota|quota (exceeded|violation|has been|is)|not enough (disk |storage )?(space|room)"
    r"|insufficient (disk|storage|system storage|quota)|no (disk )?space left|mailfolder is full"
    r"|no space (left )?(on|for)|storage allocation|too (full|many messages (in|on))|disk full|full mailbox"
    r"|boite.{0,20}pleine|boîte.{0,20}pleine|postfach.{0,30}voll|buz[oó]n.{0,20}lleno|casella.{0,20}piena"
)
_SIZE = re.compile(
    r"(message|mail|e-mail|email|attachment|file)( size| length)?\b.{0,50}"
    r"(too (big|large)|(exceed|larger|bigger|greater)\w*\b.{0,50}(size|limit|maximum|allowed|max)|"
    r"exceeds? (the )?(fixed|maximum))"
    r"|(size|length) limit (has been )?exceeded|exceeds.{0,20}(size|message) limit|too large"
    r"|max message size|exceed(s|ed)?( \w+){0,4} message size"
)
_SLOW = re.compile(r"at a rate|receiving (mail|email) (too|at)|too (many|much) (mail|messages|connections)")
_NOBODY = re.compile(
    r"(user|mailbox|recipient|account|address|addressee|alias|name|person|member|id)s?\b( \S{1,80}){0,4}? ?"
    r"\(?(is |was |are )?(unknown|not (known|found|exist|listed|recogni[sz]ed|a valid|valid|present)"
    r"|does ?n.t exist|does not exist|do not exist|no longer (exists?|valid|with)|nonexist\w*|non.exist\w*)"
    r"|(unknown|invalid|bad|illegal|undefined|non-?existent|incorrect) (user|local|recipient|account"
    r"|destination mailbox|mailbox|addressee|or illegal|email address|virtual|alias)"
    r"|no (such|valid) (user|mailbox|recipient|account|person|local|address|alias|name|id)\b"
    r"|no mailbox (here|by)"
    r"|not (a )?(valid|known|our|local) (user|mailbox|recipient|customer|account)|unknown address\b"
    r"|(does ?n.t|does not) have (an?|any) \S{1,60} (account|mailbox)|this account is no longer valid"
    r"|isn.t (in|among)|not (in|listed in) (the |domino |public |our )?(name|directory|address|domino)"
    r"|@ (user )?(unknown|not found)"
    r"|recipnotfound|recipient not found|user not found|mailbox not found|nobody (here )?by that name"
    r"|couldn.t find any (user|mailbox)|there is no (one|user|mailbox)|does not like recipient"
    r"|cannot find (the )?(user|recipient|mailbox)|unrouteable address|unroutable address"
    r"|delivery to (a )?non"
    r"|no account by that name|not a valid (mailbox|address|user|recipient)"
    r"|(usuario|utilisateur|destinataire|benutzer|empf[aä]nger|utente)\b.{0,30}"
    r"(desconocido|inconnu|inexistant|unbekannt|nicht gefunden|sconosciuto|no existe)"
)
_GONE = re.compile(
    r"(account|mailbox|user|address|recipient)\b( \S{1,60}){0,3}? (is |was |has been "
    r"|have been )?(currently )?"
    r"(inactive|deactivated|discontinued|closed|deleted|removed|no longer (active|in use|available"
    r"|in service))"
    r"|email account that you tried to reach is (disabled|inactive)|account (has been )?disabled"
    r"|mailbox disabled|mailbox has been disabled|user account (is )?disabled|inactive (user|account"
    r"|mailbox)"
    r"|no longer (works|work) (here|at|for)|has left the (company|organi[sz]ation)"
)
_NO_HOST = re.compile(
    r"(host|domain)( name)?( or domain name)?( \S{1,80}){0,2}? ?(is |was )?(unknown|not found"
    r"|does not exist"
    r"|not exist|does ?n.t exist|invalid)|unknown (host|domain)|no such (host|domain)|nxdomain"
    r"|unrouteable mail"
    r" domain|(domain|host) .{0,80}does not accept (mail|email)|null ?mx|bad destination host"
    r"|couldn.t find any"
    r" host|name service error.{0,100}host not found\b(?!, try)|illegal host/domain|invalid domain"
    r"|bad domain"
)
_LOOP = re.compile(r"\bloop(ing|s)?\b|too many hops|hop count")
_AGAIN = re.compile(r"try again|temporar|servfail|dns (timeout|server)|timed? ?out")
_LATE = re.compile(
    r"time(d)? ?out|expired|too (long|many (days|hours|hops|attempts|tries))|(for|after|within) .{0,20}"
    r"\b(hours|days)\b|giving up|given up|could not (connect|establish)|connection (refused|lost"
    r"|dropped|reset|closed)"
    r"|no route|unreachable|lost connection|retry (time|limit|timeout)|max(imum)? (retries|hop)"
    r"|hop count|loop"
    r"|wasn.t able to establish|still being retried|unable to connect|cannot connect|failed to connect"
)
_BLOCKED = re.compile(
    r"spam|black ?list|block ?list|blocked|\b(rb|dnsb|sb)l\b|reputation|policy|policies|dmarc|\bdkim\b"
    r"|\bspf\b"
    r"|unsolicited|bulk|virus|infected|malware|phish|denied|not authori[sz]ed|not permitted|prohibited"
    r"|forbidden"
    r"|administrat|junk|filter|banned|content|restricted|not allowed|security|suspicious|unacceptable"
    r"|complain"
    r"|abus|barracuda|proofpoint|mimecast|message (was )?(rejected|refused)|rejected for|listed (at|in"
    r"|by|on)\b"
)
_AT_THE_EDGE = re.compile(  # where Exchange Online refuses whoever is in no directory
    r"recipient address rejected: access denied.{0,20}(\bas\(?\d{4}|outlook\.com)"
)
_CODES: Sequence[tuple[re.Pattern[str], Cause]] = [
    (re.compile(pattern), cause)
    for pattern, cause in (
        (r"5\.1\.(1|3|6)", Cause.NO_MAILBOX),
        (r"5\.1\.(2|10)|5\.4\.4", Cause.NO_DOMAIN),
        (r"[45]\.2\.2", Cause.FULL),
        (r"[45]\.(2\.3|3\.4)", Cause.TOO_LARGE),
        (r"[45]\.4\.[1-79]|4\.4\.0", Cause.EXPIRED),
        (r"[45]\.(6\.\d+|7\.\d+)|[45]\.1\.[78]", Cause.POLICY),
    )
]
_DEAD = ((_NOBODY, Cause.NO_MAILBOX), (_GONE, Cause.INACTIVE), (_NO_HOST, Cause.NO_DOMAIN))
_BASIC = re.compile(r"(?<![\d.])([45]\d\d)(?=[\s#;:-]|$)(?![-\d.]*\d{4})")


def judge(status: str, diagnostic: str, words: str = "", server: str = "") -> Cause:
    """Return why an email came back.

    ``status`` is the enhanced code of its report, ``diagnostic`` what the server said (RFC 3464 section
    2.3.6), ``words`` what the report says to people, ``server`` who said it. Each may be empty.
    """
    cause = _judge(status, diagnostic[:READ_MOST], server)
    if cause is Cause.OTHER and words:
        cause = _judge(status, words[:READ_MOST], server)
    return cause


@lru_cache(maxsize=2048)  # many come back for one cause, in the same words
def _judge(status: str, said: str, server: str) -> Cause:
    text = rulebook.plain(said)
    basic = _BASIC.search(said)
    code = int(basic[1]) if basic else 0
    passing = status.startswith("4") or (code and code // 100 != _PERMANENT)
    if not passing and "5.4.1" in {status, said[4:9]} and _AT_THE_EDGE.search(text):
        return Cause.NO_MAILBOX
    if cause := _by_words(text, lasting=not passing):
        return cause
    if code and (cause := _by_rulebook(code, status, said, server)):
        return cause
    for pattern, cause in _CODES:
        if pattern.fullmatch(status) and not (passing and cause.bounce_class is BounceClass.HARD):
            return cause
    return Cause.POLICY if _BLOCKED.search(text) else Cause.OTHER


def _by_words(text: str, *, lasting: bool) -> Cause | None:
    if (before := _of_others(text)) is not None:
        return before
    for pattern, cause in _DEAD:
        if pattern.search(text):
            if cause is Cause.NO_DOMAIN and _AGAIN.search(text):
                return Cause.EXPIRED
            return cause if lasting else Cause.OTHER
    return Cause.EXPIRED if _LATE.search(text) and not _BLOCKED.search(text) else None


def _of_others(text: str) -> Cause | None:
    """Return what goes before a dead mailbox, as words like that stand beside it."""
    if _OURS.search(text):
        return Cause.POLICY
    if _FULL.search(text):
        return Cause.FULL
    if _SLOW.search(text):
        return Cause.OTHER
    if _LOOP.search(text):
        return Cause.EXPIRED
    return Cause.TOO_LARGE if _SIZE.search(text) else None


def _by_rulebook(code: int, status: str, said: str, server: str) -> Cause | None:
    """Return what the rules for refusals say, where they know that it is not the mailbox."""
    enhanced = status if status[:1] == str(code // 100) else ""
    ruling = rulebook.rule(Stage.RCPT, Reply(code, enhanced, said), server)
    if ruling.scope not in {Scope.RECIPIENT, Scope.CONNECTION}:
        return Cause.POLICY
    return Cause.OTHER if ruling.follows is not Follows.FAIL and code // 100 == _PERMANENT else None
