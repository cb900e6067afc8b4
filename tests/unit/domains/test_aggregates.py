"""DMARC aggregate reports as receivers send them, and as somebody might who means harm."""

from __future__ import annotations

import gzip
import io
import time
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailing.bounces import reading
from mailing.bounces.reading import Kind
from mailing.domains import aggregates
from tests.support.aggregate_reports import message, record, report, zipped

OWN = "192.0.2.25"


def read(xml: str, how: str = "gzip"):
    return reading.read(message(xml, how)).aggregate


@pytest.mark.parametrize("how", ["gzip", "zip", "xml"])
@pytest.mark.parametrize("namespace", ["", ' xmlns="urn:ietf:params:xml:ns:dmarc-2.0"'])
def test_a_report_is_read_however_it_is_packed(how, namespace):
    xml = report(
        record(OWN, 12),
        record(OWN, 3),
        record("2001:DB8::1", 2, dkim="fail", spf="softfail", disposition="reject"),
        namespace=namespace,
    )
    came = reading.read(message(xml, how))
    assert (came.kind, came.reporter) == (Kind.OTHER, "receiver.example")
    found = came.aggregate
    assert found
    assert (found.domain, found.report_id, found.policy) == ("mail.test", "r1", "none")
    assert (found.begin_at, found.end_at) == (1764115200_000, 1764201599_000)
    (own, twelve), (other, two) = found.sources.items()
    assert (own.source, twelve, own.spf, own.dkim, own.selector) == (OWN, 15, True, True, "v1")
    assert (other.source, two, other.spf, other.dkim) == ("2001:db8::1", 2, False, False)
    assert (other.disposition, other.dkim_domain, other.spf_domain) == ("reject", "", "")


@pytest.mark.parametrize(
    "harm",
    [
        '<!DOCTYPE feedback [<!ENTITY a "b">]>',
        '<!DOCTYPE feedback SYSTEM "file:///etc/hostname">',
        '<!DOCTYPE feedback [<!ENTITY x SYSTEM "http://127.0.0.1/">]>',
    ],
)
def test_a_document_type_is_refused_and_all_its_entities(harm):
    xml = report(record(OWN)).replace("<feedback>", f"{harm}<feedback>")
    assert read(xml) is None
    assert read(report(record(OWN)))


def test_what_unpacks_to_too_much_is_refused_soon():
    bomb = gzip.compress(b"<feedback>" + b" " * (aggregates.XML_MOST + 1))
    begun = time.monotonic()
    assert aggregates.unpack(bomb) is None
    assert aggregates.unpack(zipped("<feedback>" + " " * aggregates.XML_MOST)) is None
    assert aggregates.unpack(b"<" + b" " * aggregates.PACKED_MOST) is None
    assert time.monotonic() - begun < 5


def test_an_archive_with_many_files_or_a_broken_one_is_refused():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for n in range(aggregates.FILES_MOST + 1):
            archive.writestr(f"{n}.xml", report())
    assert aggregates.unpack(packed.getvalue()) is None
    assert aggregates.unpack(zipped(report())[:-30]) is None
    assert aggregates.unpack(gzip.compress(report().encode())[:-9]) is None
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    assert aggregates.unpack(empty.getvalue()) is None


def test_deep_xml_and_very_many_rows_are_refused_and_very_many_sources_added_up():
    deep = "<x>" * aggregates.DEPTH_MOST
    assert read(report(deep + "</x>" * aggregates.DEPTH_MOST)) is None
    many = [record(f"10.0.{n // 250}.{n % 250}", n + 1) for n in range(aggregates.SOURCES_MOST + 5)]
    found = read(report(*many))
    assert found
    assert len(found.sources) == aggregates.SOURCES_MOST + 1
    assert sum(found.sources.values()) == sum(range(len(many) + 1))
    assert sum(n for it, n in found.sources.items() if it.source == aggregates.OTHERS) == 15


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("<report_id>r1</report_id>", ""),
        ("1764201599", "soon"),
        ("1764201599", "1"),
        ("<p>none</p>", "<p>none</wrong>"),
        ("<domain>mail.test</domain><p>", "<domain></domain><p>"),
        ("feedback>", "fodder>"),
    ],
)
def test_what_lacks_what_it_needs_is_no_report(wrong, right):
    assert read(report(record(OWN)).replace(wrong, right)) is None


def test_a_row_that_cannot_be_is_left_out():
    found = read(
        report(record("nowhere"), record(OWN, 0), record(OWN, -4), record(OWN, 10**12), record(OWN, 2))
    )
    assert found
    assert [*found.sources.values()] == [2]


def test_a_report_behind_much_text_is_read_whole():
    mail = message(report(record(OWN)))
    long = mail.replace(b"This is an aggregate report.", b"It says:\r\n" * (reading.READ_MOST // 10))
    assert len(long) > reading.READ_MOST
    found = reading.read(long).aggregate
    assert found
    assert len(found.sources) == 1


@given(st.binary(max_size=300))
def test_any_bytes_are_a_report_or_none(data):
    aggregates.unpack(data)
    aggregates.unpack(b"\x1f\x8b" + data)
    aggregates.unpack(b"PK\x03\x04" + data)


@given(st.data())
def test_a_report_with_anything_in_it_never_raises(data):
    xml = report(record(OWN))
    at = data.draw(st.integers(0, len(xml)))
    cut = data.draw(st.integers(0, 30))
    changed = xml[:at] + data.draw(st.text("<>&;/!\"' ax0", max_size=20)) + xml[at + cut :]
    reading.read(message(changed, "xml"))
