"""What is asked of a provider, as it goes into the address."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest

from mailing.credentials import providers
from mailing.credentials.providers import PROVIDERS


@pytest.mark.parametrize("key", PROVIDERS)
def test_the_browser_is_sent_with_a_challenge_and_asks_for_lasting_consent(key: str) -> None:
    url = providers.consent_url(
        PROVIDERS[key],
        tenant="",
        client_id="mine",
        user="a&b@example.org",
        back="https://v.example/back",
        state="s",
        verifier="v" * 43,
    )
    asked = {name: value for name, [value] in parse_qs(urlsplit(url).query, strict_parsing=True).items()}
    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 43).digest()).decode().rstrip("=")
    assert (asked["code_challenge"], asked["code_challenge_method"]) == (challenge, "S256")
    assert (asked["login_hint"], asked["redirect_uri"]) == ("a&b@example.org", "https://v.example/back")
    assert "offline" in asked.get("access_type", "") + asked["scope"]


def test_a_tenant_stands_in_the_address_and_nowhere_else() -> None:
    microsoft = PROVIDERS["microsoft"]
    assert microsoft.token_url(tenant="") == "https://login.microsoftonline.com/common/oauth2/v2.0/token"
    assert microsoft.token_url(tenant="a/../b?") == (
        "https://login.microsoftonline.com/a%2F..%2Fb%3F/oauth2/v2.0/token"
    )
