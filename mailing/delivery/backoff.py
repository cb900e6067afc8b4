"""When to try again after a temporary refusal (RFC 5321 section 4.5.4.1). Pure: chance is an argument."""

from __future__ import annotations

FIRST_S = 60.0
LONGEST_S = 3600.0
JITTER = 0.25


def next_delay_s(attempts: int, random: float, asked_s: int | None = None) -> float:
    """Return the seconds to wait after ``attempts`` tries (1 or more), ``random`` being from 0 to 1.

    About a minute first, then doubled each time, spread by a quarter either way so that mail refused
    together does not come back together, and never above an hour. A wait that the server asked for is
    the least, also above an hour, and is spread upwards only.
    """
    doubled = FIRST_S * 2.0 ** min(max(attempts, 1) - 1, 10)
    middle = min(doubled, LONGEST_S / (1 + JITTER))  # below the hour, so that its jitter fits too
    delay = middle * (1 - JITTER + 2 * JITTER * random)
    return max(delay, (asked_s or 0) * (1 + JITTER * random))
