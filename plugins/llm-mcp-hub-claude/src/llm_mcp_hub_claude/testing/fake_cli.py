"""A stand-in for Claude Code: speaks its `stream-json` protocol in a tenth of a second.

Guarantee: it passes the provider's contract tests that the real tool passes. It asks the back end
named by `ANTHROPIC_BASE_URL`, which must be loopback; without one it answers by itself with
`echo: ` and the last user text, or does what that text says: `fake:status 529`, `fake:stop
max_tokens`, `fake:hang`, `fake:die`.

Run as a script, with the standard library alone. `install` makes an executable of it.
"""

import json
import os
import queue
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from llm_mcp_hub_claude.testing.fake_cli_upstream import FailedError, Login, Upstream
else:
    # Run by path: without the package, which would take longer to import than the fake runs.
    sys.path.append(str(Path(__file__).parent))
    from fake_cli_upstream import FailedError, Login, Upstream

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
    """The tool's one conversation. Control requests are answered while a turn runs."""

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
        self._work: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def take(self, line: dict[str, Any]) -> None:
        """Take one line of input."""
        if line["type"] == "control_request":
            self._control(line["request_id"], line["request"])
        elif line["type"] in ("user", "assistant"):
            self._work.put(line)

    def input_ended(self) -> None:
        """Finish what was asked."""
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
            models = [{"value": name, "displayName": name.title()} for name in MODELS]
            reply["response"] = {"models": models, "account": self._login.account}
        elif kind == "set_model":
            self._model = request["model"]
        elif kind == "apply_flag_settings":
            settings = request["settings"]
            self._effort = settings.get("effortLevel", self._effort)
            limit = settings.get("env", {})
            self._limit = limit.get("CLAUDE_CODE_MAX_OUTPUT_TOKENS", self._limit)
        elif kind == "interrupt":
            self._upstream.interrupt()
        else:
            reply |= {"subtype": "error", "error": f"Unsupported control request subtype: {kind}"}
        self._write({"type": "control_response", "response": reply})

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
        for _ in range(CONTINUATIONS + 1):
            message = self._message(total)
            if message is None:
                break
            self._history.append({"role": "assistant", "content": message["content"]})
            follow_up = _follow_up(message)
            if follow_up is None:
                break
            self._history.append({"role": "user", "content": follow_up})
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
            "tools": [],
            "output_config": {"effort": self._effort or "medium"},
            "stream": True,
        }

    def _collect(self, events: Iterator[dict[str, Any]], total: dict[str, int]) -> dict[str, Any]:
        content: list[dict[str, Any]] = []
        usage: dict[str, int] = {}
        stop = None
        for event in events:
            self._write({"type": "stream_event", "event": event})
            delta = event.get("delta", {})
            if event["type"] == "message_start":
                usage = dict(event["message"]["usage"])
            elif event["type"] == "content_block_start":
                content.append(dict(event["content_block"]))
            elif delta.get("type") == "text_delta":
                content[-1]["text"] += delta["text"]
            elif event["type"] == "message_delta":
                stop = delta["stop_reason"]
                usage |= event["usage"]
        for name, value in usage.items():
            total[name] = total.get(name, 0) + value
        blocks = [block for block in content if block["type"] != "thinking"]
        return {"content": blocks, "stop_reason": stop}

    def _result(self, usage: dict[str, int]) -> None:
        failure = self._failure or {}
        self.exit_status = 1 if failure else 0
        if failure:
            kept = {k: v for k, v in failure.items() if k in ("error", "api_error")}
            self._write({"type": "assistant", "message": {"model": "<synthetic>"}, **kept})
        fields = {k: v for k, v in failure.items() if k not in ("error", "api_error")}
        result = {"subtype": "success", "is_error": bool(failure), "usage": usage, **fields}
        self._write({"type": "result", **result})


def _follow_up(message: dict[str, Any]) -> object:
    """What the tool says next by itself, or None."""
    if message["stop_reason"] == "max_tokens":
        return GO_ON
    calls = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
    if not calls:
        return None
    text = "Error: No such tool available."
    return [
        {"type": "tool_result", "tool_use_id": call, "is_error": True, "content": text}
        for call in calls
    ]


if __name__ == "__main__":
    main()
