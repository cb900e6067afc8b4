"""Log records say what happened and to what, for people and for machines, whoever wrote them."""

import json
import logging

import pytest
import structlog

from mailing.core import logs


def written(capsys) -> list[str]:
    streams = capsys.readouterr()
    assert streams.out == ""
    return streams.err.splitlines()


def test_json_records_carry_their_ids_as_keys(capsys):
    logs.configure("json")
    structlog.get_logger("mailing.delivery.engine").warning("batch left", campaign_id=7, batch="7-1")
    (line,) = written(capsys)
    record = json.loads(line)
    assert record.pop("timestamp").endswith("Z")
    assert record == {"event": "batch left", "level": "warning", "campaign_id": 7, "batch": "7-1"}


def test_text_records_carry_their_ids_as_words(capsys):
    logs.configure("text")
    structlog.get_logger("mailing.delivery.engine").info("batch left", campaign_id=7, reason="a b")
    (line,) = written(capsys)
    assert "batch left" in line
    assert "campaign_id=7" in line
    assert "reason='a b'" in line
    assert "\x1b" not in line


@pytest.mark.parametrize("kind", ["json", "text"])
def test_bound_ids_are_in_every_record_until_they_are_unbound(kind, capsys):
    logs.configure(kind)
    with structlog.contextvars.bound_contextvars(campaign_id=7):
        structlog.get_logger("tasks").info("one")
        logging.getLogger("somewhere").info("two")
    structlog.get_logger("tasks").info("three")
    one, two, three = written(capsys)
    assert "campaign_id" in one
    assert "campaign_id" in two
    assert "campaign_id" not in three


@pytest.mark.parametrize("kind", ["json", "text"])
def test_the_standard_librarys_loggers_go_the_same_way(kind, capsys):
    logs.configure(kind)
    logging.getLogger("hypercorn.error").warning("Running on %s", "x")
    (line,) = written(capsys)
    assert "Running on x" in line
    assert kind == "text" or json.loads(line)["level"] == "warning"


@pytest.mark.parametrize("name", logs.QUIET)
def test_chatty_libraries_are_heard_from_warning_on_only(name, capsys):
    logs.configure("text")
    logging.getLogger(f"{name}.part").info("chat")
    logging.getLogger(f"{name}.part").warning("news")
    (line,) = written(capsys)
    assert "news" in line


@pytest.mark.parametrize("log", [structlog.get_logger("mailing"), logging.getLogger("somewhere")])
def test_an_exception_is_one_json_record_with_its_traceback(log, capsys):
    logs.configure("json")
    try:
        {}["gone"]
    except KeyError:
        log.exception("the engine failed")
    (line,) = written(capsys)
    record = json.loads(line)
    assert record["event"] == "the engine failed"
    assert record["level"] == "error"
    assert record["exception"].endswith("KeyError: 'gone'")


@pytest.mark.parametrize("kind", ["json", "text"])
def test_a_line_break_in_a_value_starts_no_new_record(kind, capsys):
    """A server's reply may hold several lines."""
    logs.configure(kind)
    structlog.get_logger("mailing").warning("refused", reason="550-one\r\n550 two\n12:00:00 [info] forged")
    assert len(written(capsys)) == 1


def test_a_value_that_is_no_json_is_written_by_its_name(capsys):
    logs.configure("json")
    structlog.get_logger("mailing").info("odd", value={1}, error=OSError("no route"))
    record = json.loads(written(capsys)[0])
    assert record["value"] == "{1}"
    assert "no route" in record["error"]


def test_debug_records_are_not_written(capsys):
    logs.configure("text")
    structlog.get_logger("mailing").debug("detail")
    logging.getLogger("somewhere").debug("detail")
    assert written(capsys) == []


def test_configuring_twice_writes_each_record_once(capsys):
    logs.configure("text")
    logs.configure("json")
    structlog.get_logger("mailing").info("once")
    (line,) = written(capsys)
    assert json.loads(line)["event"] == "once"
