"""The OpenAPI document is true: every answer is described, whatever is asked."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner
from jsonschema import Draft202012Validator

from mailing.accounts.roles import Permission, Role
from mailing.campaigns.drafts import Draft
from mailing.core.states import AttemptResult
from tests.support.api import CAMPAIGNS, order, post
from tests.support.processes import run
from tests.support.programs import bearing, make_key, person
from tests.support.web import deliver, store
from webapp.cli.commands import main
from webapp.openapi import document as openapi
from webapp.openapi.shapes.log import EmailEvent

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from quart.typing import TestClientProtocol

    from tests.support.stack import Stack

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method,allow_header_conformance,negative_data_rejection"
)
ENDLESS = "follow_campaign"  # streams until the campaign ends: its events have a test of their own


def closed(document: dict[str, Any]) -> dict[str, Any]:
    """The document as a promise that nothing else comes: an undescribed member of an answer is a fault."""
    strict = copy.deepcopy(document)
    for shape in strict["components"]["schemas"].values():
        if "properties" in shape:
            shape["additionalProperties"] = False
    return strict


async def test_the_document_is_served_as_the_command_line_writes_it(
    client: TestClientProtocol, chosen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """And it writes it where neither a database nor Redis is."""
    monkeypatch.setenv("VOLLEY_INSTANCE", str(tmp_path))
    monkeypatch.setenv("VOLLEY_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    file = tmp_path / "openapi.json"
    written, shown = (CliRunner().invoke(main, ["api-docs", *names]) for names in ([str(file)], []))
    assert (written.exit_code, shown.exit_code) == (0, 0), written.output + shown.output
    served = await client.get("/api/v1/openapi.json")
    assert await served.get_json() == json.loads(file.read_bytes()) == json.loads(shown.stdout)


async def test_the_page_shows_every_operation_and_a_form_to_try_it(client: TestClientProtocol):
    document = await (await client.get("/api/v1/openapi.json")).get_json()
    page = (await (await client.get("/api/docs")).get_data()).decode()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f'id="call-{operation["operationId"]}"' in page
            assert f'data-method="{method.upper()}" data-path="{path}"' in page
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in page


async def test_what_the_document_says_of_events_holds(client: TestClientProtocol):
    path = f"{CAMPAIGNS}/{(await post(client, order()))['id']}"
    await client.post(f"{path}/cancel")
    stream = (await (await client.get(f"{path}/events")).get_data()).decode().strip()
    document = closed(await (await client.get("/api/v1/openapi.json")).get_json())
    answer = document["paths"][f"{CAMPAIGNS}/{{campaign_id}}/events"]["get"]["responses"]["200"]
    told = answer["content"]["text/event-stream"]["x-events"]
    seen = []
    for block in stream.split("\n\n"):
        name, data = (line.partition(": ")[2] for line in block.split("\n"))
        Draft202012Validator({**told[name], "components": document["components"]}).validate(json.loads(data))
        seen.append(name)
    assert seen == ["snapshot", "end"]


def test_the_event_of_an_email_is_described_as_the_worker_publishes_it():
    """The worker's code is below that of the API and cannot name its type."""
    source = Path("mailing/delivery/group_commit.py")
    news = source.read_text().split("def _result_news")[1]
    shapes: dict[str, Any] = {}
    openapi.shape(EmailEvent, shapes)
    assert all(f'"{name}": ' in news for name in shapes["EmailEvent"]["properties"])
    assert news.count('": ') == len(shapes["EmailEvent"]["properties"])


async def test_what_a_door_answers_is_described_for_every_operation(client: TestClientProtocol):
    """A request without a key, with a wrong one, with one of too few scopes, and with one in the URL."""
    document = closed(await (await client.get("/api/v1/openapi.json")).get_json())
    owner = person(client.app, "ann@example.org", Role.OWNER)
    client.app.extensions["volley"].doors.forget()  # that nobody has an account
    none, wrong = {}, bearing("volley_" + "x" * 40)
    few = bearing(make_key(client.app, [Permission.LISTS], by=owner))
    seen = set()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if not operation["security"]:
                continue
            at = path.replace("{campaign_id}", "1")
            for headers, query in ((none, ""), (wrong, ""), (few, ""), (none, "?access_token=x")):
                answer = await client.open(at + query, method=method.upper(), headers=headers)
                described = operation["responses"][str(answer.status_code)]
                while "$ref" in described:
                    described = resolved(document, described["$ref"])
                schema = described["content"][answer.content_type]["schema"]
                Draft202012Validator({**schema, "components": document["components"]}).validate(
                    await answer.get_json(force=True)
                )
                seen.add(answer.status_code)
    assert {400, 401, 403} <= seen


def resolved(document: dict[str, Any], ref: str) -> dict[str, Any]:
    for name in ref.removeprefix("#/").split("/"):
        document = document[name]
    return document


def test_no_request_gets_an_answer_that_is_not_described(make_stack: Callable[..., Stack], tmp_path: Path):
    """Schemathesis asks what the document allows and what it does not: no 500, nothing undescribed."""
    stack = make_stack()
    store(stack.db, "a@example.org\nb@example.org\nc@example.org", Draft("a@b.example", "s", "t"), send=True)
    deliver(
        stack.db,
        (AttemptResult.SENT, 250, "2.0.0", "OK"),
        (AttemptResult.FAILED, 550, "5.1.1", "No such user"),
        (AttemptResult.UNKNOWN, None, "", ""),
    )
    stack.start("redis", "web")
    written = CliRunner().invoke(main, ["api-docs"], env=stack.env)
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(closed(json.loads(written.stdout))))
    done = run(
        [
            *(str(Path(sys.executable).with_name("st")), "run", str(file), "--url", stack.url),
            *("--checks", CHECKS, "--exclude-operation-id", ENDLESS, "--exclude-path", "/readyz"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "20"),
            *("--generation-deterministic", "--no-color"),
            *("--suppress-health-check", "all", "--warnings", "off"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
