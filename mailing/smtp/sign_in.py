"""Signing in to a mail server: by password (RFC 4954) or by an access token (XOAUTH2)."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, NoReturn

import aiosmtplib

from mailing.core.reasons import Reason
from mailing.smtp.account import TokenError
from mailing.smtp.faults import SmtpError, speaking
from mailing.smtp.replies import Stage, reply_from

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mailing.core.reasons import Value
    from mailing.smtp.account import Sender
    from mailing.smtp.dialogue import Dialogue

_NOT_IMPLEMENTED = frozenset({500, 501, 502, 504, 534})
"""Codes that refuse a way to sign in, not the password: another way may do (RFC 4954 section 4)."""
_WRONG_PASSWORD = 535
_TOKEN_REFUSED = {501, _WRONG_PASSWORD}  # 501 5.5.127: Microsoft, of one that expires soon
_PRIVATELY = ("plain", "login", "cram-md5")
_OPENLY = ("cram-md5", "plain", "login")  # CRAM-MD5 does not show the password to who reads along
XOAUTH2 = "xoauth2"
_KNOWN = frozenset({*_PRIVATELY, XOAUTH2})


async def sign_in(
    client: aiosmtplib.SMTP, sender: Sender, dialogue: Dialogue | None, *, secured: bool
) -> None:
    """Sign in by the way that the sender names, or the best that both sides know. Raises ``SmtpError``.

    On a line that nobody reads along PLAIN is that: some servers offer CRAM-MD5 and cannot check it, as it
    needs the password itself. A refused password is not tried again another way: three on each of many
    connections lock accounts (``aiosmtplib.SMTP.login`` does).
    """
    offered = [way for way in client.server_auth_methods if way in _KNOWN]
    chosen = _chosen(client, sender, offered, private=secured or _is_loopback(client))
    with speaking(sender, Stage.AUTH):
        for way in chosen:
            try:
                await _sign_in_by(way, client, sender, dialogue)
            except aiosmtplib.SMTPAuthenticationError as exc:
                if way != chosen[-1] and exc.code in _NOT_IMPLEMENTED and client.is_connected:
                    continue
                _refuse(sender, exc, way, offered)
            else:
                return
    hidden = not secured and not offered and client.supports_extension("starttls")
    raise _not_offered(sender, offered, hidden=hidden)


def _chosen(
    client: aiosmtplib.SMTP, sender: Sender, offered: Sequence[str], *, private: bool
) -> Sequence[str]:
    """Return the ways to try, the best first. Raises ``SmtpError`` for a secret on a line that lost its TLS.

    Who asks for TLS where it is offered must not be made to show a password by a line that hides the offer,
    and an access token never goes over a bare line (RFC 6750 section 5.2).
    """
    chosen = [way for way in (_PRIVATELY if private else _OPENLY) if way in offered]
    if sender.auth:
        chosen = [sender.auth] if sender.auth in offered else []
    if chosen and not private and (sender.tls == "opportunistic" or sender.auth == XOAUTH2):
        chosen = [way for way in chosen if way == "cram-md5"]
        if not chosen:
            lasts = not client.supports_extension("starttls")
            raise SmtpError(Stage.AUTH, Reason("smtp.bare-sign-in", server=sender.server), lasts=lasts)
    return chosen


async def _sign_in_by(way: str, client: aiosmtplib.SMTP, sender: Sender, dialogue: Dialogue | None) -> None:
    if way != XOAUTH2:
        ways = {"cram-md5": client.auth_crammd5, "plain": client.auth_plain, "login": client.auth_login}
        await ways[way](sender.username, sender.password)
        return
    token = await _token(sender, dialogue)
    try:
        await client.auth_xoauth2(sender.username, token)
    except aiosmtplib.SMTPAuthenticationError as exc:
        if exc.code not in _TOKEN_REFUSED or not client.is_connected:
            raise
        fresh = await _token(sender, dialogue, instead_of=token)  # it may have been withdrawn before its time
        if fresh == token:
            raise
        await client.auth_xoauth2(sender.username, fresh)


async def _token(sender: Sender, dialogue: Dialogue | None, instead_of: str = "") -> str:
    assert sender.tokens is not None, "a sender that signs in by OAuth has tokens"
    try:
        token = await sender.tokens.get(instead_of=instead_of)
    except TokenError as error:
        raise SmtpError(Stage.AUTH, error.reason, lasts=error.lasts) from error
    if dialogue:
        dialogue.hide(token)
    return token


def _not_offered(sender: Sender, offered: Sequence[str], *, hidden: bool) -> SmtpError:
    if hidden:
        return SmtpError(Stage.AUTH, Reason("smtp.sign-in-after-tls", server=sender.server), lasts=True)
    if not sender.auth:
        return SmtpError(Stage.AUTH, Reason("smtp.no-sign-in", server=sender.server), lasts=True)
    others = tuple(offered) or Reason("smtp.none")
    missing = Reason("smtp.sign-in-not-offered", server=sender.server, way=sender.auth, ways=others)
    return SmtpError(Stage.AUTH, missing, lasts=True)


def _refuse(
    sender: Sender, refusal: aiosmtplib.SMTPAuthenticationError, way: str, offered: Sequence[str]
) -> NoReturn:
    reply = reply_from(refusal.code, refusal.message)
    said: dict[str, Value] = {"server": sender.server, "way": way.upper(), "reply": reply.text}
    others = [other for other in _PRIVATELY if other in offered and other != way]
    reason = Reason("smtp.sign-in-refused", **said)
    if way == XOAUTH2:
        reason = Reason("smtp.token-refused", server=sender.server, user=sender.username, reply=reply.text)
    elif others and refusal.code == _WRONG_PASSWORD:
        reason = Reason("smtp.sign-in-refused-others", **said, ways=tuple(others))
    raise SmtpError(Stage.AUTH, reason, reply, server=sender.server) from refusal


def _is_loopback(client: aiosmtplib.SMTP) -> bool:
    peer = client.get_transport_info("peername")
    return bool(peer) and ip_address(peer[0].partition("%")[0]).is_loopback
