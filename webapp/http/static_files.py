"""The files under ``static/``, read once when the process starts and served from memory."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from quart import Blueprint, Response, abort, request

from mailing.settings import ROOT
from webapp.http import auth

if TYPE_CHECKING:
    from collections.abc import Mapping

blueprint = Blueprint("assets", __name__)
FOLDER = ROOT / "static"
PATH = "/static"
YEAR_S = 365 * 24 * 3600
_TEXTS = frozenset({".css", ".js", ".svg", ".json", ".txt"})
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is sent. ``packed`` is empty unless compressing it is worth while."""

    plain: bytes
    packed: bytes
    content_type: str
    digest: str


@cache
def assets() -> Mapping[str, Asset]:
    """Return every file by its name, like ``vendor/x.js``."""
    files = sorted(file for file in FOLDER.rglob("*") if file.is_file())
    return {file.relative_to(FOLDER).as_posix(): _read(file.read_bytes(), file.suffix) for file in files}


def _read(data: bytes, suffix: str) -> Asset:
    guessed = _TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
    packed = gzip.compress(data, mtime=0) if suffix in _TEXTS else b""
    return Asset(data, packed, guessed, hashlib.sha256(data).hexdigest()[:12])


def address(name: str) -> str:
    """Return the path of a file with its content's hash, so that browsers may keep it."""
    return f"{PATH}/{name}?v={assets()[name].digest}"


@blueprint.get(f"{PATH}/<path:name>")
@auth.open_to_all("the sign-in page needs them", always=True)
async def show(name: str) -> Response:
    """Send a file, compressed for browsers that take gzip (RFC 9110 section 12.5.3)."""
    asset = assets().get(name) or abort(404)
    packed = bool(asset.packed) and bool(request.accept_encodings["gzip"])
    response = Response(asset.packed if packed else asset.plain, content_type=asset.content_type)
    response.headers["Cache-Control"] = f"public, max-age={YEAR_S}, immutable"
    response.set_etag(f"{asset.digest}-gzip" if packed else asset.digest)
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    if asset.packed:
        response.vary.add("Accept-Encoding")
    return await response.make_conditional(request)
