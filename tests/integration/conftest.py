"""The event loops of the integration tests: workers run uvloop where it is installed, so SMTP meets both."""

import asyncio

import uvloop


def pytest_asyncio_loop_factories(config, item):
    asyncio_only = {"asyncio": asyncio.new_event_loop}
    return (
        asyncio_only | {"uvloop": uvloop.new_event_loop}
        if item.path.stem.startswith("test_smtp")
        else asyncio_only
    )
