"""A real n8n, headless, in a folder of its own: it is set up, given workflows, and runs them.

It is driven over the routes that its editor uses (n8n 2.41.1), so a workflow runs as if a person
had written into the chat below it.
"""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.clients.clients import NOWHERE, ROOT, Access

PROGRAM = ROOT / ".tools/n8n/node_modules/.bin"
WORKFLOWS = ROOT / "examples/n8n"
NAME = "LLM MCP Hub"
"""What the workflows call their credentials."""
TRIGGER = "When chat message received"
START_SECONDS = 180.0
RUN_SECONDS = 120.0
OWNER = {"email": "owner@example.org", "password": "Owner-Of-A-Test-1"}

Json = dict[str, Any]


class N8n:
    """See the module. A workflow's result is what its nodes gave, by their names."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def call(self, method: str, path: str, body: Json | None = None) -> Any:
        """One of the editor's requests."""
        answer = self.http.request(method, f"/rest{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def add_credential(self, kind: str, data: Json, name: str = NAME) -> str:
        """A credential as a person makes it; its id."""
        made = self.call("POST", "/credentials", {"name": name, "type": kind, "data": data})
        return str(made["id"])

    def import_workflow(self, workflow: Json) -> Json:
        """What importing a file does: credentials are found by their names."""
        imported: Json = self.call("POST", "/workflows", workflow)
        return imported

    def chat(self, workflow: Json, text: str, session: str) -> "Run":
        """Write into the chat of a workflow, and wait for the end of its run."""
        said = {"sessionId": session, "action": "sendMessage", "chatInput": text}
        data = {
            "startTime": 0,
            "executionTime": 0,
            "executionIndex": 0,
            "executionStatus": "success",
            "source": [],
            "data": {"main": [[{"json": said}]]},
        }
        start = {"triggerToStartFrom": {"name": TRIGGER, "data": data}}
        started = self.call("POST", f"/workflows/{workflow['id']}/run", start)
        return self.wait(started["executionId"])

    def wait(self, execution: str) -> "Run":
        """The end of a run."""
        tick = threading.Event()
        end = time.monotonic() + RUN_SECONDS
        while time.monotonic() < end:
            one = self.call("GET", f"/executions/{execution}")
            if one["status"] not in {"new", "running", "waiting"}:
                return Run(one["status"], unfold(one["data"])["resultData"])
            tick.wait(0.2)
        pytest.fail(f"execution {execution} did not end within {RUN_SECONDS:g} s")

    def publish(self, workflow: Json, webhook: str) -> None:
        """Publish a workflow, and wait until its webhook listens; a stranger is then refused."""
        version = {"versionId": workflow["versionId"]}
        self.call("POST", f"/workflows/{workflow['id']}/activate", version)
        tick = threading.Event()
        end = time.monotonic() + RUN_SECONDS
        while (status := self.http.post(webhook).status_code) == 404:
            assert time.monotonic() < end, "the webhook does not listen"
            tick.wait(0.2)
        assert status == 403


class Run:
    """What became of a workflow."""

    def __init__(self, status: str, result: Json) -> None:
        self.status = status
        self.error: Json = result.get("error") or {}
        self._nodes: Json = result["runData"]

    def output(self, node: str) -> Json:
        """The JSON of the only item that a node gave."""
        assert self.status == "success", self.error
        ((item,),) = self._nodes[node][-1]["data"]["main"]
        found: Json = item["json"]
        return found

    def runs_of(self, node: str) -> int:
        """How often a node was used."""
        return len(self._nodes.get(node, []))


def unfold(text: str) -> Json:
    """n8n's storage form (`flatted`): a list whose strings are places in the list."""
    flat = json.loads(text)
    made: dict[int, Any] = {}

    def at(place: int) -> Any:
        if place not in made:
            value = flat[place]
            if isinstance(value, dict):
                made[place] = {}
                made[place].update((key, inner(one)) for key, one in value.items())
            elif isinstance(value, list):
                made[place] = []
                made[place].extend(inner(one) for one in value)
            else:
                made[place] = value
        return made[place]

    def inner(value: Any) -> Any:
        return at(int(value)) if isinstance(value, str) else value

    found: Json = at(0)
    return found


def load(file: str, access: Access) -> Json:
    """A workflow of the examples, for the hub under the address it has here."""
    workflow: Json = json.loads(access.put_into((WORKFLOWS / file).read_text()))
    return workflow


@contextmanager
def serve(home: Path, port: int) -> Iterator[N8n]:
    """Start n8n, make its owner, and end it."""
    environment = {
        "PATH": f"{PROGRAM}:/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "N8N_USER_FOLDER": str(home),
        "N8N_LISTEN_ADDRESS": "127.0.0.1",
        "N8N_PORT": str(port),
        "N8N_RUNNERS_BROKER_PORT": str(port + 1),
        "N8N_DIAGNOSTICS_ENABLED": "false",
        "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
        "N8N_TEMPLATES_ENABLED": "false",
        "N8N_PERSONALIZATION_ENABLED": "false",
        "N8N_SECURE_COOKIE": "false",
        "HTTP_PROXY": NOWHERE,
        "HTTPS_PROXY": NOWHERE,
        "NO_PROXY": "127.0.0.1,localhost",
    }
    log = (home / "n8n.log").open("wb")
    program = [str(PROGRAM / "node"), str(PROGRAM / "n8n"), "start"]
    process = subprocess.Popen(
        program,
        env=environment,
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        # n8n closes idle connections after five seconds, just when they might be used again.
        never = httpx.Limits(max_keepalive_connections=0)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, limits=never) as http:
            await_ready(http, process, home / "n8n.log")
            n8n = N8n(http)
            n8n.call("POST", "/owner/setup", {**OWNER, "firstName": "A", "lastName": "B"})
            yield n8n
    finally:
        process.terminate()
        process.wait(60)
        log.close()


def await_ready(http: httpx.Client, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until it has made its database and listens."""
    tick = threading.Event()
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            # While it starts, `/healthz/readiness` is true already, and every route a page.
            answer = http.get("/rest/settings")
            if answer.is_success and "json" in answer.headers.get("content-type", ""):
                return
        except httpx.TransportError:
            pass
        tick.wait(0.3)
    pytest.fail(f"n8n was not ready within {START_SECONDS:g} s:\n{log.read_text()[-3000:]}")
