"""The OpenAPI document says what the hub does, and the hub does what it says."""

import re
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from jsonschema_rs import meta
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from llm_mcp_hub.api.absent import ABSENT
from llm_mcp_hub.api.anthropic import openapi as anthropic_openapi
from llm_mcp_hub.api.errors import STATUS
from llm_mcp_hub.api.hub import openapi as hub_openapi
from llm_mcp_hub.api.hub.feed import FEED_PATH
from llm_mcp_hub.api.mcp import MCP_PATH, MESSAGES_PATH, SSE_PATH
from llm_mcp_hub.api.model_headers import NAMES as MODEL_HEADERS
from llm_mcp_hub.api.openai import openapi as chat_openapi
from llm_mcp_hub.api.openai.limits import NAMES as LIMIT_HEADERS
from llm_mcp_hub.api.responses import openapi as responses_openapi
from llm_mcp_hub.services import follow as services_follow


def whole_answers_fit_their_schema(ctx, response, case):
    # The schema of a stream is that of its events' data, for which OpenAPI 3.1 has no words: here
    # an event with its name and id would be held against it.
    if "text/event-stream" in "".join(response.headers.get("content-type") or ()):
        return None
    return response_schema_conformance(ctx, response, case)


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    whole_answers_fit_their_schema,
]


@pytest.fixture(scope="module")
def document(http):
    return http.get("/schema/openapi.json").json()


NOT_IN_IT = ("/schema", MCP_PATH, SSE_PATH, MESSAGES_PATH, *ABSENT)
"""MCP describes itself to its clients, in its own way; what is absent is no part of the API."""


def operations(document):
    return [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


def test_it_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    for schema in document["components"]["schemas"].values():
        meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema)


def test_it_can_be_had_as_yaml(http):
    assert http.get("/schema/openapi.yml").text.startswith("components:")


def test_every_route_is_in_it(hub, document):
    served = set()
    for route in hub.app.routes:
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        for method in getattr(route, "methods", None) or {"POST"}:
            # HEAD is what GET is, without a body.
            if method not in {"OPTIONS", "HEAD"} and not path.startswith(NOT_IN_IT):
                served.add((path, method.lower()))

    # Those that nobody has are there to be refused.
    served = {(path, method) for path, method in served if not path.startswith(tuple(ABSENT))}
    assert {(path, method) for path, method, _ in operations(document)} == served


def test_every_name_in_it_is_a_plain_name(document):
    assert all(re.fullmatch(r"[A-Z]\w*", name) for name in document["components"]["schemas"])
    assert not [name for name in document["components"]["schemas"] if "__" in name or "_" in name]


def test_every_reference_in_it_leads_somewhere(document):
    named = set(re.findall(r"#/components/schemas/([^'\"]+)", str(document)))

    assert named == set(document["components"]["schemas"])


def test_every_operation_has_an_id_of_its_own_and_a_summary(document):
    ids = [operation["operationId"] for _, _, operation in operations(document)]

    assert len(set(ids)) == len(ids)
    assert all(operation["summary"] for _, _, operation in operations(document))


def test_every_error_is_the_one_body(document):
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            if int(status) >= 400 and not (status == "503" and path.startswith("/health")):
                schema = response["content"]["application/json"]["schema"]
                # In Anthropic's dialect its clients need Anthropic's body.
                name = "MessageError" if path.startswith("/v1/messages") else "ErrorBody"
                expected = {"$ref": f"#/components/schemas/{name}"}
                assert schema == expected, (path, method, status)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
def test_a_route_that_answers_has_every_status_an_error_can_have(document, path):
    statuses = set(document["paths"][path]["post"]["responses"])

    assert statuses == {"200"} | {str(status) for status, _ in STATUS.values()}


def test_the_chat_route_is_documented_like_any_other(document):
    chat = document["paths"]["/v1/chat/completions"]["post"]

    assert chat["requestBody"]["required"]
    assert set(chat["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert set(chat["responses"]["200"]["headers"]) == {
        "X-Session-ID",
        "X-Turn-ID",
        "X-Hub-Ignored",
        "Idempotent-Replayed",
        *MODEL_HEADERS,
        *LIMIT_HEADERS,
    }


def test_how_to_present_a_token_is_in_it(document):
    assert document["components"]["securitySchemes"]["AccessToken"]["scheme"] == "bearer"
    public = {path for path, _, operation in operations(document) if not operation.get("security")}

    assert public == {"/health", "/health/live", "/health/ready"}


def examples_for(operation):
    """Where nothing can be sent but the headers that all have, further examples are the same."""
    definition = operation.definition.raw
    return 40 if definition.get("parameters") or definition.get("requestBody") else 8


@pytest.mark.timeout(400)  # most routes, forty times
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_whatever_is_sent_the_answers_are_as_documented(hub, document, mode, monkeypatch):
    # Every turn asked for is unknown, and would be waited for: another hub may have just begun it.
    monkeypatch.setattr(services_follow, "BEHIND_SECONDS", 0.0)
    schema = schemathesis.openapi.from_dict(document)
    tried: set[str] = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path == FEED_PATH:
            continue  # has no end; test_feed.py tries it

        @seed(20_260)
        @settings(
            max_examples=examples_for(operation),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def run(case):
            tried.add(case.path)
            case.call_and_validate(
                base_url=hub.base_url, headers=hub.headers(), checks=CHECKS, timeout=20
            )

        with suppress(Unsatisfiable):  # a route without parameters can't be called wrongly
            run()

    assert "/v1/chat/completions" in tried
    assert len(tried) >= {GenerationMode.POSITIVE: 11, GenerationMode.NEGATIVE: 3}[mode]


def test_no_two_parts_of_the_api_mean_different_things_by_one_name_of_a_schema():
    schemas = {}
    for part in (chat_openapi, responses_openapi, anthropic_openapi, hub_openapi):
        for name, schema in part.schemas().items():
            assert schemas.setdefault(name, schema) == schema, name
    assert {"ChatCompletionRequest", "ResponseRequest", "MessagesRequest"} <= set(schemas)
