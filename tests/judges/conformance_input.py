"""Tools and a prompt that need the client's input (2026-07-28, multi-round-trip requests)."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    ListRootsRequest,
    PromptMessage,
    SamplingMessage,
    TextContent,
)

PREFIX = "test_input_required_result_"
PROMPT = f"{PREFIX}prompt"
MISSING_CAPABILITY = -32021
_KEY = secrets.token_bytes(32)

Run = Callable[[Any, CallToolRequestParams], Awaitable[Any]]


def asking(message: str, field: str, kind: str = "string") -> ElicitRequest:
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sampling(words: str, max_tokens: int) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=words))
    return CreateMessageRequest(
        params=CreateMessageRequestParams(messages=[message], max_tokens=max_tokens)
    )


def done(words: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=words)])


def sealed(state: Mapping[str, Any]) -> str:
    body = json.dumps(state)
    return f"{hmac.new(_KEY, body.encode(), hashlib.sha256).hexdigest()}.{body}"


def opened(text: str) -> dict[str, Any]:
    mac, _, body = text.partition(".")
    if not hmac.compare_digest(mac, hmac.new(_KEY, body.encode(), hashlib.sha256).hexdigest()):
        raise MCPError(code=INVALID_PARAMS, message="requestState failed its integrity check")
    return json.loads(body)


def content_of(response: Any) -> dict[str, Any]:
    return dict(getattr(response, "content", None) or {})


async def elicitation(_context: Any, params: CallToolRequestParams) -> Any:
    given = params.input_responses or {}
    if "user_name" in given and "name" in content_of(given["user_name"]):
        return done(f"Hello, {content_of(given['user_name'])['name']}!")
    return InputRequiredResult(input_requests={"user_name": asking("What is your name?", "name")})


async def sample(_context: Any, params: CallToolRequestParams) -> Any:
    given = params.input_responses or {}
    if "capital_question" in given:
        return done(str(given["capital_question"].content.text))
    asked = sampling("What is the capital of France?", 100)
    return InputRequiredResult(input_requests={"capital_question": asked})


async def list_roots(_context: Any, params: CallToolRequestParams) -> Any:
    given = params.input_responses or {}
    if "client_roots" in given:
        return done(f"{len(given['client_roots'].roots)} roots")
    return InputRequiredResult(input_requests={"client_roots": ListRootsRequest()})


def confirming(words: str) -> Run:
    async def run(_context: Any, params: CallToolRequestParams) -> Any:
        if params.request_state is not None:
            opened(params.request_state)
            if "confirm" in (params.input_responses or {}):
                return done(words)
        return InputRequiredResult(
            input_requests={"confirm": asking("Please confirm", "ok", "boolean")},
            request_state=sealed({"nonce": secrets.token_hex(8)}),
        )

    return run


async def multiple_inputs(_context: Any, params: CallToolRequestParams) -> Any:
    requests = {
        "user_name": asking("What is your name?", "name"),
        "greeting": sampling("Generate a greeting", 50),
        "client_roots": ListRootsRequest(),
    }
    if params.request_state is not None:
        opened(params.request_state)
        if requests.keys() <= (params.input_responses or {}).keys():
            return done("all inputs received")
    return InputRequiredResult(input_requests=requests, request_state=sealed({"round": 1}))


async def multi_round(_context: Any, params: CallToolRequestParams) -> Any:
    given = params.input_responses or {}
    state = opened(params.request_state) if params.request_state is not None else {}
    if state.get("round") == 2 and "step2" in given:
        color = content_of(given["step2"]).get("color")
        return done(f"{state['name']} likes {color}")
    if state.get("round") == 1 and "step1" in given:
        return InputRequiredResult(
            input_requests={"step2": asking("Step 2: What is your favorite color?", "color")},
            request_state=sealed({"round": 2, "name": content_of(given["step1"]).get("name")}),
        )
    return InputRequiredResult(
        input_requests={"step1": asking("Step 1: What is your name?", "name")},
        request_state=sealed({"round": 1}),
    )


async def capabilities(context: Any, params: CallToolRequestParams) -> Any:
    if params.input_responses:
        return done(f"received {', '.join(params.input_responses)}")
    able = context.session.client_capabilities
    requests: dict[str, Any] = {}
    if able is not None and able.elicitation is not None:
        requests["elicit_input"] = asking("Elicitation input", "value")
    if able is not None and able.sampling is not None:
        requests["sample_input"] = sampling("Sample request", 50)
    if not requests:
        return done("No supported capabilities declared")
    return InputRequiredResult(input_requests=requests, request_state=sealed({}))


async def missing_capability(context: Any, _params: CallToolRequestParams) -> Any:
    able = context.session.client_capabilities
    if able is None or able.sampling is None:
        raise MCPError(
            code=MISSING_CAPABILITY,
            message="This needs the client's sampling.",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return done("Success")


def prompt(params: GetPromptRequestParams) -> Any:
    given = params.input_responses or {}
    if "user_context" not in given:
        asked = asking("What context should the prompt use?", "context")
        return InputRequiredResult(input_requests={"user_context": asked})
    words = f"Use this context: {content_of(given['user_context']).get('context')}"
    message = PromptMessage(role="user", content=TextContent(type="text", text=words))
    return GetPromptResult(messages=[message])


TOOLS: dict[str, Run] = {
    "test_missing_capability": missing_capability,
    f"{PREFIX}elicitation": elicitation,
    f"{PREFIX}sampling": sample,
    f"{PREFIX}list_roots": list_roots,
    f"{PREFIX}request_state": confirming("state-ok"),
    f"{PREFIX}multiple_inputs": multiple_inputs,
    f"{PREFIX}multi_round": multi_round,
    f"{PREFIX}tampered_state": confirming("integrity-ok"),
    f"{PREFIX}capabilities": capabilities,
}
