"""`llm-mcp-hub mcp` as a client runs it, spoken to line by line."""

import json
import os
import select
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

SECONDS = 90.0
"""Far longer than anything takes, but where ten start at once on a machine that is busy."""
LEGACY, MODERN = "2025-11-25", "2026-07-28"
META = "io.modelcontextprotocol/"


class McpProcess:
    """A client that says what it is told to, in one of the two eras."""

    def __init__(
        self,
        argv: list[str],
        environment: Mapping[str, str],
        errors: Path,
        version: str = LEGACY,
    ) -> None:
        self._version = version
        self._errors = errors
        self._pending = b""
        self._last = 0
        self.notices: list[dict[str, Any]] = []
        with errors.open("wb") as stderr:
            self.process = subprocess.Popen(
                argv,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def open(self) -> dict[str, Any]:
        """Introduce the client, and give the server's answer."""
        if self._version == MODERN:
            return self.ask("server/discover")
        answer = self.ask(
            "initialize",
            protocolVersion=LEGACY,
            capabilities={},
            clientInfo={"name": "test", "version": "1"},
        )
        self.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def ask(self, method: str, /, **params: Any) -> dict[str, Any]:
        """Send a request and wait for its answer, which may be an error."""
        return self.answer(self.begin(method, **params))

    def call(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """The result of a tool."""
        answer = self.ask("tools/call", name=tool, arguments=arguments)
        assert "result" in answer, answer
        return answer["result"]

    def begin(self, method: str, /, **params: Any) -> int:
        """Send a request, and give its id."""
        self._last += 1
        if self._version == MODERN:
            params["_meta"] = {
                f"{META}protocolVersion": MODERN,
                f"{META}clientInfo": {"name": "test", "version": "1"},
                f"{META}clientCapabilities": {},
                **params.get("_meta", {}),
            }
        self.say({"jsonrpc": "2.0", "id": self._last, "method": method, "params": params})
        return self._last

    def say(self, message: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self, number: int) -> dict[str, Any]:
        """The answer to a request; what comes before it is kept."""
        while True:
            message = self.next()
            if message.get("id") == number:
                return message
            self.notices.append(message)

    def next(self) -> dict[str, Any]:
        """The next message; a line that is none fails the test."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + SECONDS
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, left))
            assert ready, f"nothing came: {self.errors}"
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            assert data, f"it ended: {self.errors}"
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        return message

    def leave(self) -> None:
        """Close its input; it ends well."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.ends()

    def ends(self) -> None:
        """It ends by itself, and well."""
        assert self.process.wait(SECONDS) == 0, self.errors

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(SECONDS)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
