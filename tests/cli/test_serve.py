"""`llm-mcp-hub serve`, from the first start to the last child."""

import json
import os
import re
import select
import signal
import socket
import stat
import subprocess
import time

import httpx
import pytest

ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)\Z")
TOKEN = "Access token (admin, shown only now): "
ECHO = "echo/echo"


@pytest.fixture
def serve(start):
    def serve_it(*words):
        return start("serve", "--demo", "--port", "0", *words)

    return serve_it


def address_of(hub):
    banner = hub.line("LLM MCP Hub ")
    address = banner.rpartition(" ")[2]
    assert ADDRESS.match(address), banner
    return address


def client_of(hub, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(base_url=address_of(hub), headers=headers, timeout=60, trust_env=False)


def question(text, **more):
    return {"model": ECHO, "messages": [{"role": "user", "content": text}], **more}


def answer_of(lines):
    """The text of a stream, and whether it was complete."""
    text, done = "", False
    for line in lines:
        data = line.removeprefix("data: ")
        if data == "[DONE]":
            done = True
        elif line.startswith("data: "):
            for choice in json.loads(data).get("choices", []):
                text += choice["delta"].get("content") or ""
    return text, done


def test_the_first_start_shows_a_token_that_opens_the_api(serve):
    hub = serve()
    token = hub.line(TOKEN)
    with client_of(hub, token) as client:
        body = question("one two three", stream=True)
        with client.stream("POST", "/v1/chat/completions", json=body) as response:
            assert response.status_code == 200
            assert answer_of(response.iter_lines()) == ("one two three", True)


def test_the_first_start_shows_a_command_that_works_when_pasted(serve):
    hub = serve()
    command = hub.line("Try it: ")
    assert command.startswith(f"curl {address_of(hub)}/v1/chat/completions ")
    assert f"Bearer {hub.line(TOKEN)}" in command
    body = json.loads(re.search(r"-d '(.*)'\Z", command)[1])
    with client_of(hub, hub.line(TOKEN)) as client:
        answer = client.post("/v1/chat/completions", json=body).json()
    assert answer["choices"][0]["message"]["content"] == body["messages"][0]["content"]


def test_a_hub_that_is_not_where_commands_look_says_how_they_find_it(serve, data_dir):
    command = serve("--data-dir", str(data_dir)).line("Other commands for this hub: ")
    assert command == f"llm-mcp-hub COMMAND --data-dir {data_dir}"


def test_what_is_piped_has_no_colour_and_no_box(serve):
    hub = serve()
    hub.line("Try it: ")
    hub.signal()
    hub.end()
    output = "\n".join(hub.lines) + hub.errors
    assert "\x1b" not in output
    assert not re.search("[\u2500-\u257f]", output)


def test_a_caller_without_a_token_is_refused(serve):
    with client_of(serve()) as client:
        assert client.get("/v1/models").status_code == 401


def test_the_data_directory_belongs_to_its_owner_alone(serve, data_dir):
    serve().line(TOKEN)
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    for file in data_dir.rglob("*"):
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


def test_a_later_start_shows_no_token_and_knows_the_sessions(serve):
    first = serve()
    token = first.line(TOKEN)
    session = {"X-Session-ID": "kept"}
    with client_of(first, token) as client:
        client.post("/v1/chat/completions", json=question("hello"), headers=session)
    first.signal()
    assert first.end() == 0
    second = serve()
    address_of(second)
    assert "llm-mcp-hub tokens create" in second.line("For another access token: ")
    with client_of(second, token) as client:
        messages = client.get("/v1/sessions/kept").json()["messages"]
        assert [entry["message"]["role"] for entry in messages] == ["user", "assistant"]
    second.signal()
    assert second.end() == 0
    assert not any("hub-" in line for line in second.lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_hub_with_0_and_leaves_no_child(
    serve, children, running, number, tmp_path
):
    hub = serve()
    with client_of(hub, hub.line(TOKEN)) as client:
        client.post("/v1/chat/completions", json=question("hello")).raise_for_status()
        workers = children(hub.pid)
    assert workers
    hub.signal(number)
    assert hub.end() == 0
    assert not [pid for pid in workers if running(pid)]
    assert not [*(tmp_path / "tmp").iterdir()]
    assert "Traceback" not in hub.errors


def test_it_serves_without_standard_output(argv, environment):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hub = subprocess.Popen(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *argv, "serve", "--demo", "--port", str(port)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        with httpx.Client(transport=httpx.HTTPTransport(), timeout=5) as client:
            deadline = time.monotonic() + 60
            while True:
                try:
                    client.get(f"http://127.0.0.1:{port}/health/live").raise_for_status()
                    break
                except httpx.ConnectError:
                    assert hub.poll() is None, hub.communicate()[1]
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
    finally:
        hub.terminate()
        hub.communicate(timeout=60)
    assert hub.returncode == 0


def test_a_port_that_is_taken_is_said_in_one_line(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = run("serve", "--demo", "--port", port)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert f"127.0.0.1 port {port}" in line
    assert "--port" in line


def test_a_wrong_configuration_is_refused_with_its_path_before_anything_is_made(
    run, tmp_path, data_dir
):
    file = tmp_path / "wrong.toml"
    file.write_text("[server]\nprot = 1\n")
    done = run("serve", "--config", str(file))
    assert done.returncode == 1
    assert "server.prot" in done.stderr
    assert "Traceback" not in done.stderr
    assert not data_dir.exists()


def test_a_configuration_file_that_is_not_there_is_named(run, tmp_path):
    done = run("serve", "--config", str(tmp_path / "absent.toml"))
    assert done.returncode == 1
    assert "absent.toml" in done.stderr


def test_debug_shows_where_an_error_comes_from(run, tmp_path):
    done = run("serve", "--debug", "--config", str(tmp_path / "absent.toml"))
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_without_access_control_no_token_is_made_and_none_is_asked_for(serve):
    hub = serve("--no-auth")
    hub.line("Access control is off")
    with client_of(hub) as client:
        answer = client.post("/v1/chat/completions", json=question("hello")).json()
    assert answer["choices"][0]["message"]["content"] == "hello"


def test_access_control_stays_on_beyond_loopback(run):
    done = run("serve", "--no-auth", "--host", "0.0.0.0")
    assert done.returncode == 1
    assert "access.enabled" in done.stderr


def test_logs_go_to_standard_error_as_the_option_says(serve):
    hub = serve("--log-format", "json")
    hub.line("Try it: ")
    hub.signal()
    hub.end()
    assert all(json.loads(line)["event"] for line in hub.errors.splitlines())
    assert hub.line(TOKEN) not in hub.errors


def test_on_a_terminal_the_token_stands_in_one_piece_and_no_color_is_heeded(
    argv, environment, terminal
):
    person, program = terminal
    hub = subprocess.Popen(
        [*argv, "serve", "--demo", "--port", "0", "--log-level", "error"],
        env=environment | {"TERM": "xterm-256color", "NO_COLOR": "1", "COLUMNS": "40"},
        stdin=subprocess.DEVNULL,
        stdout=program,
        stderr=subprocess.DEVNULL,
    )
    seen = b""
    while b"Hello!" not in seen:
        assert select.select([person], [], [], 60)[0], seen
        seen += os.read(person, 65536)
    hub.terminate()
    assert hub.wait(60) == 0
    assert re.search(rb"  hub-[0-9a-f]{12}-[A-Za-z0-9_-]{43}\r\n", seen)
    assert not re.search(rb"\x1b\[(?:[0-9;]*;)?3[0-7]", seen)
