"""What a command loads: no more than it needs for its work, or before it knows what that is."""

from __future__ import annotations

import sys

import pytest

from mailing.settings import ROOT
from tests.support.processes import run

HELP = """
import sys
from click.testing import CliRunner  # loads more than click alone, and none of what is looked for
from webapp.cli.commands import main
answer = CliRunner().invoke(main, ["--help"])
assert answer.exit_code == 0, answer.output
assert "resend-unknown" in answer.output
print(*sys.modules)
"""
HEAVY = {"quart", "sqlalchemy", "celery", "kombu", "redis", "babel", "jinja2", "asyncio"}
PAGES = {"quart", "jinja2", "babel", "joserfc", "webauthn", "email_validator"}
QUEUE = {"celery", "kombu"}
DOORS = {
    "tasks.redis_server": PAGES | QUEUE,
    "tasks.foreman": PAGES | QUEUE | {"redis"},
    "tasks.worker": PAGES | QUEUE | {"redis"},  # it starts those that send
    "tasks.beat": PAGES,
    "mailing.demo_inbox": PAGES | QUEUE | {"redis"},
    "tasks.sending": PAGES - {"jinja2", "babel", "email_validator"},
}
MOST = 250  # modules; with all of its work loaded it would be a thousand


def loaded(code: str) -> set[str]:
    """The modules that a process has after it ran ``code``."""
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_help_needs_no_web_framework_no_database_and_no_queue():
    modules = loaded(HELP)
    assert not modules & HEAVY
    assert len(modules) < MOST


def test_the_work_of_a_command_needs_what_help_does_not():
    """Or the test above would prove nothing."""
    modules = loaded("import sys, webapp.cli.campaigns.work; print(*sys.modules)")
    assert modules >= {"sqlalchemy", "celery"}
    assert len(modules) > MOST


@pytest.mark.parametrize("door", DOORS)
def test_a_process_loads_no_library_of_another_s_work(door):
    assert not loaded(f"import sys, {door}; print(*sys.modules)") & DOORS[door]


def test_the_web_process_loads_them():
    """Or the test above would prove nothing."""
    assert loaded("import sys, webapp.app; print(*sys.modules)") >= PAGES | QUEUE | {"redis"}
