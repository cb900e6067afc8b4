"""Every route for programs is described: what it takes, needs and answers, in the glossary's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from mailing.sites import read_site
from tests.architecture.test_words import faults
from tests.support.web import settings_for
from webapp.api import routes
from webapp.app import create_app
from webapp.openapi import operations
from webapp.openapi.operations import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quart import Quart

NOT_FOR_PROGRAMS = {"/api/docs"}


@pytest.fixture
def app(tmp_path) -> Quart:
    return create_app(settings_for(tmp_path, f"sqlite:///{tmp_path / 'volley.sqlite'}"))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return routes.document(read_site("https://mail.example.com/volley"))


def texts(value: Any, name: str = "") -> Iterator[str]:
    """Every sentence of the document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner, name)
    elif name in {"description", "summary"}:
        yield value


def test_the_document_follows_the_specification(document):
    assert [fault.message for fault in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_every_route_for_programs_is_described(app):
    """Describe it with ``operations.described``, and name its blueprint in ``webapp/api/routes.py``."""
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(("/api/", "/.well-known/")) and rule.rule not in NOT_FOR_PROGRAMS:
            assert operations.description_of(app, rule.endpoint), rule.rule


def test_the_command_line_describes_what_the_server_serves(app, document):
    served = {(it.method.lower(), it.path) for it in operations.listed(app)}
    assert served == {(method, path) for path, methods in document["paths"].items() for method in methods}


def test_the_described_verbs_of_a_route_are_those_that_it_takes(app):
    for rule in app.url_map.iter_rules():
        if description := operations.description_of(app, rule.endpoint):
            verbs = getattr(rule._converters.get("verb"), "items", ())
            assert set(verbs) == {*description.verbs}, rule.rule
            assert not description.bodies or {*description.bodies} == {*description.verbs} or not verbs


def test_a_scope_in_the_document_is_what_the_door_of_the_route_needs(app, document):
    """One of them is looked at by hand, or the test would compare the code with itself."""
    create = document["paths"][f"{PREFIX}/campaigns"]["post"]
    assert create["security"] == [{"bearer": ["campaigns:write"]}, {"session": ["campaigns:write"]}]
    for it in operations.listed(app):
        needed = [str(it.door.permission)] if it.door.permission else []
        security = document["paths"][it.path][it.method.lower()]["security"]
        assert [scheme["bearer"] for scheme in security if "bearer" in scheme] == (
            [needed] if needed or it.door.key else []
        )


def test_the_description_has_the_words_of_the_glossary(document):
    assert {text: found for text in texts(document) if (found := faults(text))} == {}


def test_every_operation_and_every_shape_has_its_sentence(document):
    called = [call for methods in document["paths"].values() for call in methods.values()]
    assert len({call["operationId"] for call in called}) == len(called)
    assert all(call["summary"] and not call["summary"].endswith(".") for call in called)
    shapes = document["components"]["schemas"]
    assert all("enum" in it or it["description"] for it in shapes.values())


def test_the_document_is_of_the_public_address(document):
    assert document["servers"] == [{"url": "https://mail.example.com/volley"}]
    assert document["components"]["securitySchemes"]["session"]["name"].startswith("__Host-")
