"""A visitor without scripts, who may do everything."""

from __future__ import annotations

import pytest

from tests.support.web import running, settings_for


@pytest.fixture
async def visitor(tmp_path, db, database_url):
    async with running(settings_for(tmp_path, database_url)) as visitor:
        yield visitor
