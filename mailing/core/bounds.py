"""Bounds: what pages, programs and the command line may ask for alike."""

from __future__ import annotations

LARGEST_ID = 2**63 - 1  # what the database's keys hold
LONGEST_SEARCH = 254  # characters; no address is longer (RFC 5321 section 4.5.3.1)
GIVE_UP_HOURS = range(1, 169)  # how long temporary refusals may be tried again
GIVE_UP_USUALLY = 24
CANARY_MOST = 1_000  # recipients that are sent first
