"""A stand-in for Claude Code: speaks its `stream-json` protocol in a tenth of a second.

Guarantee: it passes the provider's contract tests that the real tool passes. It asks the back end
named by `ANTHROPIC_BASE_URL`, which must be loopback; without one it answers by itself with
`echo: ` and the last user text, or does what that text says: `fake:status 529`, `fake:stop
max_tokens`, `fake:hang`, `fake:die`, `fake:call NAME {"its": "arguments"}` (one on each line). The
result of a call is echoed as a text is.

Run as a script, with the standard library alone. `install` makes an executable of it.
It is over 300 lines because a script that is run by path has no modules beside it.
"""

import http.client
import json
import os
import queue
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MODELS = {
    "default": "claude-sonnet-5-5",
    "sonnet": "claude-sonnet-5-5",
    "opus": "claude-opus-5-5",
    "haiku": "claude-haiku-5-5",
}
RETRIES = 2
CONTINUATIONS = 3
GO_ON = "Output token limit hit. Resume directly."
MAX_OUTPUT_TOKENS = 128_000
VERSION = "2.1.329"
KINDS = {401: "authentication_failed", 403: "authentication_failed", 404: "model_not_found"}
KINDS |= {413: "invalid_request", 429: "rate_limit", 500: "server_error", 529: "server_error"}
REFUSALS = {404: "not_found", 401: "auth_failed", 429: "rate_limit", 529: "check_server_error"}
CLIENT = "mcp__client__"
AGAIN = frozenset({400, 401, 429, 500, 529})
USAGE = {"input_tokens": 11, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 3}


def install(directory: Path, version: str = VERSION) -> Path:
    """Write an executable `claude` that is this fake.

    Args:
        directory: Where to; it must exist.
        version: The version that it claims.

    Returns:
        Its path.
    """
    path = directory / "claude"
    script = f'#!/bin/sh\nexec "{sys.executable}" -I -S "{__file__}" --fake={version} "$@"\n'
    path.write_text(script)
    path.chmod(0o755)
    return path


def main() -> None:
    """Serve until the input ends; exit status 1 if the last result was an error."""
    version = next(a for a in sys.argv if a.startswith("--fake=")).removeprefix("--fake=")
    session = Session(version)
    for raw in sys.stdin.buffer:
        session.take(json.loads(raw))
    session.input_ended()
    sys.exit(session.exit_status)


class Session:
    """The tool's one conversation. It answers control requests whatever else is going on."""

    def __init__(self, version: str) -> None:
        self.exit_status = 0
        self._version = version
        self._login = Login(os.environ)
        self._upstream = Upstream(self._login)
        self._output = threading.Lock()
        self._history: list[dict[str, Any]] = []
        self._system: list[str] | None = None
        self._model = "sonnet"
        self._effort: str | None = None
        self._limit: str | None = None
        self._failure: dict[str, Any] | None = None
        self._server = ToolServer(self._write)
        self._work: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def take(self, line: dict[str, Any]) -> None:
        """Take one line of input."""
        if line["type"] == "control_request":
            # Both wait for somebody else's answer.
            if line["request"]["subtype"] in ("set_model", "initialize"):
                arguments = (line["request_id"], line["request"])
                threading.Thread(target=self._control, args=arguments, daemon=True).start()
            else:
                self._control(line["request_id"], line["request"])
        elif line["type"] == "control_response":
            self._server.answered(line["response"])
        elif line["type"] in ("user", "assistant"):
            self._work.put(line)

    def input_ended(self) -> None:
        """Finish what was asked; a call that is not answered by now will not be."""
        self._server.cancel("interrupted before a result was received")
        self._work.put(None)
        self._thread.join()

    def _control(self, request_id: str, request: dict[str, Any]) -> None:
        reply: dict[str, Any] = {"subtype": "success", "request_id": request_id}
        kind = request["subtype"]
        if kind == "get_binary_version":
            reply["response"] = {"version": self._version}
        elif kind == "initialize":
            if self._system is None:
                self._system = request["systemPrompt"]
                if request.get("sdkMcpServers"):
                    self._server.connect()
            models = [
                {"value": name, "displayName": name.title(), "resolvedModel": resolved}
                for name, resolved in MODELS.items()
            ]
            reply["response"] = {"models": models, "account": self._login.account}
        elif kind == "set_model":
            code = None if request["model"] in MODELS else self._upstream.try_out(request["model"])
            if code is None:
                self._model = request["model"]
            else:
                reply |= {"subtype": "error", "error": "not changed", "error_code": code}
        elif kind == "apply_flag_settings":
            settings = request["settings"]
            self._effort = settings.get("effortLevel", self._effort)
            limit = settings.get("env", {})
            self._limit = limit.get("CLAUDE_CODE_MAX_OUTPUT_TOKENS", self._limit)
        elif kind == "interrupt":
            self._upstream.interrupt()
            self._server.cancel("interrupted by the user")
        else:
            reply |= {"subtype": "error", "error": f"Unsupported control request subtype: {kind}"}
        self._write({"type": "control_response", "response": reply})
        if kind == "initialize":
            self._server.list_tools()

    def _write(self, line: dict[str, Any]) -> None:
        with self._output:
            sys.stdout.buffer.write(json.dumps(line).encode() + b"\n")
            sys.stdout.buffer.flush()

    def _serve(self) -> None:
        while (line := self._work.get()) is not None:
            self._history.append(line["message"])
            if line["type"] == "assistant":
                continue
            source = self._login.key_source or "none"
            self._write({"type": "system", "subtype": "init", "apiKeySource": source})
            if line.get("shouldQuery", True):
                self._turn()
            else:
                self._write({"type": "result", "subtype": "success", "is_error": False})

    def _turn(self) -> None:
        total: dict[str, int] = {}
        self._failure = None
        self._upstream.begin()
        cut = 0
        while (message := self._message(total)) is not None:
            self._history.append({"role": "assistant", "content": message["content"]})
            calls = [block for block in message["content"] if block["type"] == "tool_use"]
            if message["stop_reason"] == "max_tokens" and cut < CONTINUATIONS:
                cut += 1
                self._history.append({"role": "user", "content": GO_ON})
            elif calls:
                results = [self._server.result_of(call) for call in calls]
                self._history.append({"role": "user", "content": results})
            else:
                break
        self._result(total)

    def _message(self, total: dict[str, int]) -> dict[str, Any] | None:
        """One message of the model's; None if there is none, with `_failure` set."""
        for attempt in range(RETRIES + 1):
            try:
                return self._collect(self._upstream.ask(self._body()), total)
            except FailedError as failed:
                if failed.limits is not None:
                    self._write({"type": "rate_limit_event", "rate_limit_info": failed.limits})
                if not failed.again or attempt == RETRIES:
                    self._failure = failed.fields
                    return None
                retry = {"error_status": failed.fields.get("api_error_status")}
                self._write(
                    {"type": "system", "subtype": "api_retry", "retry_delay_ms": 1000, **retry}
                )
        return None

    def _body(self) -> dict[str, Any]:
        return {
            "model": MODELS.get(self._model, self._model),
            "max_tokens": min(int(self._limit or MAX_OUTPUT_TOKENS), MAX_OUTPUT_TOKENS),
            "system": [{"type": "text", "text": t} for t in self._system or () if t],
            "messages": self._history,
            "tools": self._server.tools,
            "output_config": {"effort": self._effort or "medium"},
            "stream": True,
        }

    def _collect(self, events: Iterator[dict[str, Any]], total: dict[str, int]) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        usage: dict[str, int] = {}
        stop, written = None, ""
        for event in events:
            self._write({"type": "stream_event", "event": event})
            delta = event.get("delta", {})
            if event["type"] == "message_start":
                usage = dict(event["message"]["usage"])
            elif event["type"] == "content_block_start":
                content.append(dict(event["content_block"]))
                written = ""
            elif delta.get("type") in ("text_delta", "thinking_delta", "signature_delta"):
                name = delta["type"].removesuffix("_delta")
                content[-1][name] += delta[name]
            elif delta.get("type") == "input_json_delta":
                written += delta["partial_json"]
            elif event["type"] == "content_block_stop" and content[-1]["type"] == "tool_use":
                content[-1]["input"] = self._server.begin_call(content[-1], written)
            elif event["type"] == "message_delta":
                stop = delta["stop_reason"]
                usage |= event["usage"]
        for name, value in usage.items():
            total[name] = total.get(name, 0) + value
        return {"content": content, "stop_reason": stop}

    def _result(self, usage: dict[str, int]) -> None:
        failure = self._failure or {}
        self.exit_status = 1 if failure else 0
        if failure:
            kept = {k: v for k, v in failure.items() if k in ("error", "api_error")}
            self._write({"type": "assistant", "message": {"model": "<synthetic>"}, **kept})
        fields = {k: v for k, v in failure.items() if k not in ("error", "api_error")}
        result = {"subtype": "success", "is_error": bool(failure), "usage": usage, **fields}
        self._write({"type": "result", **result})


class ToolServer:
    """The hub as a server of tools, as the tool uses it: calls are made at once, side by side."""

    def __init__(self, write: Callable[[dict[str, Any]], None]) -> None:
        self.tools: list[dict[str, Any]] = []
        self._write = write
        self._count = 0
        self._open: dict[str, Callable[[dict[str, Any]], None]] = {}
        self._calls: dict[str, queue.Queue[dict[str, Any]]] = {}
        self._connected = threading.Event()

    def connect(self) -> None:
        """Greet the server, and wait for its answer."""
        version = {"protocolVersion": "2025-11-25", "capabilities": {}}
        self._send("initialize", version, lambda _: self._connected.set())
        self._connected.wait()

    def list_tools(self) -> None:
        """Ask the server for its tools, if there is one."""
        if self._connected.is_set():
            self._send("notifications/initialized", None, lambda _: None)
            self._send("tools/list", {}, self._listed)

    def answered(self, response: dict[str, Any]) -> None:
        """Take an answer of the server's."""
        take = self._open.pop(response["request_id"], None)
        if take is not None:
            take(response["response"]["mcp_response"]["result"])

    def cancel(self, why: str) -> None:
        """Wait for no call any more."""
        for answer in self._calls.values():
            answer.put(_failed(why))

    def begin_call(self, block: dict[str, Any], written: str) -> dict[str, Any]:
        """Make a call; its arguments."""
        answer = self._calls[block["id"]] = queue.Queue()
        try:
            arguments: dict[str, Any] = json.loads(written or "{}")
        except ValueError:
            answer.put(_failed("InputValidationError"))
            return {}
        if any(tool["name"] == block["name"] for tool in self.tools):
            meta = {"claudecode/toolUseId": block["id"], "progressToken": self._count}
            name = block["name"].removeprefix(CLIENT)
            params = {"name": name, "arguments": arguments, "_meta": meta}
            self._send("tools/call", params, answer.put)
        else:
            answer.put(_failed("Error: No such tool available."))
        return arguments

    def result_of(self, call: dict[str, Any]) -> dict[str, Any]:
        """The block that tells the model what became of a call."""
        outcome = self._calls[call["id"]].get()
        del self._calls[call["id"]]
        block = {"type": "tool_result", "tool_use_id": call["id"]}
        texts = [part["text"] for part in outcome["content"] if part["type"] == "text"]
        if outcome.get("isError"):
            return {**block, "is_error": True, "content": "".join(texts) or "Unknown error"}
        nothing = f"({call['name']} completed with no output)"
        return {**block, "content": [_block(part) for part in outcome["content"]] or nothing}

    def _listed(self, result: dict[str, Any]) -> None:
        self.tools = [
            {
                "name": CLIENT + tool["name"],
                "description": tool["description"],
                "input_schema": tool["inputSchema"],
            }
            for tool in sorted(result["tools"], key=lambda tool: str(tool["name"]))
        ]

    def _send(
        self,
        method: str,
        params: dict[str, Any] | None,
        take: Callable[[dict[str, Any]], None],
    ) -> None:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
        if params is not None:
            message |= {"id": self._count, "params": params}
        self._count += 1
        request_id = f"fake-{self._count}"
        self._open[request_id] = take
        request = {"subtype": "mcp_message", "server_name": "client", "message": message}
        self._write({"type": "control_request", "request_id": request_id, "request": request})


def _failed(why: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": why}], "isError": True}


def _block(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] == "text":
        return part
    source = {"type": "base64", "media_type": part["mimeType"], "data": part["data"]}
    return {"type": "image", "source": source}


class FailedError(Exception):
    """A request failed.

    Attributes:
        fields: For the tool's `assistant` and `result` lines.
        again: Whether the tool tries again by itself.
        limits: For a `rate_limit_event`.
    """

    def __init__(
        self, *, again: bool = False, limits: dict[str, Any] | None = None, **fields: Any
    ) -> None:
        super().__init__(fields.get("result"))
        self.fields = fields
        self.again = again
        self.limits = limits


class Login:
    """The login, found where the tool looks for it and in the same order."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.headers: dict[str, str] = {}
        self.account: dict[str, str] = {"apiProvider": "firstParty", "tokenSource": "none"}
        self.key_source: str | None = None
        descriptor = environment.get("CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR")
        stored = Path(environment.get("CLAUDE_CONFIG_DIR", "/"), ".credentials.json")
        if "ANTHROPIC_API_KEY" in environment:
            self.key_source = self.account["apiKeySource"] = "ANTHROPIC_API_KEY"
            self.headers = {"x-api-key": environment["ANTHROPIC_API_KEY"]}
        elif "ANTHROPIC_AUTH_TOKEN" in environment:
            self.account["tokenSource"] = "ANTHROPIC_AUTH_TOKEN"
            self._bearer(environment["ANTHROPIC_AUTH_TOKEN"])
        elif descriptor is not None:
            self.account["tokenSource"] = "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR"
            self._bearer(os.read(int(descriptor), 4096).decode().strip())
        elif stored.exists():
            login = json.loads(stored.read_text())["claudeAiOauth"]
            del self.account["tokenSource"]
            self.account["subscriptionType"] = login["subscriptionType"]
            self._bearer(login["accessToken"])

    def _bearer(self, token: str) -> None:
        self.headers = {"authorization": f"Bearer {token}"}


class Upstream:
    """Asks for one message at a time and can be interrupted from another thread."""

    def __init__(self, login: Login) -> None:
        self._login = login
        self._url = urlsplit(os.environ.get("ANTHROPIC_BASE_URL", ""))
        self._socket: socket.socket | None = None
        self._interrupted = threading.Event()

    def begin(self) -> None:
        """A turn begins."""
        self._interrupted.clear()

    def interrupt(self) -> None:
        """Break off."""
        self._interrupted.set()
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def try_out(self, model: str) -> str | None:
        """Why a model can't be used, as the tool's `error_code`; None if it can."""
        if not self._url.hostname:
            return None
        connection = http.client.HTTPConnection(self._url.hostname, self._url.port or 80)
        user = {"role": "user", "content": "Hi"}
        body = json.dumps({"model": model, "max_tokens": 1, "messages": [user]})
        try:
            connection.request("POST", "/v1/messages", body, self._login.headers)
            return REFUSALS.get(connection.getresponse().status)
        finally:
            connection.close()

    def ask(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The events of one message.

        Raises:
            FailedError: With what the tool reports.
        """
        if self._interrupted.is_set():
            raise FailedError(subtype="error_during_execution")
        if not self._login.headers:
            raise FailedError(error="authentication_failed", result="Not logged in")
        events = self._remote(body) if self._url.hostname else self._local(body)
        for event in events:
            if self._interrupted.is_set():
                break
            yield event
            if event.get("delta", {}).get("stop_reason") == "refusal":
                raise FailedError(error="invalid_request", stop_reason="refusal", result="refused")
        if self._interrupted.is_set():
            raise FailedError(subtype="error_during_execution")

    def _remote(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        assert self._url.hostname in ("127.0.0.1", "localhost", "::1")  # noqa: S101  # a fake
        connection = http.client.HTTPConnection(self._url.hostname, self._url.port or 80)
        try:
            connection.connect()
            self._socket = connection.sock
            headers = {"content-type": "application/json", **self._login.headers}
            connection.request("POST", "/v1/messages", json.dumps(body), headers)
            response = connection.getresponse()
            if response.status != 200:
                headers = {k.lower(): v for k, v in response.getheaders()}
                raise _refused(response.status, response.read(), headers)
            yield from _sse(response)
        except (OSError, http.client.HTTPException) as error:
            if self._interrupted.is_set():
                return
            raise FailedError(
                again=True, error="server_error", api_error="connection_failed", result=str(error)
            ) from error
        finally:
            self._socket = None
            connection.close()

    def _local(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        text = _last_text(body["messages"])
        order, _, argument = text.removeprefix("fake:").partition(" ")
        if not text.startswith("fake:"):
            order = ""
        if order == "die":
            os._exit(1)
        if order == "hang":
            self._interrupted.wait()
            return
        if order == "status":
            raise _refused(int(argument), b"{}", {})
        stop = argument if order == "stop" else "end_turn"
        yield {"type": "message_start", "message": {"usage": {**USAGE, "output_tokens": 1}}}
        if order == "call":
            yield from _local_calls(text)
            return
        yield {"type": "content_block_start", "content_block": {"type": "text", "text": ""}}
        for word in f"echo: {text}".split(" "):
            piece = word if word == "echo:" else f" {word}"
            yield {"type": "content_block_delta", "delta": {"type": "text_delta", "text": piece}}
        yield {"type": "content_block_stop"}
        yield from _end(stop)


def _local_calls(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        name, _, arguments = line.removeprefix("fake:call ").partition(" ")
        block = {"type": "tool_use", "id": f"toolu_{os.urandom(8).hex()}", "name": CLIENT + name}
        yield {"type": "content_block_start", "content_block": {**block, "input": {}}}
        for piece in (arguments[:5], arguments[5:]):
            delta = {"type": "input_json_delta", "partial_json": piece}
            yield {"type": "content_block_delta", "delta": delta}
        yield {"type": "content_block_stop"}
    yield from _end("tool_use")


def _end(stop: str) -> Iterator[dict[str, Any]]:
    usage = {"output_tokens": 20}
    yield {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": usage}
    yield {"type": "message_stop"}


def _sse(response: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    finished = False
    for raw in response:
        if not raw.startswith(b"data: "):
            continue
        event = json.loads(raw.removeprefix(b"data: "))
        if event["type"] == "error":
            fields = {"api_error_status": 529, "api_error_type": event["error"]["type"]}
            raise FailedError(error="unknown", result=event["error"]["message"], **fields)
        finished = event["type"] == "message_stop"
        yield event
    if not finished:
        raise http.client.IncompleteRead(b"")


def _refused(status: int, body: bytes, headers: Mapping[str, str]) -> FailedError:
    error = json.loads(body).get("error", {})
    words = error.get("message", "scripted")
    kind = KINDS.get(status, "unknown")
    limits = _limits(headers) if status == 429 else None
    fields: dict[str, Any] = {"api_error_status": status, "api_error_type": error.get("type")}
    if "too long" in words:
        return FailedError(error="invalid_request", result="Prompt is too long", **fields)
    plan = limits is not None and "resetsAt" in limits
    if plan:
        fields["api_error"] = "usage_limit_reached"
    again = status in AGAIN and not plan
    return FailedError(
        again=again, limits=limits, error=kind, result=f"API Error: {words}", **fields
    )


def _limits(headers: Mapping[str, str]) -> dict[str, Any]:
    prefix = "anthropic-ratelimit-unified-"
    reset = headers.get(f"{prefix}reset")
    if reset is None:
        return {"status": "rejected"}
    kind = headers.get(f"{prefix}representative-claim", "five_hour")
    return {"status": "rejected", "resetsAt": int(reset), "rateLimitType": kind}


def _last_text(messages: list[dict[str, Any]]) -> str:
    content = messages[-1]["content"]
    if isinstance(content, str):
        return content
    for block in reversed(content):
        if block["type"] == "tool_result":
            return _last_text([block])
        if block["type"] == "text":
            return str(block["text"])
    return ""


if __name__ == "__main__":
    main()
