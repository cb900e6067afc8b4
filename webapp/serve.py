"""The web process: ``python -m webapp.serve``. It ends every stream and itself on SIGTERM or SIGINT.

Hypercorn alone would wait for open streams without end, so its shutdown trigger closes the hub first.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import sys
from typing import TYPE_CHECKING

import hypercorn.asyncio
import structlog
import uvloop
from hypercorn.config import Config

from mailing import schema
from mailing.accounts import tokens
from mailing.core import logs, terminal
from mailing.settings import load_or_exit
from webapp import http1
from webapp.app import create_app

if TYPE_CHECKING:
    from mailing.settings import Settings

GRACE_S = 1.0  # for answers under way
BACKLOG = 512

log = structlog.get_logger(__name__)


def main() -> None:
    """Serve until told to stop; exit 1 with a sentence if that is impossible."""
    settings = load_or_exit()
    logs.configure(settings.log)
    schema.require(settings.database_url, patient=False)
    try:
        listener = _listen(settings)
    except OSError as error:
        sys.exit(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}. "
            "Stop the program that uses this port, or set VOLLEY_BIND, such as VOLLEY_BIND=127.0.0.1:5001."
        )
    uvloop.run(serve(settings, listener))


async def serve(settings: Settings, listener: socket.socket) -> None:
    """Answer on ``listener`` until a signal comes."""
    app = create_app(settings)
    stop = terminal.stop_on_signal()

    async def stopped() -> None:
        await stop.wait()
        await app.extensions["volley"].hub.close()

    http1.install()
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = GRACE_S
    config.backlog = BACKLOG
    config.include_server_header = False
    if settings.certificate:  # then HTTP/2 is offered, too (ALPN, RFC 7301)
        config.certfile, config.keyfile = map(str, settings.certificate)
    config.errorlog = logging.getLogger("hypercorn.error")
    config.errorlog.setLevel(logging.WARNING)
    if not settings.private and not await app.extensions["volley"].doors.accounts_exist():
        link = settings.site.origin + settings.site.at(f"/setup?token={tokens.set_up(settings.secret_key)}")
        unready = f"Volley isn't set up yet. Create the first account at {link}"
        log.warning(unready)
    gc.collect()
    gc.freeze()  # or every full collection would walk all the modules, and each page wait 0.1 s for it
    await asyncio.to_thread(app.extensions["volley"].lists.start)
    invitation = f"Open {settings.site.origin}{settings.site.at('/')} in a browser"
    log.info(invitation)
    await hypercorn.asyncio.serve(app, config, shutdown_trigger=stopped)


def _listen(settings: Settings) -> socket.socket:
    family, *_, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)


if __name__ == "__main__":
    main()
