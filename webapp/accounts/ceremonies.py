"""Ceremonies of passkeys (WebAuthn level 3): what a browser is asked, and whether its answer is good.

A challenge is signed with the secret key, is for one purpose and one person, and lasts five minutes. The
database remembers which ones were answered, so that each counts once, whichever process made it.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Generic, TypeVar

import structlog
import webauthn
from itsdangerous import URLSafeTimedSerializer
from quart import request
from webauthn.helpers import (
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from mailing.accounts.passkeys import Credential
from mailing.sites import read_address, read_host
from webapp.http import origins
from webapp.http.services import services
from webapp.i18n.languages import _

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mailing.accounts.passkeys import Passkey

_T = TypeVar("_T")
_C = TypeVar("_C", AuthenticationCredential, RegistrationCredential)
_LASTS_S = 300
_NONCE = 16  # bytes
_LOCAL = "localhost"
log = structlog.get_logger(__name__)


class Purpose(StrEnum):
    """What a challenge is for."""

    ADD = "add"
    SIGN_IN = "sign in"
    CONFIRM = "confirm"


@dataclass(frozen=True, slots=True)
class Answer(Generic[_C]):
    """What a browser answered to a challenge of ours; nothing of it is proven yet."""

    credential: _C
    challenge: bytes


def host() -> str:
    """Return the name to which passkeys belong (RP ID): the public address's, else the one asked for."""
    url, asked = services().settings.url, read_host(request.host)
    if url and url.scheme == "https" and read_address(url.host.name) is None:
        return url.host.name
    return asked.name if asked else ""


def why_not() -> str:
    """Return why the page that asks can have no passkeys; empty if it can."""
    name, asked = host(), read_host(request.host)
    if asked is None or asked.name != name:
        return _("Passkeys work only at %(url)s.", url=services().settings.site.origin)
    if read_address(name):
        return _(
            "Passkeys don't work at an IP address. Open Volley by its host name; on this machine: localhost."
        )
    if not origins.secure() and name != _LOCAL and not name.endswith(f".{_LOCAL}"):
        return _("Passkeys need HTTPS. Set VOLLEY_URL to the https:// address of this Volley.")
    return ""


def to_add(user_id: int, handle: bytes, email: str, known: Sequence[Passkey]) -> str:
    """Return what a browser is asked for a new passkey, as JSON."""
    options = webauthn.generate_registration_options(
        rp_id=host(),
        rp_name="Volley",
        user_id=handle,
        user_name=email,
        challenge=_challenge(Purpose.ADD, user_id),
        timeout=_LASTS_S * 1000,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.PREFERRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=_described(known),
    )
    return webauthn.options_to_json(options)


def to_prove(purpose: Purpose, user_id: int = 0, known: Sequence[Passkey] = ()) -> str:
    """Return what a browser is asked for a proof by one of the ``known`` passkeys, else by any, as JSON."""
    options = webauthn.generate_authentication_options(
        rp_id=host(),
        challenge=_challenge(purpose, user_id),
        timeout=_LASTS_S * 1000,
        allow_credentials=_described(known),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return webauthn.options_to_json(options)


def added(user_id: int, text: str) -> tuple[Credential, bytes] | None:
    """Return the new passkey that a browser tells of, and the challenge that it answered."""

    def check() -> tuple[Credential, bytes]:
        answer = _read(parse_registration_credential_json, text, Purpose.ADD, user_id)
        made = webauthn.verify_registration_response(
            credential=answer.credential,
            expected_challenge=answer.challenge,
            expected_rp_id=host(),
            expected_origin=list(origins.ours()),
            require_user_verification=True,
        )
        return Credential(made.credential_id, made.credential_public_key, made.sign_count), answer.challenge

    return _judged(check)


def answered(purpose: Purpose, user_id: int, text: str) -> Answer[AuthenticationCredential] | None:
    """Return what was answered to a challenge of ours, for ``proven``."""
    return _judged(lambda: _read(parse_authentication_credential_json, text, purpose, user_id))


def proven(answer: Answer[AuthenticationCredential], passkey: Passkey, handle: bytes) -> int | None:
    """Return the passkey's new sign count if this answer is its proof, by the person of ``handle``."""

    def check() -> int:
        told = answer.credential.response.user_handle
        if told is not None and told != handle:
            raise ValueError("the device names another person")
        return webauthn.verify_authentication_response(
            credential=answer.credential,
            expected_challenge=answer.challenge,
            expected_rp_id=host(),
            expected_origin=list(origins.ours()),
            credential_public_key=passkey.public_key,
            credential_current_sign_count=passkey.sign_count,
            require_user_verification=True,
        ).new_sign_count

    return _judged(check)


def _read(parse: Callable[[str], _C], text: str, purpose: Purpose, user_id: int) -> Answer[_C]:
    """Read an answer; raises if it is none, or not to a challenge of ours for this purpose and person."""
    credential = parse(text)
    challenge = parse_client_data_json(credential.response.client_data_json).challenge
    asked = _signer().loads(challenge.decode("ascii"), max_age=_LASTS_S)
    if asked[:2] != [purpose, user_id]:
        raise ValueError("the challenge was for something else")
    return Answer(credential, challenge)


def _judged(check: Callable[[], _T]) -> _T | None:
    try:
        return check()
    except Exception as fault:  # noqa: BLE001 - a stranger's bytes: whatever the parsers make of them, no proof
        log.info("a passkey was refused", why=type(fault).__name__, said=str(fault)[:200])
        return None


def _challenge(purpose: Purpose, user_id: int) -> bytes:
    return str(_signer().dumps([purpose, user_id, secrets.token_urlsafe(_NONCE)])).encode()


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(services().settings.secret_key, salt="passkey")


def _described(known: Sequence[Passkey]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=it.credential_id) for it in known]
