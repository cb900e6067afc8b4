"""What ``volley api-docs`` does: it writes the description of the API."""

from __future__ import annotations

from typing import IO

import orjson

from webapp.api import routes
from webapp.cli.work import chosen_settings


def write(file: IO[bytes]) -> None:
    """Write the OpenAPI document. It needs neither the database nor Redis."""
    document = routes.document(chosen_settings().site)
    file.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
