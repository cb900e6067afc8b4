"""A real nginx before a Volley, in the ways that people set it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support import certificates
from tests.support.stack import Stack, free_port, listens, wait_until
from tests.support.web import store

if TYPE_CHECKING:
    from pathlib import Path

NAME = "mail.localhost"  # every browser finds it here
PASSED = """
proxy_set_header Host $http_host;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
proxy_set_header X-Forwarded-Proto $scheme;
"""
CONFIG = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 200; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder}; client_max_body_size 20m;
  server {{
    listen 127.0.0.1:{port} ssl http2; server_name {name};
    ssl_certificate {folder}/tls.pem; ssl_certificate_key {folder}/tls.key;
    location {location} {{ proxy_pass http://127.0.0.1:{upstream}{path}; {more} }}
  }}
}}
"""


@dataclass(frozen=True)
class Way:
    """How nginx is set up, and Volley."""

    prefix: str = ""
    strips: bool = False
    more: str = ""
    trusted: str = ""
    told: bool = True  # whether VOLLEY_URL names the address


WAYS = {
    "usual": Way(),
    "prefix passed": Way("/volley"),
    "prefix cut off": Way("/mail/volley", strips=True),
    "all passed": Way(more=PASSED, trusted="127.0.0.0/8"),
    "all passed, by VOLLEY_HOSTS": Way(more=PASSED, trusted="127.0.0.1", told=False),
    "Host passed, nothing trusted": Way("/volley", more=PASSED),
}


class Site:
    """An nginx before a Volley, which serves TLS. ``url`` is where a browser finds it."""

    def __init__(self, way: Way, folder: Path, *names: str, owned: bool = True) -> None:
        self.way, self.prefix, self.port = way, way.prefix, free_port()
        self.url = f"https://{NAME}:{self.port}{way.prefix}"
        extra = {"VOLLEY_TRUSTED_PROXIES": way.trusted}
        extra |= (
            {"VOLLEY_URL": f"https://{NAME}:{self.port}{way.prefix}/"} if way.told else {"VOLLEY_HOSTS": NAME}
        )
        folder.mkdir()
        self.stack = Stack(folder, extra=extra).__enter__()
        if owned:
            self.stack.add_owner()
        keeper = self.stack.keeper
        certificates.pair(folder, f"DNS:{NAME}")
        config = CONFIG.format(
            folder=folder,
            port=self.port,
            name=NAME,
            upstream=self.stack.web_port,
            location=way.prefix + "/",
            path="/" if way.strips else "",
            more=way.more,
        )
        (folder / "nginx.conf").write_text(config)
        self.stack.start("web", *names)
        with (folder / "nginx.out").open("ab") as log:
            keeper.start(["nginx", "-p", folder, "-c", folder / "nginx.conf"], stdout=log, stderr=log)
        wait_until(lambda: listens(self.port), "nginx starts")

    def store(self, *, send: bool = True) -> int:
        """Store a campaign of two; return its id."""
        return store(self.stack.db, "Ann <ann@a.example>\nben@b.example", send=send)
