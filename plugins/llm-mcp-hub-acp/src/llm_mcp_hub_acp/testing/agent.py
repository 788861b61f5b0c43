"""A scripted ACP agent: answers with `echo: ` and the prompt, or does what the prompt says.

Guarantee: it asks nobody and spends nothing; what it knows of a conversation is what it was told,
so an answer to `fake:tell` shows exactly that. Run as a script, with the standard library alone;
`install` makes an executable of it.

It is made for agents that differ from the Gemini CLI: `--switch=config` has the model as a
configuration option, `--usage=update` tells the token counts in an update, `--garbage` greets with
a line that is no JSON, `--mute` answers nothing, `--needs-login=METHOD` wants `authenticate`,
`--mcp` says that it knows MCP servers over HTTP, and `--mcp=deaf` says so and asks them nothing.

In a prompt: `fake:hang`, `fake:slow` (says one word first), `fake:deaf` (and is not stopped),
`fake:die`, `fake:garbage`, `fake:permission`, `fake:tool`, `fake:file`, `fake:error CODE`,
`fake:stop REASON`, `fake:silence`, `fake:think`, `fake:hold` (says one word, then waits until as
many sessions hold as `--together` says), `fake:tell`. With tools: `fake:list`, `fake:call NAME
JSON` (tells the result), `fake:both NAME` (two calls at once), `fake:drop NAME` (waits for the
result until `fake:release` comes elsewhere), `fake:own` (a tool of its own).

Over 300 lines because it is one script that runs without anything of ours around it.
"""

import json
import os
import sys
import threading
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socket import SHUT_RDWR, socket
from typing import Any
from urllib.parse import urlsplit

MODELS = ("small", "large")
WORDS = "words of the agent"


def install(directory: Path, *options: str) -> Path:
    """Write an executable `agent` that is this one.

    Args:
        directory: Where to; it must exist.
        options: See the module.

    Returns:
        Its path.
    """
    path = directory / "agent"
    words = " ".join(f'"{option}"' for option in options)
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{__file__}" {words} "$@"\n')
    path.chmod(0o755)
    return path


class Agent:
    """The agent's side of one connection. Every prompt is answered in a thread of its own."""

    def __init__(self, options: list[str]) -> None:
        self._options = dict(option.removeprefix("--").partition("=")[::2] for option in options)
        self._output = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._replies: dict[int, dict[str, Any]] = {}
        self._replied = threading.Condition()
        self._asked = 0
        self._logged_in = "needs-login" not in self._options
        self.dropped = threading.Event()
        self.together = threading.Barrier(int(self._options.get("together", "1")))

    def option(self, name: str) -> str | None:
        """The value of an option; None without it."""
        return self._options.get(name)

    def serve(self) -> None:
        """Serve until the input ends."""
        if "garbage" in self._options:
            self.write_text("Welcome to the scripted agent!")
        for raw in sys.stdin.buffer:
            message = json.loads(raw)
            if "mute" in self._options:
                continue
            if "method" in message:
                self._called(message)
            else:
                with self._replied:
                    self._replies[message["id"]] = message
                    self._replied.notify_all()

    def write(self, message: dict[str, Any]) -> None:
        """Write one message."""
        self.write_text(json.dumps({"jsonrpc": "2.0", **message}))

    def write_text(self, text: str) -> None:
        """Write one line."""
        with self._output:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Ask the client, and wait for its reply."""
        with self._replied:
            self._asked += 1
            number = self._asked
        self.write({"id": number, "method": method, "params": params})
        with self._replied:
            self._replied.wait_for(lambda: number in self._replies)
            return self._replies.pop(number)

    def _called(self, message: dict[str, Any]) -> None:
        method, params = message["method"], message.get("params", {})
        number = message.get("id", 0)
        session = self._sessions.get(params.get("sessionId", ""))
        if method == "session/cancel":
            if session is not None:
                session.cancel()
        elif method == "session/prompt" and session is not None:
            session.begin(number, params["prompt"])
        else:
            result = self._result(method, params, session)
            if isinstance(result, int):
                self.write(
                    {"id": number, "error": {"code": result, "message": "words of the agent"}}
                )
            else:
                self.write({"id": number, "result": result})

    def _result(
        self, method: str, params: dict[str, Any], session: "Session | None"
    ) -> dict[str, Any] | int:
        if method == "initialize":
            version = int(self._options.get("protocol", "1"))
            info = {"name": "scripted", "version": "1.2.3"}
            can = {"mcpCapabilities": {"http": True}} if "mcp" in self._options else {}
            return {"protocolVersion": version, "agentInfo": info, "agentCapabilities": can}
        if method == "authenticate":
            self._logged_in = params["methodId"] == self._options.get("needs-login")
            return {} if self._logged_in else -32000
        if method == "session/new":
            return self._new_session(params["mcpServers"]) if self._logged_in else -32000
        if session is None:
            return -32601
        known = {"session/set_mode": "modeId"}
        known |= (
            {"session/set_config_option": "value"}
            if self._options.get("switch") == "config"
            else {"session/set_model": "modelId"}
        )
        if method not in known:
            return -32601
        value = params[known[method]]
        if method == "session/set_mode":
            session.mode = value
        elif value not in MODELS:
            return 404
        else:
            session.model = value
        return {}

    def _new_session(self, servers: list[dict[str, Any]]) -> dict[str, Any]:
        name = f"session-{len(self._sessions)}"
        tools = Tools(servers[0]) if servers else None
        self._sessions[name] = Session(self, name, tools)
        if tools is not None and self._options["mcp"] != "deaf":
            tools.greet()
        if self._options.get("switch") == "config":
            values = [{"value": model, "name": model.title()} for model in MODELS]
            option = {"id": "model", "type": "select", "currentValue": "small", "options": values}
            return {"sessionId": name, "configOptions": [option]}
        models = [{"modelId": model, "name": model.title()} for model in MODELS]
        return {
            "sessionId": name,
            "models": {"availableModels": models, "currentModelId": "small"},
        }


class Tools:
    """An MCP client of one server."""

    def __init__(self, server: dict[str, Any]) -> None:
        self._url = urlsplit(server["url"])
        self._headers = {one["name"]: one["value"] for one in server["headers"]}
        self._sockets: list[socket] = []

    def greet(self) -> None:
        """What comes before all else."""
        self.ask("initialize", protocolVersion="2025-06-18", capabilities={})
        self.ask("tools/list")

    def ask(self, method: str, **params: Any) -> Any:
        """A request, and its result; None if it was given up."""
        connection = self.send(method, **params)
        self._sockets.append(connection.sock)
        with suppress(OSError, HTTPException):
            answer = connection.getresponse().read().decode()
            data = [part for part in answer.split("\n") if part.startswith(("{", "data: "))]
            if data:
                return json.loads(data[-1].removeprefix("data: "))["result"]
        return None

    def hang_up(self) -> None:
        """Give up what was asked."""
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(SHUT_RDWR)

    def send(self, method: str, **params: Any) -> HTTPConnection:
        """A request alone."""
        connection = HTTPConnection(str(self._url.hostname), self._url.port, timeout=60)
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        connection.request("POST", self._url.path, json.dumps(message), self._headers)
        return connection


class Session:
    """One conversation: what was said in it, and the turn that runs."""

    def __init__(self, agent: Agent, name: str, tools: Tools | None = None) -> None:
        self._tools = tools
        self.mode = "default"
        self.model = "small"
        self.cancelled = threading.Event()
        self._agent = agent
        self._name = name
        self._told: list[str] = []

    def begin(self, number: int, prompt: list[dict[str, Any]]) -> None:
        """Answer a prompt."""
        self.cancelled.clear()
        texts = [block.get("text", f"[{block['type']}]") for block in prompt]
        self._told += [f"user: {text}" for text in texts]
        threading.Thread(target=self._turn, args=(number, texts[-1]), daemon=True).start()

    def cancel(self) -> None:
        """End the turn that runs."""
        self.cancelled.set()
        if self._tools is not None:
            self._tools.hang_up()

    def _turn(self, number: int, text: str) -> None:
        order, _, argument = text.strip().partition(" ")
        answer = getattr(self, "_" + order.removeprefix("fake:"), None)
        stop = None
        if order.startswith("fake:") and answer is not None:
            stop = answer(argument)
        else:
            for index, word in enumerate(f"echo: {text}".split(" ")):
                self._say(word if not index else f" {word}")
        if isinstance(stop, int):
            self._agent.write(
                {"id": number, "error": {"code": stop, "message": "words of the agent"}}
            )
            return
        if self.cancelled.is_set():
            stop = "cancelled"
        self._told.append(f"agent: {text}")
        self._finish(number, stop or "end_turn")

    def _finish(self, number: int, stop: str) -> None:
        result: dict[str, Any] = {"stopReason": stop}
        counts = {"inputTokens": 11, "outputTokens": 20, "cachedReadTokens": 3}
        if self._agent.option("usage") == "update":
            self._update("usage_update", usage=counts)
        else:
            result["usage"] = counts
        self._agent.write({"id": number, "result": result})

    def _update(self, kind: str, **fields: Any) -> None:
        params = {"sessionId": self._name, "update": {"sessionUpdate": kind, **fields}}
        self._agent.write({"method": "session/update", "params": params})

    def _say(self, text: str, kind: str = "agent_message_chunk") -> None:
        self._update(kind, content={"type": "text", "text": text})

    def _hang(self, _: str) -> None:
        self.cancelled.wait()

    def _slow(self, _: str) -> None:
        self._say("word")
        self.cancelled.wait()

    def _deaf(self, _: str) -> None:
        self._say("word")
        threading.Event().wait()

    def _die(self, _: str) -> None:
        os._exit(1)

    def _garbage(self, _: str) -> None:
        self._say("word")
        self._agent.write_text("Traceback (most recent call last):")
        self.cancelled.wait()

    def _permission(self, _: str) -> None:
        options = [
            {"optionId": "always", "name": "Always", "kind": "allow_always"},
            {"optionId": "no", "name": "No", "kind": "reject_once"},
        ]
        call = {"toolCallId": "1", "title": "rm -rf", "status": "pending"}
        self._update("tool_call", **call)
        params = {"sessionId": self._name, "options": options, "toolCall": call}
        reply = self._agent.ask("session/request_permission", params)
        self._update("tool_call_update", toolCallId="1", status="failed", content=[])
        self._say(json.dumps(reply["result"]))

    def _file(self, _: str) -> None:
        params = {"sessionId": self._name, "path": "/etc/passwd"}
        self._say(json.dumps(self._agent.ask("fs/read_text_file", params)["error"]["code"]))

    def _tool(self, _: str) -> None:
        self._say("Let me look.")
        self._update("tool_call", toolCallId="1", title="ls", status="in_progress")
        self.cancelled.wait()

    def _own(self, _: str) -> None:
        self._update("tool_call", toolCallId="own", title="ls", status="in_progress")
        self._update("tool_call_update", toolCallId="own", status="completed")
        self._say("word")
        self.cancelled.wait()

    def _called(self, name: str, arguments: dict[str, Any], number: int = 0) -> str:
        call_id = f"{len(self._told)}-{number}"
        self._update("tool_call", toolCallId=call_id, title=name, status="in_progress")
        assert self._tools is not None  # noqa: S101  # the test's own mistake
        result = self._tools.ask("tools/call", name=name, arguments=arguments)
        if result is None:
            return ""
        state = "failed" if result["isError"] else "completed"
        self._update("tool_call_update", toolCallId=call_id, status=state)
        return json.dumps(result["content"])

    def _list(self, _: str) -> None:
        tools = self._tools.ask("tools/list")["tools"] if self._tools is not None else []
        self._say(json.dumps(tools))

    def _call(self, argument: str) -> None:
        name, _, arguments = argument.partition(" ")
        self._say("hm", "agent_thought_chunk")
        self._say("Let me see.")
        self._say(self._called(name, json.loads(arguments or "{}")))

    def _both(self, name: str) -> None:
        said: dict[int, str] = {}

        def call(number: int) -> None:
            said[number] = self._called(name, {"number": number}, number)

        threads = [threading.Thread(target=call, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._say(" ".join(said[number] for number in sorted(said)))

    def _drop(self, name: str) -> None:
        assert self._tools is not None  # noqa: S101  # the test's own mistake
        connection = self._tools.send("tools/call", name=name, arguments={})
        # Kept: with the last reference to it the connection may be closed, too.
        response = connection.getresponse()
        self._agent.dropped.wait()
        response.close()
        connection.close()
        self.cancelled.wait()

    def _release(self, _: str) -> None:
        self._agent.dropped.set()
        self._say("word")

    def _error(self, argument: str) -> int:
        return int(argument)

    def _stop(self, argument: str) -> str:
        self._say("word")
        return argument

    def _silence(self, _: str) -> None:
        pass

    def _think(self, _: str) -> None:
        self._say("hm", "agent_thought_chunk")
        self._say("word")

    def _hold(self, _: str) -> None:
        self._say("one")
        self._agent.together.wait()
        self._say(" two")

    def _tell(self, _: str) -> None:
        told = {"model": self.model, "mode": self.mode, "told": self._told, "pid": os.getpid()}
        self._say(json.dumps({**told, "environment": dict(os.environ)}))


if __name__ == "__main__":
    Agent(sys.argv[1:]).serve()
