"""How Python's own library writes a message of ours: fields that programs read come out as they are.

Pure. ``email.policy.SMTP`` turns what passes 78 columns into encoded words in every field, also where no
program decodes them: providers drop a List-Unsubscribe that begins with ``=?utf-8?q?``. Encoded words are
for text that people read (RFC 2047 section 5), so only the fields that hold some may have them here, and
``headers`` writes those: the library makes words of more than the 75 characters that a word may have.
"""

from __future__ import annotations

import re
from email.policy import EmailPolicy
from typing import Any

from mailing.messages.headers import write_mailbox, write_text

LINE_MAX = 998  # characters before CRLF, RFC 5322 section 2.1.1
_PEOPLE_READ = re.compile(
    r"subject|comments|keywords|content-description|thread-topic|organi[sz]ation",
    re.IGNORECASE,
)
_PARAMETERS = re.compile(r"content-(?:type|disposition)", re.IGNORECASE)
_BREAK = re.compile(r"\r\n|[\r\n]")


class MailPolicy(EmailPolicy):
    """``email.policy.SMTP``, except that a field for programs is folded where it has a space, or not at all.

    Such a field must be ASCII: a ``ValueError`` names the one that is not, or has no place to be folded
    within ``LINE_MAX``. A file's name beyond ASCII is encoded by RFC 2231, as the library does it.
    """

    linesep = "\r\n"
    max_line_length = 78

    def fold(self, name: str, value: str) -> str:
        """Return the lines of a field."""
        field: Any = value if hasattr(value, "name") else self.header_factory(name, _BREAK.sub("", value))
        if mailboxes := getattr(field, "addresses", ()):
            lines = [write_mailbox(name, it.display_name, it.addr_spec).decode() for it in mailboxes]
            kept = [lines[0], *(line[len(name) + 1 :] for line in lines[1:])]
            return ",\r\n".join(line.removesuffix("\r\n") for line in kept) + self.linesep
        if _PEOPLE_READ.fullmatch(name) and not hasattr(field, "addresses"):
            return write_text(name, str(field)).decode()
        if hasattr(field, "addresses") or (_PARAMETERS.fullmatch(name) and not _fits(name, str(field))):
            return str(super().fold(name, value))
        return self._raw(name, str(field))

    def fold_binary(self, name: str, value: str) -> bytes:
        """Return the lines of a field as bytes: ASCII, but for an address that needs SMTPUTF8."""
        return self.fold(name, value).encode()

    def _raw(self, name: str, value: str) -> str:
        words = _BREAK.sub("", value).split(" ")
        if not value.isascii():
            raise ValueError(
                f"{name} holds a character beyond ASCII, which programs that read it do not expect."
            )
        lines = [f"{name}:"]
        for word in words:
            if len(lines[-1]) + 1 + len(word) > LINE_MAX:
                lines.append("")
            lines[-1] += f" {word}"
        if max(map(len, lines)) > LINE_MAX:
            raise ValueError(f"{name} holds {LINE_MAX} characters without a space: no line may be so long.")
        return self.linesep.join([*lines, ""])


def _fits(name: str, value: str) -> bool:
    return value.isascii() and len(name) + 2 + len(value) <= LINE_MAX


MAIL = MailPolicy()
"""For every message that the library writes for us; ``MAIL.clone(utf8=True)`` where SMTPUTF8 is offered."""
