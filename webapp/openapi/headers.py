"""The header of a call that may be repeated: its Idempotency-Key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from webapp.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY_MAX = 255
KEY = re.compile(f"[!-~]{{1,{KEY_MAX}}}")


def read_key(values: Sequence[str]) -> str:
    """Return the Idempotency-Key, empty if there is none. Raises ``Problem`` unless it can be kept."""
    if not values:
        return ""
    if len(values) > 1 or not KEY.fullmatch(values[0]):
        detail = (
            f"The Idempotency-Key must be one value of 1 to {KEY_MAX} visible ASCII characters, like a UUID."
        )
        raise Problem(400, detail, "request.wrong-key")
    return values[0]
