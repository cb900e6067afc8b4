"""The providers whose accounts give their consent (OAuth 2.0), and what is asked of each. Pure.

https://developers.google.com/workspace/gmail/imap/xoauth2-protocol and Microsoft's "Authenticate an IMAP, POP
or SMTP connection using OAuth", both as of 2026-11-26. RFC 6749 is the protocol, RFC 7636 PKCE.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from urllib.parse import quote, urlencode


@dataclass(frozen=True, slots=True)
class Provider:
    """Where consent is asked for and exchanged. ``{tenant}`` stands for whose accounts these are."""

    key: str
    name: str
    authorization: str
    token: str
    scope: str
    asked: tuple[tuple[str, str], ...] = ()  # what else, so that there is a refresh token
    tenant: str = ""  # where none is named
    scopes: tuple[tuple[str, str], ...] = ()  # of mailboxes, by protocol, where they are others

    def mailbox_scope(self, protocol: str) -> str:
        """Return what is asked for a mailbox."""
        return dict(self.scopes).get(protocol, self.scope)

    def authorization_url(self, *, tenant: str) -> str:
        """Return where the browser goes."""
        return self.authorization.replace("{tenant}", quote(tenant or self.tenant, safe=""))

    def token_url(self, *, tenant: str) -> str:
        """Return where a code or a refresh token is exchanged."""
        return self.token.replace("{tenant}", quote(tenant or self.tenant, safe=""))


PROVIDERS: dict[str, Provider] = {
    "google": Provider(
        "google",
        "Google",
        "https://accounts.google.com/o/oauth2/v2/auth",
        "https://oauth2.googleapis.com/token",
        "https://mail.google.com/",
        (("access_type", "offline"), ("prompt", "consent")),
    ),
    "microsoft": Provider(
        "microsoft",
        "Microsoft",
        "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
        "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
        "offline_access https://outlook.office.com/SMTP.Send",
        (("prompt", "select_account"),),
        "common",
        (
            ("imap", "offline_access https://outlook.office.com/IMAP.AccessAsUser.All"),
            ("pop3", "offline_access https://outlook.office.com/POP.AccessAsUser.All"),
        ),
    ),
}


def consent_url(
    provider: Provider,
    *,
    tenant: str,
    client_id: str,
    user: str,
    back: str,
    state: str,
    verifier: str,
    scope: str = "",
) -> str:
    """Return the address at which the account gives its consent; the browser comes ``back`` with a code."""
    digest = hashlib.sha256(verifier.encode()).digest()
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": back,
        "scope": scope or provider.scope,
        "state": state,
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        "login_hint": user,
        **dict(provider.asked),
    }
    return f"{provider.authorization_url(tenant=tenant)}?{urlencode(asked)}"
