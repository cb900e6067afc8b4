"""Bounces that follow no standard: qmail, Exim, old Sendmail and Exchange, Yahoo and many more. Pure.

What they have in common is read: who writes, how the subject begins, and whose address stands in the text
before the returned message.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TEXT_MOST = 20_000  # characters that are looked through
LINES_MOST = 400
NAMED_MOST = 100

_DAEMON = re.compile(
    r"mailer[-_. ]?daemon|postmaster|mail ?delivery|delivery (sub)?system|mail[-_ ]?system|mdaemon|mailer@"
    r"|bounce|daemon@|exchange|microsoft outlook|administrator|mail (gateway|router|administrator)|smtp"
    r"|<>|antigen|scanmail|ims@|autoreply-mailer|internet mail service|mailerdaemon",
)
_FAILED = re.compile(
    r"undeliver|delivery (status|fail|notification|problem|error|has failed|report)|returned (e-?)?mail"
    r"|failure"
    r"|mail (delivery )?(failed|failure|error|system error)|not (be )?delivered|could not be delivered"
    r"|unable to"
    r" deliver|non[ -]?deliver|unzustellbar|non remis|no se puede entregar|rejected|message status"
    r"|returned to"
    r" sender|not deliverable|bounced?\b|mancato recapito|nondeliverable|err(or|eur)\b"
    r"|warning: could not|unknown user"
    r"|user unknown|cannot send|mail notification|delivery result|failed mail|return(ing|ed) message"
    r"|problem"
    r"|không (thể )?gửi được|不達|未达|退信|delivery.{0,30}(unsuccessful|impossible)|未送達|エラー|недостав",
)
_SAYS_SO = re.compile(
    r"(could not|couldn.t|unable to|was not|wasn.t|cannot|can not|can.t|not able to) (be )?(deliver"
    r"|send|sent)"
    r"|(delivery|deliver).{0,60}(failed|failure|impossible|error|not possible)|undeliver"
    r"|permanent(ly)? (fatal )?"
    r"(error|fail)|(recipient|address)e?s? (failed|had|were rejected|rejected)|did not reach|not delivered"
    r"|returned (to sender|unopened|unread|below)|following (address|recipient|error)|could not be found"
    r"|user unknown|unknown user|no such user|mailbox (is )?full|over quota|does not exist|no longer"
    r"|unreachable for|returning (your|this) message|i (was unable|wasn.t able)|message.{0,30}(bounced"
    r"|rejected)"
    r"|automatically rejected|无法(发送|送达|投递)|投递失败|退信|無法(傳送|投遞)|配信できません"
    r"|届けられません"
    r"|配達できません|không thể (gửi|chuyển)|не (может быть|было|удалось).{0,20}доставлен"
)
_GOES_ON = re.compile(
    r"(attempts|retries|tries) will (continue|go on)"
    r"|will (continue|keep)( on)? (to (try|attempt|retry)|trying)"
    r"|will (be|continue to be) (retried|attempted|made|tried)"
)
_OVER = re.compile(r"permanent|giv(en|ing) up|no (further|more) (attempts|retries)")
_DELAYED = re.compile(
    r"delivery (status notification \(delay|delayed|temporarily|is delayed)|\bdelay(ed)?\b"
    r"|warning: (message|could)"
    r"|will (keep|be|continue|retry).{0,30}(retried|trying|to try|to retry|attempt)"
    r"|still (being )?(trying|retr)"
    r"|no action is required|do(es)? not need to (resend|send)|not yet been delivered"
    r"|has not been delivered yet"
    r"|this is a warning message only|temporary (failure|error)"
)
_GAVE_UP = re.compile(
    r"giv(en|ing|e) up|permanent|\bfailed\b|undeliverable|will not|could not be delivered"
    r"|retry timeout exceeded"
)
_REPLIED_SUBJECT = re.compile(
    r"^\W*(re:|aw:|sv:|fwd?:)?\W*(auto(matic|mated)?[- _]?(reply|response|responder|antwort|mail|svar)"
    r"|out[- ]of[- ]"
    r"(the[- ])?office|ooo\b|vacation|away from|abwesen|r[ée]ponse automatique|absence|respuesta autom"
    r"|fuera de"
    r"|risposta automatica|resposta autom|afwezig|on (vacation|holiday|leave)|i.m (away|out)"
    r"|trả lời tự động"
    r"|自动回复|自動|автоответ|thank you for (your|contacting)|we (have )?received your|\[?ticket)"
)
_CHALLENGE = re.compile(
    r"(confirm|verify|verification|authenticate|approve|release).{0,60}(your (message|mail|e-?mail"
    r"|address|delivery)"
    r"|that you|sender|human)|challenge|boxtrapper|spam ?arrest|tmda|whitelist|bluebottle"
    r"|please reply to this"
    r"|sender verification|activate.{0,20}delivery"
)
_RETURNED = re.compile(  # from here on it is the message that came back, or its header
    r"^\s*(-{2,}|=+|_{5,}|\*{3,})? ?(this is a copy of (the|your) message|below this line is a copy"
    r"|original message"
    r"|(the )?header of the original|message header follows|unsent message|returned message"
    r"|begin(ning)? of message"
    r"|copy of (the )?(original|message|your)|the original message|message text follows"
    r"|your original message"
    r"|included is a copy|message follows|message contents|original mail|start of (returned|original)"
    r"|rejected "
    r"message|the unsent message|undelivered message|headers? (follow|of)|forwarded message"
    r"|the message that"
    r"|received: (from|by|\()|return-path: ?<|x-envelope|dkim-signature:|mime-version: 1\.0"
    r"|message-id: ?<)",
    re.MULTILINE,
)
_ADDRESS = re.compile(r"[a-z0-9_.!#$%&'*+/=?^`{|}~-]+@[a-z0-9][a-z0-9.-]*\.[a-z0-9-]{2,}", re.IGNORECASE)
_AROUND = re.compile(
    r"(e-?mail|mail|contact|support|postmaster|help|visit|write|reply|\bmail from"
    r"|\b(try|send|sending|mailing|emailing|finger)( to)?|\bif|e\.g\.)\W*$"
)
_LISTED = re.compile(  # what is named comes below it
    r"(following|these|below|intended) (e-?mail )?(recipient|address|destination|user|mailbox)\S*"
    r"|message not delivered to"
)
_MEANT = re.compile(
    rf"\b(?:message|e?-?mail) was (?:addressed|sent)(?: to)?,? <?({_ADDRESS.pattern})", re.IGNORECASE
)
_BARE = re.compile(
    r"[ \t]+<?([a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?)>?(?:[:,;]?|[ \t]{2,}\S.*)", re.IGNORECASE
)
_FORM = re.compile(r"\bemailing (?:to )?NAME@([a-z0-9][a-z0-9.-]*[a-z0-9])")  # what its addresses are like
_HELPERS = ("postmaster@", "mailer-daemon@", "abuse@", "helpdesk@", "support@", "administrator@", "noc@")


def daemon(sender: str) -> bool:
    """Whether a mail system writes: ``sender`` is From and Return-Path of the report."""
    return _DAEMON.search(sender.lower()) is not None


def failed(subject: str, text: str) -> bool:
    """Whether a report says that something was not delivered."""
    return bool(_FAILED.search(subject.lower())) or bool(_SAYS_SO.search(_joined(text)))


def delayed(subject: str, text: str) -> bool:
    """Whether a report says that something is still being tried."""
    text, subject = _joined(text), subject.lower()
    if _GOES_ON.search(text) and not _OVER.search(text):
        return True
    if _DELAYED.search(subject):
        return not _GAVE_UP.search(subject)
    return bool(_DELAYED.search(text)) and not _GAVE_UP.search(text) and not _FAILED.search(subject)


def rejected(subject: str, text: str) -> bool:
    """Whether somebody's filter says that it rejects a message."""
    return "reject" in subject.lower() or "automatically rejected" in _joined(text)


def replied(subject: str) -> bool:
    """Whether a subject is that of an automatic reply."""
    return _REPLIED_SUBJECT.search(subject.lower()) is not None


def challenge(subject: str, text: str) -> bool:
    """Whether somebody's machine wants the sender to prove that they are human."""
    return bool(_CHALLENGE.search(f"{subject} {_joined(text)[:2000]}".lower()))


def said(text: str) -> str:
    """Return what a report says to people: the text before the returned message."""
    text = text[:TEXT_MOST]
    found = _RETURNED.search(text.lower(), 1)
    return text[: found.start()] if found else text


def recipients(text: str, others: Iterable[str], domain: str = "") -> Sequence[str]:
    """Return the addresses that a text names, each once, but for the ``others``: who wrote and who reads.

    Where it says to whom the message was addressed, nobody else is meant. Where a line announces the
    recipients, they stand below it: what is above tells of the message. There a name alone is one at the
    reporter's own ``domain``, or at those that the report itself names.
    """
    if meant := _MEANT.findall(" ".join(text[:TEXT_MOST].split())):
        return _named("\n".join(meant), others)
    announced = [match.end() for match in _LISTED.finditer(text.lower())][:1]
    below = text[announced[0] :] if announced else ""
    hosts = _FORM.findall(text) or [domain]
    if announced and len(hosts) > 1 and (bare := _bare(below, hosts)):
        return bare
    return (
        (announced and _named(below, others))
        or _named(text, others)
        or (_bare(below, hosts) if announced and domain else ())
    )


def _bare(text: str, hosts: Sequence[str]) -> Sequence[str]:
    found: dict[str, None] = {}
    for line in text.split("\n")[1:LINES_MOST]:
        if match := _BARE.fullmatch(line.rstrip()):
            found.update(dict.fromkeys(f"{match[1]}@{host}".lower() for host in hosts))
        elif found and line.strip():
            break
    return [*found][:NAMED_MOST]


def _named(text: str, others: Iterable[str]) -> Sequence[str]:
    skipped = {it.lower() for it in others}
    found: dict[str, None] = {}
    lines = text.split("\n")[:LINES_MOST]
    for line in lines:
        for match in _ADDRESS.finditer(line[:1000]):
            address = match[0].partition("..")[0].strip(".'`").lower().removeprefix("smtp=")
            if address in skipped or address.startswith(_HELPERS):
                continue
            if _AROUND.search(line[: match.start()].lower()) and not line.strip().startswith(("<", "to:")):
                continue
            found.setdefault(address)
        if len(found) > NAMED_MOST:
            break
    return [*found]


def _joined(text: str) -> str:
    return " ".join(said(text).replace("\u2019", "'").lower().split())
