"""The passwords of Compose: ``python -m mailing.passwords FOLDER`` makes those of its database and Redis.

A folder for each of the two holds what its server reads and the URL that Volley reads, so that a container
is given only what it needs. What is there already stays, so that a volume with data can be used again.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path
from urllib.parse import quote

BYTES = 24


def make(folder: Path, chosen: str = "") -> None:
    """Make the files in ``folder``; ``chosen`` is PostgreSQL's password where the operator has one."""
    password = _keep(folder / "db" / "password", chosen)
    _write(folder / "db" / "url", f"postgresql://volley:{quote(password, safe='')}@db/volley")
    password = _keep(folder / "redis" / "password", "")
    _write(folder / "redis" / "redis.conf", f"requirepass {password}\n")
    _write(folder / "redis" / "url", f"redis://:{password}@redis:6379/0")


def _keep(file: Path, chosen: str) -> str:
    kept = file.read_text() if file.exists() else ""
    _write(file, chosen or kept or secrets.token_hex(BYTES))
    return file.read_text()


def _write(file: Path, text: str) -> None:
    """Write at once or not at all. Each container has an account of its own, so the file is for all in it."""
    draft = file.with_name(f"{file.name}.new")
    draft.write_text(text)
    draft.chmod(0o444)
    draft.replace(file)


def main() -> None:
    """Make the passwords in the folder that the command names."""
    (folder,) = map(Path, sys.argv[1:])
    make(folder, os.environ.get("POSTGRES_PASSWORD", ""))


if __name__ == "__main__":
    main()
