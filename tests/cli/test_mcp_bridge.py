"""`llm-mcp-hub mcp --url`: stdio at this end, a hub that runs at the other."""

import json
import signal
import socket

import click
import httpx
import pytest

from llm_mcp_hub.commands.remote import read_url

from .mcp_process import LEGACY, MODERN, McpProcess

ERAS = [LEGACY, MODERN]
WORDS = "one two three"


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])


@pytest.fixture
def serve(start, port, tmp_path):
    slow = tmp_path / "slow.toml"
    slow.write_text("[providers.echo]\nword_seconds = 0.05\n")

    def serve_it():
        hub = start("serve", "--demo", "--port", port, "--config", str(slow))
        hub.line("LLM MCP Hub ")
        return hub

    return serve_it


@pytest.fixture
def token_file(run, tmp_path):
    file = tmp_path / "token"
    file.write_text(run("tokens", "create", "desktop", "--scope", "chat,sessions").stdout)
    return file


@pytest.fixture
def connect(argv, environment, tmp_path, port, token_file):
    started = []

    def connect_it(version=LEGACY):
        words = ["mcp", "--url", f"http://127.0.0.1:{port}/", "--token-file", str(token_file)]
        errors = tmp_path / f"mcp-stderr-{len(started)}"
        started.append(McpProcess([*argv, *words], environment, errors, version))
        return started[-1]

    yield connect_it
    for process in started:
        process.close()


def chat(client, text, **more):
    return client.call("chat", message=text, model="echo/echo", **more)


@pytest.mark.parametrize("version", ERAS)
def test_everything_of_the_hub_is_within_reach_as_the_token_s_principal(
    connect, serve, version, run
):
    serve()
    client = connect(version)
    opened = client.open()["result"]
    assert opened.get("protocolVersion", version) == version
    assert "chat" in {one["name"] for one in client.ask("tools/list")["result"]["tools"]}
    assert client.ask("resources/list")["result"]["resources"]
    assert client.ask("prompts/list")["result"]["prompts"]
    arguments = {"message": WORDS, "model": "echo/echo", "session_id": "here"}
    number = client.begin(
        "tools/call", name="chat", arguments=arguments, _meta={"progressToken": 7}
    )
    assert client.answer(number)["result"]["content"][0]["text"] == WORDS
    told = [one["params"] for one in client.notices if one["method"] == "notifications/progress"]
    assert "".join(one.get("message", "") for one in told) == WORDS
    assert {one["progressToken"] for one in told} == {7}
    read = client.ask("resources/read", uri="session://here")["result"]["contents"][0]
    assert WORDS in read["text"]
    assert WORDS in run("sessions", "show", "here", "--owner", "desktop").stdout
    wrong = client.call("chat", message="x", model="nobody/nothing")
    assert wrong["isError"]
    assert client.ask("resources/read", uri="session://nobody-s")["error"]["message"]
    client.leave()
    assert client.process.stdout.read() == b""
    assert "Traceback" not in client.errors


@pytest.mark.parametrize("version", ERAS)
def test_a_call_that_is_cancelled_ends_at_the_hub(connect, serve, version, port, token_file):
    serve()
    client = connect(version)
    client.open()
    number = client.begin(
        "tools/call",
        name="chat",
        arguments={"message": "word " * 5000, "model": "echo/echo", "session_id": "long"},
        _meta={"progressToken": "p"},
    )
    assert client.next()["method"] == "notifications/progress"
    assert claimed(port, token_file) == 1
    client.say(
        {
            "jsonrpc": "2.0",
            "method": "notifications/cancelled",
            "params": {"requestId": number, "reason": "enough"},
        }
    )
    while claimed(port, token_file):
        client.ask("tools/list")
    assert chat(client, "next")["content"][0]["text"] == "next"


def claimed(port, token_file):
    headers = {"Authorization": f"Bearer {token_file.read_text().strip()}"}
    url = f"http://127.0.0.1:{port}/v1/providers/echo"
    return httpx.get(url, headers=headers).json()["pool"]["claimed"]


@pytest.mark.parametrize("end", [None, signal.SIGTERM, signal.SIGKILL], ids=str)
def test_a_session_s_changes_are_told_also_by_a_hub_that_was_started_again(
    connect, serve, port, token_file, end
):
    hub = serve()
    client = connect()
    client.open()
    chat(client, "first", session_id="watched")
    assert "result" in client.ask("resources/subscribe", uri="session://watched")
    if end is not None:
        hub.signal(end)
        hub.end()
        serve()
        client.ask("tools/list")
    client.notices.clear()
    told = {}
    # The stream of notices comes back a moment after the hub.
    while told.get("method") != "notifications/resources/updated":
        say(port, token_file, "watched", "again")
        client.ask("ping")
        told = client.notices.pop() if client.notices else {}
    assert told["params"]["uri"] == "session://watched"


def say(port, token_file, session, text):
    response = httpx.post(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        headers={
            "Authorization": f"Bearer {token_file.read_text().strip()}",
            "X-Session-ID": session,
        },
        json={"model": "echo/echo", "messages": [{"role": "user", "content": text}]},
        timeout=60,
    )
    response.raise_for_status()


@pytest.mark.parametrize("version", ERAS)
def test_a_hub_that_is_started_again_is_found_again(connect, serve, version):
    hub = serve()
    client = connect(version)
    client.open()
    chat(client, "before", session_id="kept")
    hub.signal()
    assert hub.end() == 0
    away = client.ask("tools/call", name="list_providers", arguments={})
    assert "llm-mcp-hub serve" in away["error"]["message"]
    serve()
    for _ in range(2):
        chat(client, "after", session_id="kept")
    messages = client.call("get_session", session_id="kept")["structuredContent"]["messages"]
    said = [one["text"] for one in messages if one["role"] == "user"]
    assert said == ["before", "after", "after"]
    client.leave()
    assert "Traceback" not in client.errors


def test_a_hub_that_is_killed_amid_an_answer_is_an_error_and_not_the_end(connect, serve):
    hub = serve()
    client = connect()
    client.open()
    number = client.begin(
        "tools/call",
        name="chat",
        arguments={"message": "word " * 5000, "model": "echo/echo"},
        _meta={"progressToken": "p"},
    )
    assert client.next()["method"] == "notifications/progress"
    hub.signal(signal.SIGKILL)
    assert "error" in client.answer(number)
    serve()
    assert chat(client, "again")["content"][0]["text"] == "again"


@pytest.mark.parametrize("version", ERAS)
def test_a_token_that_is_revoked_is_said_in_the_hub_s_words(connect, serve, run, version):
    serve()
    run("tokens", "revoke", "desktop")
    client = connect(version)
    error = client.open()["error"]
    assert "llm-mcp-hub tokens create" in json.dumps(error)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_though_its_client_stays(connect, serve, number):
    serve()
    client = connect()
    client.open()
    client.process.send_signal(number)
    client.ends()


def test_a_token_file_that_is_empty_or_absent_is_said(run, tmp_path):
    empty = tmp_path / "empty"
    empty.write_text("\n")
    for file in (empty, tmp_path / "absent"):
        done = run("mcp", "--url", "http://127.0.0.1:1", "--token-file", str(file))
        assert (done.returncode, done.stdout) == (1, "")
        assert f"{file} holds no access token" in done.stderr


@pytest.mark.parametrize(
    "url",
    ["ftp://x", "127.0.0.1:8701", "localhost", "http://", "http:///x", "http://h:port", "http://h:0",
     "http://h/?a=b", "http://h/#a", "http://a b", ""],
)  # fmt: skip
def test_what_is_no_address_of_a_hub_is_a_wrong_use_and_says_what_to_write(url):
    with pytest.raises(click.BadParameter, match=r"Write http://HOST:PORT or https://HOST"):
        read_url(click.Context(click.Command("mcp")), click.Option(["--url"]), url)


def test_the_bridge_refuses_such_an_address_before_it_serves(run):
    done = run("mcp", "--url", "ftp://x")
    assert (done.returncode, done.stdout) == (2, "")
    assert "http://127.0.0.1:8642" in done.stderr


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("http://127.0.0.1:8701/mcp", "http://127.0.0.1:8701"),
        ("HTTPS://hub.example/below/mcp/", "https://hub.example/below"),
        ("http://[::1]:1/", "http://[::1]:1"),
        (None, None),
    ],
)
def test_an_address_may_end_in_that_of_the_hub_s_mcp(url, read):
    assert read_url(click.Context(click.Command("mcp")), click.Option(["--url"]), url) == read
