"""The server of tools inside Claude Code, and what things are called there."""

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_mcp_hub.domain.chat import ImagePart, ToolResultPart
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub_claude.lines import CallMeta, RpcMessage, RpcParams
from llm_mcp_hub_claude.tool_names import upstream_call_id, upstream_name
from llm_mcp_hub_claude.tool_server import LONGEST_RESULT, ToolServer, goes_through

ALLOWED = re.compile(r"[A-Za-z0-9_-]{1,64}")


def rpc(data: bytes) -> dict[str, object]:
    line = msgspec.json.decode(data)
    assert line["type"] == "control_response"
    reply: dict[str, object] = line["response"]["response"]["mcp_response"]
    return reply


def call(call_id: str, rpc_id: int) -> RpcMessage:
    return RpcMessage("tools/call", rpc_id, RpcParams(CallMeta(call_id)))


def test_a_call_is_answered_with_its_own_result_whichever_comes_first() -> None:
    server = ToolServer()
    assert server.receive("one", call("a", 1)) == b""
    assert server.give([ToolResultPart("b", "late")]) == b""
    assert server.waits_for(["a"])
    assert not server.waits_for(["a", "b"])
    assert rpc(server.receive("two", call("b", 2)))["id"] == 2
    answer = rpc(server.give([ToolResultPart("a", "no", is_error=True)]))
    assert answer["id"] == 1
    assert answer["result"] == {"content": [{"type": "text", "text": "no"}], "isError": True}
    assert server.give([ToolResultPart("a", "again")]) == b""


def test_a_call_that_was_cancelled_waits_no_more() -> None:
    server = ToolServer()
    server.receive("one", call("a", 1))
    cancelled = RpcMessage("notifications/cancelled", None, RpcParams(request_id=1))
    assert rpc(server.receive("two", cancelled))["result"] == {}
    assert not server.waits_for(["a"])


def test_images_go_with_the_text() -> None:
    server = ToolServer()
    server.receive("one", call("a", 1))
    answer = rpc(server.give([ToolResultPart("a", "", (ImagePart("image/png", "aGk="),))]))
    image = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
    assert answer["result"] == {"content": [image], "isError": False}


def test_what_it_does_not_serve_is_an_error_of_the_protocol() -> None:
    server = ToolServer()
    assert rpc(server.receive("one", RpcMessage("ping", 1)))["result"] == {}
    error = rpc(server.receive("one", RpcMessage("resources/list", "x")))["error"]
    assert error == {"code": -32601, "message": "Method not found"}


@pytest.mark.parametrize(
    ("result", "whole"),
    [
        (ToolResultPart("a", "x" * (LONGEST_RESULT - 1)), True),
        (ToolResultPart("a", "x" * LONGEST_RESULT), False),
        (ToolResultPart("a", "", (ImagePart("image/png", ""),)), True),
        (ToolResultPart("a", "", (ImagePart("image/png", ""),), is_error=True), False),
        (ToolResultPart("a", "", is_error=True), True),
    ],
)
def test_a_result_that_would_be_spoilt_is_known(result: ToolResultPart, *, whole: bool) -> None:
    assert goes_through(result) is whole


@settings(deadline=None)
@given(st.text(min_size=1, max_size=100))
def test_every_name_is_one_that_the_vendor_takes_and_leads_back(name: str) -> None:
    upstream = upstream_name(name)
    assert ALLOWED.fullmatch(upstream)
    assert upstream == upstream_name(name)
    server = ToolServer()
    server.offer([Tool(name), Tool("another")])
    assert server.name_of(upstream) == name
    assert server.name_of(name) is None


@settings(deadline=None)
@given(st.text(alphabet="ab_-9", min_size=1, max_size=51))
def test_a_plain_name_is_kept(name: str) -> None:
    assert upstream_name(name) == f"mcp__client__{name}"


def test_names_that_differ_in_forbidden_characters_stay_apart() -> None:
    names = ["a.b", "a/b", "a_b", "a" * 60, "a" * 61, "é", "è"]
    assert len({upstream_name(name) for name in names}) == len(names)


@settings(deadline=None)
@given(st.text(min_size=1, max_size=100))
def test_every_id_of_a_call_is_one_that_the_vendor_takes(call_id: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]+", upstream_call_id(call_id))
    assert upstream_call_id("call_x-1") == "call_x-1"
