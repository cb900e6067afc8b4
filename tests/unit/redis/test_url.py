"""Where Redis is: each spelling is read once, and every library is told the same."""

from __future__ import annotations

from typing import Any

import pytest
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection
from redis import Redis
from redis.connection import AbstractConnection, SSLConnection

from mailing.redis.url import Address, parse

VERIFIED = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://127.0.0.1:6380/0", Address("127.0.0.1", 6380)),
        ("redis://redis", Address("redis")),
        ("redis://redis/", Address("redis")),
        ("REDIS://redis/7", Address("redis", db=7)),
        ("redis://redis?db=3", Address("redis", db=3)),
        ("redis://redis/1?virtual_host=1", Address("redis", db=1)),
        ("redis://[::1]:6380/2", Address("::1", 6380, db=2)),
        ("valkey://redis", Address("redis")),
        ("redis://:p%40ss%2Fw@redis", Address("redis", password="p@ss/w")),
        ("redis://ann:pw@redis", Address("redis", username="ann", password="pw")),
        ("rediss://redis", Address("redis", tls=VERIFIED)),
        ("valkeys://redis", Address("redis", tls=VERIFIED)),
        ("rediss://redis?ssl_cert_reqs=CERT_REQUIRED", Address("redis", tls=VERIFIED)),
        ("rediss://redis?ssl_cert_reqs=required", Address("redis", tls=VERIFIED)),
        (
            "rediss://redis?ssl_cert_reqs=CERT_NONE",
            Address("redis", tls={**VERIFIED, "ssl_cert_reqs": "none"}),
        ),
        (
            "rediss://redis?ssl_check_hostname=false&ssl_ca_certs=%2Fca%20s.pem",
            Address("redis", tls={**VERIFIED, "ssl_check_hostname": False, "ssl_ca_certs": "/ca s.pem"}),
        ),
        ("unix:///run/redis.sock", Address(path="/run/redis.sock")),
        ("unix:/run/redis.sock", Address(path="/run/redis.sock")),
        ("unix:///run/a%20b.sock?db=2&password=p%26w", Address(path="/run/a b.sock", db=2, password="p&w")),
        ("unix://ann:pw@/run/redis.sock", Address(path="/run/redis.sock", username="ann", password="pw")),
        ("redis+socket:///run/redis.sock?virtual_host=4", Address(path="/run/redis.sock", db=4)),
        ("redis+unix:///run/redis.sock", Address(path="/run/redis.sock")),
    ],
)
def test_every_spelling_of_an_address_is_read(url: str, address: Address):
    assert parse(url) == address
    assert parse(address.url) == address


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://redis", "must look like redis://"),
        ("redis", "must look like redis://"),
        ("redis://", "must look like redis://"),
        ("redis://:secret@", "must look like redis://"),
        ("redis://:secret@redis:port", "must look like redis://"),
        ("redis://:secret@redis:0", "must look like redis://"),
        ("redis://:secret@redis/volley", "must look like redis://"),
        ("redis://:secret@redis/²", "must look like redis://"),
        ("redis://:secret@[::1", "must look like redis://"),
        ("redis://:secret@one,two/0", "must look like redis://"),
        ("sentinel://:secret@redis", "must look like redis://"),
        ("unix://:secret@run/redis.sock", "the absolute path"),
        ("unix://", "the absolute path"),
        ("redis+socket:///", "the absolute path"),
        ("redis://:secret@redis?ssl_ca_certs=/ca.pem", "needs rediss://"),
        ("rediss://:secret@redis?ssl_cert_reqs=always", "other than required, optional or none"),
        ("rediss://:secret@redis?ssl_check_hostname=maybe", "other than true or false"),
        ("redis://:secret@redis?protocol=secret", "unknown option; use db, ssl_cert_reqs"),
    ],
)
def test_what_is_no_address_is_refused_with_how_it_is_written_and_without_the_password(url: str, words: str):
    with pytest.raises(ValueError, match=words) as caught:
        parse(url)
    assert "secret" not in str(caught.value)


ADDRESSES = st.builds(
    Address,
    host=st.sampled_from(["redis", "10.0.0.1", "::1", "redis.example.com"]),
    port=st.integers(1, 65535),
    db=st.integers(0, 15),
    username=st.text(max_size=8),
    password=st.text(max_size=12),
    tls=st.none()
    | st.just(VERIFIED)
    | st.just({**VERIFIED, "ssl_cert_reqs": "none", "ssl_ca_certs": "/a b.pem"}),
) | st.builds(
    Address,
    path=st.text(min_size=1, max_size=9)
    .filter(lambda name: name.strip("/"))
    .map(lambda name: f"/run/{name}"),
    db=st.integers(0, 15),
    username=st.text(max_size=8),
    password=st.text(max_size=12),
)


PLACE = ("host", "port", "path", "db", "username", "password")


def place(options: dict[str, Any]) -> dict[str, Any]:
    """Where connections made with these options go and how TLS is done, for comparison."""
    told = {name: options.get(name) or None for name in PLACE}
    tls = {name: value for name, value in options.items() if name.startswith("ssl_") and value is not None}
    if "ssl_cert_reqs" in tls:
        tls["ssl_cert_reqs"] = SSLConnection(ssl_cert_reqs=tls["ssl_cert_reqs"]).cert_reqs
    return told | tls


def of_kombu(settings: dict[str, Any]) -> dict[str, Any]:
    connection = Connection(settings["broker_url"], ssl=settings["broker_use_ssl"])
    channel = connection.transport.Channel.__new__(connection.transport.Channel)
    channel.connection = connection.transport
    channel.connection.client = connection
    return channel._connparams()


def of_results(settings: dict[str, Any]) -> dict[str, Any]:
    return Celery(
        "other", set_as_current=False, backend=settings["result_backend"], changes=settings
    ).backend.connparams


@given(ADDRESSES)
def test_redis_py_kombu_and_celerys_results_go_to_the_same_place_with_the_same_tls(address: Address):
    assert parse(address.url) == address
    pool = Redis(**address.client).connection_pool
    theirs = place(pool.connection_kwargs)
    wanted = {name: getattr(address, name) or None for name in PLACE}
    if address.path:
        wanted |= {"host": None, "port": None}
    assert {name: theirs[name] for name in PLACE} == wanted
    tls = {name: theirs.get(name) for name in address.tls or {}}
    for other in (of_kombu(address.celery), of_results(address.celery)):
        found = place(other)
        assert {name: found[name] for name in PLACE} == wanted
        assert {name: found.get(name) for name in address.tls or {}} == tls
        assert issubclass(other.get("connection_class", AbstractConnection), SSLConnection) == bool(
            address.tls
        )


def test_an_address_is_named_without_its_password():
    address = parse("redis://ann:secret@redis:6380/3")
    assert address.name == "redis:6380"
    assert "secret" not in repr(address)
