"""`llm-mcp-hub mcp`: an MCP client starts it, speaks to it, and goes."""

import json
import os
import signal
import sqlite3
import subprocess
import sys

import httpx
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from .mcp_process import LEGACY, MODERN, SECONDS, McpProcess

TOKEN = "Access token (admin, shown only now): "
ERAS = [LEGACY, MODERN]


@pytest.fixture
def slow(tmp_path):
    """A configuration in which the echo provider takes its time."""
    file = tmp_path / "slow.toml"
    file.write_text("[providers.echo]\nword_seconds = 0.05\n")
    return str(file)


@pytest.fixture
def connect(argv, environment, tmp_path):
    """Starts `llm-mcp-hub mcp`; it is ended with the test."""
    started = []

    def connect_it(*words, version=LEGACY, more=None):
        errors = tmp_path / f"mcp-stderr-{len(started)}"
        whole = environment | (more or {})
        started.append(McpProcess([*argv, "mcp", *words], whole, errors, version))
        return started[-1]

    yield connect_it
    for process in started:
        process.close()


@pytest.fixture
def hub(start):
    """A hub that serves on the same state: its address and its first token."""
    running = start("serve", "--demo", "--port", "0")
    address = running.line("LLM MCP Hub ").rpartition(" ")[2]
    return address, running.line(TOKEN)


def chat(client, text, **more):
    return client.call("chat", message=text, model="echo/echo", **more)


def say(address, token, session, text):
    response = httpx.post(
        f"{address}/v1/chat/completions",
        headers={"Authorization": f"Bearer {token}", "X-Session-ID": session},
        json={"model": "echo/echo", "messages": [{"role": "user", "content": text}]},
        timeout=60,
    )
    response.raise_for_status()


def said(result):
    """What users said in a session, from the tool that shows it."""
    messages = result["structuredContent"]["messages"]
    return [one["text"] for one in messages if one["role"] == "user"]


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_python_sdk_lists_and_calls_everything(mode, argv, environment):
    server = StdioServerParameters(
        command=argv[0], args=[*argv[1:], "mcp", "--demo"], env=environment
    )
    progress = []

    async def on_progress(_step, _total, message):
        progress.append(message or "")

    async with Client(server, mode=mode) as client:
        tools = {one.name for one in (await client.list_tools()).tools}
        resources = {str(one.uri) for one in (await client.list_resources()).resources}
        templates = (await client.list_resource_templates()).resource_templates
        prompts = {one.name for one in (await client.list_prompts()).prompts}
        result = await client.call_tool(
            "chat",
            {"message": "one two three", "model": "echo/echo", "session_id": "s"},
            progress_callback=on_progress,
        )
        contents = (await client.read_resource("session://s")).contents
    assert {"chat", "ask_all", "get_session"} <= tools
    assert "provider://list" in resources
    assert "session://{session_id}" in {one.uri_template for one in templates}
    assert {"review", "translate"} <= prompts
    assert result.content[0].text == "one two three"
    assert "".join(progress) == "one two three"
    assert "one two three" in contents[0].text


@pytest.mark.parametrize("version", ERAS)
def test_a_conversation_begun_over_rest_goes_on_over_stdio_and_back(connect, hub, run, version):
    address, _ = hub
    token = run("tokens", "create", "n8n").stdout.strip()
    say(address, token, "shared", "over REST")
    client = connect("--demo", "--principal", "n8n", version=version)
    client.open()
    chat(client, "over stdio", session_id="shared")
    say(address, token, "shared", "over REST again")
    assert said(client.call("get_session", session_id="shared")) == [
        "over REST",
        "over stdio",
        "over REST again",
    ]


def test_the_caller_is_the_local_user_whose_sessions_the_command_line_shows(connect, run):
    client = connect("--demo")
    client.open()
    chat(client, "hello", session_id="mine")
    assert "hello" in run("sessions", "show", "mine").stdout
    run("chat", "--demo", "echo/echo", "and again", "--session", "mine")
    assert said(client.call("get_session", session_id="mine")) == ["hello", "and again"]


def test_another_principal_s_session_is_not_its_own(connect, hub):
    address, token = hub
    say(address, token, "private", "a secret")
    for words in ((), ("--principal", "somebody")):
        client = connect("--demo", *words)
        client.open()
        assert client.call("get_session", session_id="private")["isError"]
        assert "error" in client.ask("resources/read", uri="session://private")


@pytest.mark.parametrize("version", ERAS)
def test_nothing_but_protocol_is_written_to_standard_output(connect, tmp_path, version):
    site = tmp_path / "site"
    about = site / "loud-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "loud.py").write_text(
        "import os, subprocess, sys\n"
        "print('printed')\n"
        "sys.__stdout__.write('written\\n'); sys.__stdout__.flush()\n"
        "os.write(1, b'raw\\n')\n"
        "subprocess.run(['/bin/echo', 'from a child'], check=True)\n"
        "assert sys.stdin.read() == ''\n"
    )
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[llm_mcp_hub]\nloud = loud\n")
    client = connect("--demo", version=version, more={"PYTHONPATH": str(site)})
    client.open()
    assert chat(client, "hello")["content"][0]["text"] == "hello"
    client.leave()
    assert client.process.stdout.read() == b""
    for words in ("printed", "written", "raw", "from a child"):
        assert words in client.errors


def test_what_is_no_message_is_survived(connect):
    client = connect("--demo")
    client.open()
    client.process.stdin.write(b'not json\n[]\n{"jsonrpc": "2.0"}\n\xff\xfe\n\n')
    client.process.stdin.flush()
    assert chat(client, "still there")["content"][0]["text"] == "still there"
    refused = [notice for notice in client.notices if "error" in notice]
    assert [(one["id"], one["error"]["code"]) for one in refused] == [(None, -32700)] * 2


def test_a_call_that_can_not_be_understood_is_answered(connect):
    client = connect("--demo")
    client.open()
    call = {"jsonrpc": "2.0", "id": 77, "method": "tools/call"}
    client.say({**call, "params": {"name": "chat", "arguments": {"message": "half: \ud83d"}}})
    assert client.answer(77)["error"]["code"] == -32700
    client.say({**call, "id": 78, "params": "none"})
    assert client.answer(78)["error"]["code"] == -32600
    assert chat(client, "still there")["content"][0]["text"] == "still there"


def test_a_message_beyond_the_limit_ends_it_and_is_said(connect, tmp_path):
    file = tmp_path / "small.toml"
    file.write_text("[server]\nmax_body_bytes = 10000\n")
    client = connect("--demo", "--config", str(file))
    client.open()
    client.begin("tools/call", name="chat", arguments={"message": "x" * 10_001})
    client.ends()
    assert "mcp.message_too_long" in client.errors


def workers_of(client, children):
    workers = children(client.process.pid)
    assert workers
    return workers


def nothing_is_left(client, workers, running, tmp_path, *, log=True):
    assert not [pid for pid in workers if running(pid)]
    assert not [*(tmp_path / "tmp").iterdir()]
    assert not log or "Traceback" not in client.errors


@pytest.mark.parametrize("version", ERAS)
@pytest.mark.parametrize("busy", [False, True])
def test_it_ends_with_its_client_and_leaves_nothing(
    connect, children, running, tmp_path, slow, version, busy
):
    client = connect("--demo", "--config", slow, version=version)
    client.open()
    chat(client, "hello")
    if busy:
        begin_long_answer(client)
    workers = workers_of(client, children)
    client.leave()
    nothing_is_left(client, workers, running, tmp_path)


def begin_long_answer(client):
    """Have an answer run that takes long, and wait until it has begun."""
    client.begin(
        "tools/call",
        name="chat",
        arguments={"message": "word " * 2000, "model": "echo/echo"},
        _meta={"progressToken": "p"},
    )
    assert client.next()["method"] == "notifications/progress"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_though_its_client_stays(
    connect, children, running, tmp_path, slow, number
):
    client = connect("--demo", "--config", slow)
    client.open()
    begin_long_answer(client)
    workers = workers_of(client, children)
    client.process.send_signal(number)
    client.ends()
    nothing_is_left(client, workers, running, tmp_path)


def test_a_client_that_reads_nothing_holds_up_neither_the_hub_nor_its_end(
    connect, children, running, tmp_path
):
    client = connect("--demo")
    client.open()
    client.begin(
        "tools/call", name="chat", arguments={"message": "x" * 2_000_000, "model": "echo/echo"}
    )
    chosen = client.process.stdout.fileno()
    os.set_blocking(chosen, True)
    assert os.read(chosen, 1), "it has begun to answer, into a pipe that is full from now on"
    workers = workers_of(client, children)
    client.process.send_signal(signal.SIGTERM)
    client.ends()
    nothing_is_left(client, workers, running, tmp_path)


def test_a_client_that_closes_its_end_of_the_output_has_gone(connect, children, running, tmp_path):
    client = connect("--demo")
    client.open()
    chat(client, "hello")
    workers = workers_of(client, children)
    client.process.stdout.close()
    client.begin("tools/list")
    client.ends()
    nothing_is_left(client, workers, running, tmp_path)


@pytest.mark.anyio
async def test_when_it_is_killed_the_reaper_leaves_nothing(
    connect, children, running, tmp_path, until
):
    client = connect("--demo")
    client.open()
    chat(client, "hello")
    workers = workers_of(client, children)
    client.process.kill()
    client.process.wait(SECONDS)
    await until(lambda: not any(running(pid) for pid in workers))
    await until(lambda: not [*(tmp_path / "tmp").iterdir()])


def test_two_of_them_and_a_hub_share_one_state(connect, hub):
    address, _ = hub
    one, two = connect("--demo"), connect("--demo", version=MODERN)
    for client in (one, two):
        client.open()
    for number in range(5):
        for client in (one, two):
            chat(client, f"{number}", session_id="together")
    assert said(one.call("get_session", session_id="together")) == [
        str(number) for number in range(5) for _ in range(2)
    ]
    assert httpx.get(f"{address}/health/ready").status_code == 200


def test_a_session_that_is_busy_elsewhere_is_said_at_once(connect, slow):
    one, two = connect("--demo", "--config", slow), connect("--demo")
    one.open()
    two.open()
    one.begin(
        "tools/call",
        name="chat",
        arguments={"message": "word " * 2000, "model": "echo/echo", "session_id": "busy"},
        _meta={"progressToken": "p"},
    )
    one.next()
    result = chat(two, "me too", session_id="busy")
    assert result["isError"]
    assert "busy" in json.dumps(result)


def test_a_wrong_configuration_is_one_line_and_no_protocol(run, tmp_path):
    file = tmp_path / "wrong.toml"
    file.write_text("[server]\nprot = 1\n")
    done = run("mcp", "--config", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == ["Error: server.prot: there is no such setting"]


def test_a_state_store_that_can_t_be_used_is_said(run, data_dir):
    data_dir.mkdir()
    with sqlite3.connect(data_dir / "hub.db") as database:
        database.execute("PRAGMA user_version = 1000")
    done = run("mcp", "--demo")
    assert done.stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ["--url", "http://127.0.0.1:1", "--demo"],
        ["--url", "http://127.0.0.1:1", "--principal", "x"],
        ["--token-file", "x"],
        ["--demo", "install", "cursor"],
        ["--data-dir", "x", "install", "cursor"],
    ],
)
def test_options_that_do_not_go_together_are_a_wrong_use(run, words):
    done = run("mcp", *words)
    assert (done.returncode, done.stdout) == (2, "")


def test_serving_over_stdio_needs_no_web_framework(environment):
    program = (
        "import sys\nimport llm_mcp_hub.commands.mcp_stdio\nsys.exit('litestar' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
