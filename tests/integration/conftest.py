"""What integration tests share: their event loops, and a program before the API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import uvloop

from tests.support.web import settings_for
from webapp.app import create_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from quart.typing import TestClientProtocol

    from mailing.core.database import Database
    from mailing.settings import Settings


def pytest_asyncio_loop_factories(config, item):
    """Workers run uvloop where it is installed, so SMTP meets both."""
    asyncio_only = {"asyncio": asyncio.new_event_loop}
    return (
        asyncio_only | {"uvloop": uvloop.new_event_loop}
        if item.path.stem.startswith("test_smtp")
        else asyncio_only
    )


@pytest.fixture
def chosen(database_url: str, tmp_path: Path) -> Settings:
    """Settings of a Volley whose Redis is away."""
    return settings_for(tmp_path, database_url, VOLLEY_FROM="Default <default@example.org>")


@pytest.fixture
async def client(db: Database, chosen: Settings) -> AsyncIterator[TestClientProtocol]:
    """A program that talks to the API."""
    app = create_app(chosen)
    async with app.test_app():
        yield app.test_client()
