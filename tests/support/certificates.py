"""A certificate that a test's server shows and its client trusts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.processes import run

if TYPE_CHECKING:
    from pathlib import Path


def pair(folder: Path, name: str, stem: str = "tls", protect: str = "-nodes") -> tuple[Path, Path]:
    """Make a certificate for ``name``, like ``DNS:localhost``, and its key; return their files.

    ``protect`` is what OpenSSL is told of the key's password.
    """
    file, key = folder / f"{stem}.pem", folder / f"{stem}.key"
    run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-days", "2", "-subj", "/CN=volley-test", *protect.split()),
            *("-keyout", key, "-out", file, "-addext", f"subjectAltName={name}"),
            *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
        ],
        check=True,
        capture_output=True,
    )
    return file, key


def self_signed(folder: Path, name: str) -> Path:
    """Make a certificate for ``name``; its file holds the key, too."""
    file, key = pair(folder, name)
    file.write_text(file.read_text() + key.read_text())
    return file
