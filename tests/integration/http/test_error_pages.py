"""A page that cannot be shown says what happened, and leads on."""

from __future__ import annotations

import re

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from mailing.campaigns import queries as campaigns
from tests.support.web import running


@pytest.fixture
async def visitor(chosen, db):
    async with running(chosen) as visitor:
        yield visitor


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/nowhere", 404, "Page not found"),
        ("/campaigns/7", 404, "Campaign 7 doesn"),
        ("/campaigns/7/edit", 404, "Campaign 7 doesn"),
        ("/campaigns/7/recipients.csv", 404, "Campaign 7 doesn"),
        ("/campaigns/1/send", 405, "Method not allowed"),
        ("/inbox/7", 404, "has no message 7"),
        ("/history?state=odd", 422, "Choose a result from the list."),
        ("/campaigns?before=-1", 400, "must be a whole number"),
        ("/campaigns?before=99999999999999999999", 400, "must be a whole number"),
        ("/history?before=-1.5", 400, "must be a position in the log"),
        ("/history?after=1.99999999999999999999", 400, "must be a position in the log"),
        ("/history?size=7", 400, "must be one of 50, 100, 200"),
        ("/history?campaign=x", 422, "Choose a campaign from the list."),
        ("/history?from=yesterday", 422, "Enter a date and time"),
        ("/history?to=9999-12-31", 422, "Enter a date and time"),
        ("/history.csv?from=0001-01-01", 400, "Enter a date and time"),
        ("/campaigns/1/stream?rows=1.x", 400, "must be at most 200 numbers"),
    ],
)
async def test_an_address_that_leads_nowhere_says_so(visitor, path, status, words):
    assert words in await visitor.read(path, status)


@pytest.mark.parametrize(
    ("path", "status", "leads_to"),
    [
        ("/nowhere", 404, "/"),
        ("/campaigns/7", 404, "/campaigns"),
        ("/campaigns/1/send", 405, "/campaigns/1"),
        ("/history.csv?from=0001-01-01", 400, "/history"),
        ("/inbox/7", 404, "/inbox"),
    ],
)
async def test_an_error_says_what_happened_once_and_leads_to_where_one_was(visitor, path, status, leads_to):
    main = (await visitor.read(path, status)).partition("<main")[2].partition("</main>")[0]
    assert re.findall('href="([^"]*)"', main) == [leads_to]
    assert len(re.findall("<p>", main)) == 1


async def test_a_mistake_of_ours_is_admitted_without_its_details(visitor, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(campaigns, "latest", fail)
    text = await visitor.read("/campaigns", 500)
    assert "Something went wrong" in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (OperationalError("BEGIN", {}, Exception("gave up")), ": gave up."),
        (PoolTimeoutError(), "in use. Try again in a few seconds."),
    ],
)
async def test_a_database_that_gives_up_is_said_to_and_asks_to_try_again(visitor, monkeypatch, fault, words):
    def give_up(*_args, **_more):
        raise fault

    monkeypatch.setattr(campaigns, "latest", give_up)
    assert words in await visitor.read("/campaigns", 503)
