"""A checkout of its own for whoever reads settings."""

from pathlib import Path

import pytest

from mailing import settings
from mailing.setting_table import SETTINGS


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Path:
    """A checkout without settings, in an environment without any."""
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    for setting in SETTINGS:
        monkeypatch.delenv(setting.name, raising=False)
        monkeypatch.delenv(f"{setting.name}_FILE", raising=False)
    return tmp_path
