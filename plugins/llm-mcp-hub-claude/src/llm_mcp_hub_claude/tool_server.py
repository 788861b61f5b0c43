"""The MCP server through which Claude Code sees the client's tools, as a machine without I/O.

Guarantees: it runs nothing; a call is answered with the client's result for it and with nothing
else, whichever of the two comes first; tools are those of the one conversation it belongs to.

It speaks over Claude Code's own input and output: a JSON-RPC message of Claude Code's comes inside
a `control_request`, its answer goes inside the `control_response` (Claude Code 2.1.329, MCP
2025-11-25).
"""

from collections.abc import Iterable, Sequence

from llm_mcp_hub.domain.chat import ToolResultPart
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub.errors import HubError, InvalidRequest
from llm_mcp_hub_claude.lines import RpcMessage, mcp_reply
from llm_mcp_hub_claude.tool_names import SERVER, name_in_server, upstream_name

PROTOCOL_VERSION = "2025-11-25"
LONGEST_RESULT = 500_000
"""Characters of a result above which Claude Code shows the model a file's name in its stead."""

_METHOD_NOT_FOUND = -32601

Json = dict[str, object]


class ToolServer:
    """See the module.

    Attributes:
        tools: What the client offers.
        listed: Whether Claude Code has been told of the tools.
    """

    def __init__(self) -> None:
        self.tools: tuple[Tool, ...] = ()
        self.listed = False
        self._names: dict[str, str] = {}
        self._held: dict[str, tuple[str, int | str]] = {}
        self._results: dict[str, ToolResultPart] = {}

    def offer(self, tools: Sequence[Tool]) -> None:
        """Offer these tools from now on."""
        self.tools = tuple(tools)
        self._names = {upstream_name(tool.name): tool.name for tool in tools}

    @property
    def ready(self) -> bool:
        """Whether the model sees all there is to see."""
        return self.listed or not self.tools

    def refuse_loss(self, seen: Sequence[str] | None) -> HubError | None:
        """Of tools that Claude Code has left out, without a word; None if the model sees them all.

        Args:
            seen: Their names upstream, as its `init` line tells them.
        """
        lost = [name for sent, name in self._names.items() if seen is not None and sent not in seen]
        if not lost:
            return None
        return InvalidRequest(
            f"Claude Code does not take the definition of {', '.join(lost)}. Make the JSON Schema "
            "of its parameters simpler; JSON Schema 2020-12 is what it knows.",
            param="tools",
        )

    def name_of(self, upstream: str) -> str | None:
        """The client's name of a tool that the model calls; None if it is none of the client's."""
        return self._names.get(upstream)

    def waits_for(self, call_ids: Iterable[str]) -> bool:
        """Whether Claude Code has asked for the results of all these calls."""
        return all(call_id in self._held for call_id in call_ids)

    def receive(self, request_id: str, message: RpcMessage) -> bytes:
        """Take a message of Claude Code's.

        Returns:
            The line that answers it; empty for a call whose result has not come.
        """
        method, rpc_id, params = message.method, message.id, message.params
        if method == "tools/call":
            call_id = params.meta.tool_use_id
            self._held[call_id] = (request_id, 0 if rpc_id is None else rpc_id)
            return self._answer(call_id)
        if method == "notifications/cancelled":
            self._held = {k: held for k, held in self._held.items() if held[1] != params.request_id}
        if rpc_id is None:
            return mcp_reply(request_id, {"jsonrpc": "2.0", "id": 0, "result": {}})
        return mcp_reply(request_id, {"jsonrpc": "2.0", "id": rpc_id, **self._outcome(method)})

    def give(self, results: Iterable[ToolResultPart]) -> bytes:
        """The lines that bring results to the calls that wait; the others are kept for theirs."""
        data = b""
        for result in results:
            self._results[result.call_id] = result
            data += self._answer(result.call_id)
        return data

    def _answer(self, call_id: str) -> bytes:
        if call_id not in self._results or call_id not in self._held:
            return b""
        request_id, rpc_id = self._held.pop(call_id)
        result = _result(self._results.pop(call_id))
        return mcp_reply(request_id, {"jsonrpc": "2.0", "id": rpc_id, "result": result})

    def _outcome(self, method: str) -> Json:
        if method == "initialize":
            info = {"name": SERVER, "version": "1"}
            capabilities: Json = {"tools": {}}
            result = {"protocolVersion": PROTOCOL_VERSION, "capabilities": capabilities}
            return {"result": {**result, "serverInfo": info}}
        if method == "tools/list":
            self.listed = True
            return {"result": {"tools": [_listed(tool) for tool in self.tools]}}
        if method == "ping":
            return {"result": {}}
        return {"error": {"code": _METHOD_NOT_FOUND, "message": "Method not found"}}


def goes_through(result: ToolResultPart) -> bool:
    """Whether Claude Code shows the model a result as it is; otherwise only a replay does.

    Of one that is too long the model would see the beginning and the name of a file, of an error
    nothing but the text.
    """
    return len(result.text) < LONGEST_RESULT and not (result.is_error and result.images)


def _listed(tool: Tool) -> Json:
    return {
        "name": name_in_server(tool.name),
        "description": tool.description,
        "inputSchema": tool.parameters,
        # Calls of one message are asked for at once, not each after the result of the one before.
        "annotations": {"readOnlyHint": True},
        "_meta": {"anthropic/maxResultSizeChars": LONGEST_RESULT},
    }


def _result(result: ToolResultPart) -> Json:
    content: list[Json] = [{"type": "text", "text": result.text}] if result.text else []
    content += [
        {"type": "image", "data": image.data, "mimeType": image.media_type}
        for image in result.images
    ]
    return {"content": content, "isError": result.is_error}
