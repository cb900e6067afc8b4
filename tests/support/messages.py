"""What the tests of composing share: to fill a message, to read it back, and to render it another way."""

import email
import email.policy
from email.message import EmailMessage

import jinja2

from mailing.messages.compose import Filled, Message, prepare

NOW_MS = 1_700_000_000_000
FROM = "Club <club@x.example>"


def fill(message: Message, to="ann@one.example", name="Ann", fields=None, domain=None) -> Filled:
    prepared = prepare(message, token="t0k3n", domain=domain)
    return prepared.fill(7, to, name, fields, NOW_MS)


def read(filled: Filled) -> EmailMessage:
    """Parse an email with the standard library, after looking at its raw form."""
    lines = filled.data.split(b"\r\n")
    assert lines.pop() == b""
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert max(map(len, lines)) <= 998
    assert filled.needs_smtputf8 or filled.data.isascii()
    parsed = email.message_from_bytes(filled.data, policy=email.policy.default.clone(utf8=True))
    assert not parsed.defects
    return parsed


def bodies(filled: Filled) -> dict[str, str]:
    parts = [part for part in read(filled).walk() if not part.is_multipart()]
    for part in parts:
        assert not part.defects
        assert all(len(line) <= 76 for line in part.get_payload().split("\r\n"))
    raw = {part.get_content_type(): part.get_payload(decode=True) for part in parts}
    return {kind: body.decode().replace("\r\n", "\n") for kind, body in raw.items()}


def rendered(source: str, *, html=False, **values) -> str:
    """Render independently of the module, with its rules: LF line ends, one at the end, no comments."""
    environment = jinja2.Environment(autoescape=html, comment_start_string="\0", comment_end_string="\0")
    unified = {
        key: value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else value
        for key, value in values.items()
    }
    return environment.from_string(source).render(unified) + "\n"
