"""SMTP dialogues: what their stages are called. None: the goodbye."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailing.smtp.replies import Stage
from webapp.i18n.languages import N_

if TYPE_CHECKING:
    from collections.abc import Mapping

STAGES: Mapping[Stage | None, str] = {
    Stage.CONNECT: N_("Connection"),
    Stage.GREETING: N_("Greeting"),
    Stage.HELLO: N_("Hello"),
    Stage.TLS: N_("Encryption"),
    Stage.AUTH: N_("Sign-in"),
    Stage.MAIL: N_("Sender"),
    Stage.RCPT: N_("Recipient"),
    Stage.DATA: N_("Data"),
    Stage.DOT: N_("Message"),
    None: N_("Goodbye"),
}
