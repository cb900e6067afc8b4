"""What Volley writes nobody else on the machine reads: new files, old files, and what is told of others."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from mailing import migrate, settings
from mailing.core import privacy
from tests.support.processes import Keeper, run
from tests.support.stack import free_port, wait_until
from tests.support.web import DRAFT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.stack import Stack

OTHERS = stat.S_IRWXG | stat.S_IRWXO


@pytest.fixture
def usual() -> Iterator[None]:
    """The mask that most systems start programs with."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def open_files(folder: Path) -> list[str]:
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.suffix != ".log" and path.is_file() and path.stat().st_mode & OTHERS
    ]


@pytest.mark.usefixtures("usual")
def test_no_process_lets_others_read_what_it_writes(make_stack: Callable[..., Stack], tmp_path: Path):
    stack = make_stack(workers=1)
    stack.start("redis", "sink", "worker", "beat", "web")
    stack.wait_for(stack.send(DRAFT, ["ann@b.example"]))
    for name in ("redis", "worker", "beat", "web"):
        status = Path(f"/proc/{stack.processes[name].pid}/status").read_text()
        assert "Umask:\t0077" in status, name
    assert (stack.folder / "redis" / "appendonlydir").is_dir()
    assert [path for path in open_files(stack.folder) if not path.startswith("sink")] == []


@pytest.mark.usefixtures("usual")
def test_files_of_an_older_volley_are_closed_and_others_in_the_folder_left_alone(tmp_path: Path):
    migrate.upgrade(f"sqlite:///{tmp_path / 'volley.sqlite'}")
    for name in ("secret_key", "inbox.sqlite", "somebody.txt"):
        (tmp_path / name).write_text("s" * 40)
    (tmp_path / "redis" / "appendonlydir").mkdir(parents=True)
    (tmp_path / "redis" / "appendonlydir" / "a.aof").touch()
    (tmp_path / "link.sqlite").symlink_to(tmp_path / "somebody.txt")
    privacy.keep(tmp_path)
    assert set(open_files(tmp_path)) == {"somebody.txt", "link.sqlite"}


@pytest.mark.usefixtures("usual")
def test_check_says_which_files_others_can_read(tmp_path: Path):
    elsewhere = tmp_path / "elsewhere.sqlite"
    migrate.upgrade(f"sqlite:///{elsewhere}")
    environment = {
        "VOLLEY_INSTANCE": str(tmp_path / "instance"),
        "VOLLEY_DATABASE_URL": f"sqlite:///{elsewhere}",
        "VOLLEY_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        "VOLLEY_SMTP_URL": f"smtp://127.0.0.1:{free_port()}",
    }
    command = [sys.executable, "-m", "webapp.cli.commands", "check"]
    said = run(command, env=environment, capture_output=True, text=True).stdout
    assert f"Run: chmod 600 {elsewhere}" in said
    elsewhere.chmod(0o600)
    assert "chmod" not in run(command, env=environment, capture_output=True, text=True).stdout


def test_the_bundled_redis_wants_a_password_that_all_processes_find_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    port = free_port()
    monkeypatch.setattr(settings, "BUNDLED_REDIS", f"redis://127.0.0.1:{port}/0")
    found = settings.load({"VOLLEY_INSTANCE": str(tmp_path)}).redis_url
    assert settings.load({"VOLLEY_INSTANCE": str(tmp_path)}).redis_url == found
    assert stat.S_IMODE((tmp_path / "redis_password").stat().st_mode) == 0o600
    with Keeper() as keeper:
        keeper.start(
            [sys.executable, "-m", "tasks.redis_server"],
            env={"VOLLEY_INSTANCE": str(tmp_path), "VOLLEY_REDIS_URL": found},
        )
        with redis.Redis.from_url(found) as known:
            wait_until(lambda: answers(known), "it answers who knows the password")
        with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_an_operator_s_own_address_of_redis_stays_as_it_is(tmp_path: Path):
    url = "redis://127.0.0.1:6380/0"
    given = {"VOLLEY_INSTANCE": str(tmp_path), "VOLLEY_REDIS_URL": url}
    assert settings.load(given).redis_url == url
    assert not (tmp_path / "redis_password").exists()
