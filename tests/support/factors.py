"""Ways to sign in, for tests: people with passwords, and a device that keeps passkeys, in software."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from sqlalchemy import select, update
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, encode_cbor

from mailing.accounts import passwords, tables, users
from mailing.accounts.roles import Role
from tests.support.web import Visitor

if TYPE_CHECKING:
    from quart.wrappers import Response

    from mailing.core.database import Database

PASSWORD = "three blue chairs"
LOCAL = "localhost"
_PRESENT, _VERIFIED, _CREDENTIAL = 0x01, 0x04, 0x40  # WebAuthn level 3 section 6.1


def add_person(db: Database, email: str, role: Role = Role.OWNER, password: str | None = PASSWORD) -> int:
    """Make an account; return its id."""
    with db.write() as connection:
        return users.add(connection, email, role, passwords.hashed(password) if password else None)


def audited(db: Database, action: str) -> list[dict[str, Any]]:
    """The details of every row of the audit log about this action, the oldest first."""
    table = tables.audit
    with db.read() as connection:
        found = select(table.c.details).where(table.c.action == action).order_by(table.c.id)
        return list(connection.execute(found).scalars())


def confirmed_long_ago(db: Database) -> None:
    """Let it be long ago that anybody has confirmed who they are; a server believes it a second later."""
    with db.write() as connection:
        connection.execute(update(tables.sessions).values(confirmed_at=1))


class Person(Visitor):
    """A browser without scripts at localhost, the one host that may have passkeys without TLS."""

    async def get(self, path: str, **options: Any) -> Response:
        return await super().get(path, headers={"Host": LOCAL}, **options)

    async def post(self, path: str, form: dict[str, str] | None = None, **options: Any) -> Response:
        return await super().post(path, form, headers={"Host": LOCAL}, **options)

    async def sign_in(self, email: str, password: str = PASSWORD, onward: str = "/account") -> str:
        """Sign in by password; return where it leads."""
        await self.read("/sign-in")
        answer = await self.post("/sign-in", {"email": email, "password": password, "next": onward})
        assert answer.status_code == 303, await answer.get_data()
        return str(answer.location)

    async def sign_out(self) -> None:
        await self.read("/account")
        await self.post("/sign-out")

    def wait_long(self, db: Database) -> None:
        """Let it be long ago that anybody has confirmed who they are."""
        confirmed_long_ago(db)
        self.app.extensions["volley"].doors.forget()

    async def set_up_app(self) -> tuple[str, Any]:
        """Read a new secret off the page, and what else the form holds."""
        page = await self.read("/account/totp")
        secret = re.search(r'<code class="once">([A-Z2-7 ]+)</code>', page)
        sealed = re.search(r'name="sealed" value="([^"]+)"', page)
        assert secret
        assert sealed
        return secret[1].replace(" ", ""), {"sealed": sealed[1]}

    async def options(self, path: str) -> Any:
        """What a script is told to ask the browser for."""
        answer = await self.get(path)
        assert answer.status_code == 200
        return await answer.get_json()


@dataclass
class Device:
    """Keeps one passkey and answers as a browser would. ``origin`` is that of the page it is asked by."""

    origin: str = f"http://{LOCAL}"
    flags: int = _PRESENT | _VERIFIED
    count: int = 0  # as with those that are kept in a cloud
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    id: bytes = field(default_factory=lambda: os.urandom(16))
    handle: bytes = b""

    def create(self, options: Any) -> str:
        """Answer to what asks for a new passkey (WebAuthn level 3 section 6.3.2)."""
        numbers = self.key.public_key().public_numbers()
        x, y = (number.to_bytes(32, "big") for number in (numbers.x, numbers.y))
        public = encode_cbor({1: 2, 3: -7, -1: 1, -2: x, -3: y})  # COSE: EC2, ES256, P-256
        told = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + public
        self.handle = base64url_to_bytes(options["user"]["id"])
        data = self._data(options["rp"]["id"], _CREDENTIAL) + told
        attested = encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer("webauthn.create", options, attestationObject=attested)

    def get(self, options: Any) -> str:
        """Answer to what asks for a proof (section 6.3.3)."""
        data, client = self._data(options["rpId"]), self._client("webauthn.get", options)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        return self._answer(
            "webauthn.get", options, authenticatorData=data, signature=signature, userHandle=self.handle
        )

    def _data(self, host: str, more: int = 0) -> bytes:
        flags = bytes([self.flags | more])
        return hashlib.sha256(host.encode()).digest() + flags + self.count.to_bytes(4, "big")

    def _client(self, kind: str, options: Any) -> bytes:
        told = {"type": kind, "challenge": options["challenge"], "origin": self.origin}
        return json.dumps(told).encode()

    def _answer(self, kind: str, options: Any, **parts: bytes) -> str:
        parts["clientDataJSON"] = self._client(kind, options)
        name = bytes_to_base64url(self.id)
        response = {part: bytes_to_base64url(data) for part, data in parts.items()}
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response})
