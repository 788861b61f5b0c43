"""What the fake Claude Code asks: a Messages API on loopback, or itself.

Part of `fake_cli`, run by path with the standard library alone.
"""

import http.client
import json
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

KINDS = {401: "authentication_failed", 403: "authentication_failed", 404: "model_not_found"}
KINDS |= {413: "invalid_request", 429: "rate_limit", 500: "server_error", 529: "server_error"}
AGAIN = frozenset({400, 401, 429, 500, 529})
USAGE = {"input_tokens": 11, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 3}


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

    def ask(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The events of one message.

        Raises:
            FailedError: With what the tool reports.
        """
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
        yield {"type": "content_block_start", "content_block": {"type": "text", "text": ""}}
        for word in f"echo: {text}".split(" "):
            piece = word if word == "echo:" else f" {word}"
            yield {"type": "content_block_delta", "delta": {"type": "text_delta", "text": piece}}
        yield {"type": "content_block_stop"}
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
    return next((b["text"] for b in reversed(content) if b["type"] == "text"), "")
