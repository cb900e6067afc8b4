"""What is asked of Amazon's own hosts: certificates, and the link that confirms a subscription. It blocks.

Each answer is bounded in bytes and time, no redirect is followed, and certificates are remembered.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from http.client import HTTPException
from typing import Any
from urllib.request import HTTPRedirectHandler, OpenerDirector, build_opener

from mailing.feedback import amazon

PATIENCE_S = 5.0
BYTES_MOST = 32 * 1024
KEPT_MOST = 20
KEPT_S = 24 * 3_600.0
FAILED_S = 10.0  # a host that did not answer is not asked again for so long
_STEP = 4 * 1024


class AwayError(Exception):
    """The host did not answer as it should: try again later."""


class _Stay(HTTPRedirectHandler):
    """Follows nothing: another host would be nobody's choice."""

    def redirect_request(self, *_given: Any, **_more: Any) -> None:
        """Have the redirect raised as an error."""


class Amazon:
    """Asks hosts of SNS. Threads may share it."""

    def __init__(self, opener: OpenerDirector | None = None) -> None:
        self._opener = opener or build_opener(_Stay)
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def certificate(self, url: str) -> bytes:
        """Return the certificate at an address of SNS. Raises ``AwayError``, ``ValueError`` for another."""
        if not amazon.is_of_sns(url, certificate=True):
            raise ValueError(url)
        with self._lock:
            until, found = self._kept.get(url, (0.0, b""))
        if until <= time.monotonic():
            found, lasts = b"", FAILED_S
            try:
                found, lasts = self._get(url), KEPT_S
            finally:
                with self._lock:
                    self._kept[url] = time.monotonic() + lasts, found
                    if len(self._kept) > KEPT_MOST:
                        self._kept.popitem(last=False)
        if not found:
            raise AwayError(url)
        return found

    def confirm(self, url: str) -> None:
        """Confirm a subscription. Raises ``AwayError``, ``ValueError`` for an address that is not of SNS."""
        if not amazon.is_of_sns(url):
            raise ValueError(url)
        self._get(url)

    def _get(self, url: str) -> bytes:
        over, found = time.monotonic() + PATIENCE_S, bytearray()
        try:
            with self._opener.open(url, timeout=PATIENCE_S) as answer:
                while piece := answer.read1(_STEP):
                    found += piece
                    if len(found) > BYTES_MOST or time.monotonic() > over:
                        raise AwayError(url)
        except (OSError, HTTPException) as error:
            raise AwayError(url) from error
        return bytes(found)
