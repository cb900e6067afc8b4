"""What ``volley check`` does: it asks all that Volley leans on."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from sqlalchemy import make_url

from mailing import checks, settings
from mailing.checks import Finding
from mailing.core import logs, privacy
from mailing.core.database import Database
from mailing.redis import events
from mailing.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

CHECK_S = 8.0


def check() -> None:
    """Check the settings, the database, Redis, the SMTP server and the workers."""
    try:
        chosen = settings.load()
    except SettingsError as error:
        for fault in error.faults:
            _show("settings", Finding(ok=False, detail=fault))
        sys.exit(1)
    logs.configure(chosen.log, quiet=True)
    privacy.keep(chosen.instance)
    _show("settings", Finding(ok=True, detail=_settings_in_words(chosen)))
    found = _ask_all(chosen)
    for name, finding in found.items():
        _show(name, finding)
    if not all(finding.ok for finding in found.values()):
        sys.exit(1)


def _settings_in_words(chosen: Settings) -> str:
    """Say that the settings can be used, and what of theirs other users of this machine can read."""
    files = [settings.ROOT / ".env"]
    url = make_url(chosen.database_url)
    if url.get_backend_name() == "sqlite":
        files.append(Path(str(url.database)))
    open_ones = " ".join(map(str, privacy.exposed(files)))
    warning = f" But other users of this machine can read secrets or addresses. Run: chmod 600 {open_ones}"
    return f"All settings are valid.{warning if open_ones else ''}"


def _ask_all(chosen: Settings) -> dict[str, Finding]:
    """Do all checks at once. Their threads are daemons: one that hangs does not keep the command alive."""
    db = Database(chosen.database_url, pool_size=1)
    client = events.connect(chosen.redis_url, chosen.database_url)
    asked: dict[str, Callable[[], Finding]] = {
        "database": lambda: checks.database(db),
        "redis": lambda: checks.queue(client),
        "smtp": lambda: asyncio.run(checks.smtp(chosen.sender, CHECK_S - 1)),
        "workers": lambda: checks.worker(db),
    }
    found = {name: Finding(ok=False, detail=f"No response within {CHECK_S:g} s.") for name in asked}

    def ask(name: str) -> None:
        found[name] = asked[name]()

    threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in asked]
    until = time.monotonic() + CHECK_S
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(until - time.monotonic(), 0))
    client.close()
    db.close()
    return dict(found)


def _show(name: str, finding: Finding) -> None:
    mark, color = ("✓", "green") if finding.ok else ("✗", "red")
    click.echo(f"{click.style(mark, fg=color)} {name:8} {finding.detail}")
