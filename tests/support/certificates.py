"""A certificate that a test's server shows and its client trusts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.processes import run

if TYPE_CHECKING:
    from pathlib import Path


def self_signed(folder: Path, name: str) -> Path:
    """Make a certificate for ``name``, like ``DNS:localhost``; its file holds the key, too."""
    file, key = folder / "certificate.pem", folder / "key.pem"
    run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=volley-test"),
            *("-keyout", key, "-out", file, "-addext", f"subjectAltName={name}"),
            *("-addext", "keyUsage=critical,digitalSignature,keyCertSign"),
        ],
        check=True,
        capture_output=True,
    )
    file.write_text(file.read_text() + key.read_text())
    return file
