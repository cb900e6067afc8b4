"""Who signs in at a server: what senders and mailboxes have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailing.core.reasons import Words
    from mailing.smtp.account import TlsMode


@dataclass(frozen=True, slots=True)
class Holder(ABC):
    """Who signs in at a server, as it is kept. Its secrets are sealed; times are in ms since 1970.

    ``trouble`` is what keeps it from working now, empty if nothing does. ``revision`` counts up at each
    change by a person.
    """

    id: int
    name: str
    host: str
    port: int
    tls: TlsMode
    verify: bool
    ca: str
    username: str
    password: str = field(repr=False)
    provider: str
    tenant: str
    client_id: str
    client_secret: str = field(repr=False)
    refresh_token: str = field(repr=False)
    trouble: Words
    trouble_at: int | None
    revision: int
    created_at: int
    changed_at: int

    @property
    def server(self) -> str:
        """``host:port``; an IPv6 address stands in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    @abstractmethod
    def scope(self) -> str:
        """What is asked of the provider of its account."""
