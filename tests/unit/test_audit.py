"""What is said of the packages' advisories: found, none, or not checked, and the last never reads as none."""

from __future__ import annotations

import json

import pytest

from tests.support.audit import FOUND, NOT_CHECKED, read

GOOD = {"name": "jinja2", "version": "3.1.6", "vulns": []}
BAD = {
    "name": "h11",
    "version": "0.14.0",
    "vulns": [{"id": "PYSEC-2025-1", "fix_versions": ["0.16.0"], "aliases": [], "description": ""}],
}
SKIPPED = {"name": "celery", "skip_reason": "Dependency not found on PyPI and could not be audited"}


def report(*packages: object):
    return read(json.dumps({"dependencies": packages, "fixes": []}), "No known vulnerabilities found")


def test_packages_without_an_advisory_pass():
    assert report(GOOD, GOOD).code == 0
    assert "Checked 2 packages" in report(GOOD, GOOD).words


def test_an_advisory_is_named_with_the_version_that_mends_it():
    found = report(GOOD, BAD, SKIPPED)
    assert found.code == FOUND
    assert "h11 0.14.0: PYSEC-2025-1, mended in 0.16.0" in found.words
    assert "NOT CHECKED" in found.words


@pytest.mark.parametrize("packages", [(SKIPPED,), (GOOD, SKIPPED), ()])
def test_what_could_not_be_looked_up_does_not_pass(packages):
    assert report(*packages).code == NOT_CHECKED
    assert report(*packages).words.startswith("NOT CHECKED: ")


@pytest.mark.parametrize("output", ["", "no json", "[]", "7", "{}"])
def test_an_audit_that_failed_does_not_pass(output):
    found = read(output, "ERROR: Could not reach the host\nConnection refused\n")
    assert found.code == NOT_CHECKED
    assert found.words == "NOT CHECKED: the advisories could not be had: Connection refused"
