"""The backend of commands about saved lists."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mailing.core.database import Database


@pytest.fixture
def backend(db: Database, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The commands' backend, with no queue behind it."""
    monkeypatch.setattr("tasks.imports.enqueue", lambda _ids: True)
    return SimpleNamespace(db=db)
