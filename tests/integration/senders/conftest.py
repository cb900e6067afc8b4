"""The pages of senders, at a Volley that others can reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.web import Visitor, running, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from mailing.core.database import Database
    from mailing.settings import Settings


@pytest.fixture
def chosen(tmp_path: Path, database_url: str) -> Settings:
    return settings_for(tmp_path, database_url, VOLLEY_URL="https://volley.example")


@pytest.fixture
async def visitor(db: Database, chosen: Settings) -> AsyncIterator[Visitor]:
    """The owner, at a Volley that others can reach."""
    async with running(chosen) as visitor:
        visitor.client.headers = {}
        yield visitor
