"""`llm-mcp-hub chat`: one question, or a talk at a terminal."""

import os
import select
import signal
import subprocess
import time

import pytest

SECONDS = 60.0


def test_an_answer_is_plain_text_on_standard_output(run):
    done = run("chat", "--demo", "echo/echo", "one two three")
    assert (done.returncode, done.stdout, done.stderr) == (0, "one two three\n", "")


def test_a_single_argument_with_a_space_is_the_prompt(run):
    assert run("chat", "--demo", "how are you?").stdout == "how are you?\n"


@pytest.mark.parametrize("words", [[], ["-"]])
def test_the_prompt_comes_from_standard_input(run, words):
    done = run("chat", "--demo", "echo/echo", *words, text="from a pipe\n")
    assert done.stdout == "from a pipe\n"


def test_an_empty_prompt_is_a_wrong_use(run):
    assert run("chat", "--demo", "echo/echo", text=" \n").returncode == 2


@pytest.fixture
def run_bytes(argv, environment):
    """Run a command on bytes that need not be text."""

    def run_it(*words, stdin=b"", **more):
        return subprocess.run(
            [*argv, *words],
            env=environment | more,
            input=stdin,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )

    return run_it


@pytest.mark.parametrize("encoding", ["", "ascii", "latin-1"])
def test_bytes_on_standard_input_that_are_not_utf_8_become_replacement_characters(
    run_bytes, encoding
):
    more = {"PYTHONIOENCODING": encoding} if encoding else {}
    done = run_bytes("chat", "--demo", "echo/echo", "-", stdin=b"caf\xe9 \xc3\xa9\r\n", **more)
    assert (done.returncode, done.stderr) == (0, b"")
    expected = "caf\ufffd \u00e9\n".encode(encoding or "utf-8", "replace")
    assert done.stdout == expected


@pytest.mark.parametrize("words", [[b"caf\xe9"], [b"hello", b"--system", b"caf\xe9"]])
def test_arguments_that_are_not_text_get_replacement_characters(run_bytes, words):
    done = run_bytes("chat", "--demo", "echo/echo", *words)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == words[0].decode("utf-8", "replace").encode() + b"\n"


def test_an_answer_is_written_in_full_where_the_output_has_not_all_its_characters(run_bytes):
    done = run_bytes("chat", "--demo", "one \u4e2d three", PYTHONIOENCODING="latin-1")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"one ? three\n", b"")


def test_a_closed_standard_output_is_said_in_one_line(argv, environment):
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", *argv, "chat", "--demo", "echo/echo", "hello"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "Error: Standard output is closed: there is nowhere to write to.\n"


def test_a_closed_standard_input_is_an_empty_one(argv, environment):
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *argv, "chat", "--demo", "echo/echo"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert "PROMPT is empty" in done.stderr


def test_a_session_is_remembered_and_a_question_without_one_is_not(run):
    run("chat", "--demo", "echo/echo", "first", "--session", "talk")
    run("chat", "--demo", "echo/echo", "second", "--session", "talk", "--system", "Be brief.")
    run("chat", "--demo", "echo/echo", "third")
    shown = run("sessions", "show", "talk").stdout
    assert [word for word in shown.split() if word in {"first", "second", "third"}] == [
        "first",
        "first",
        "second",
        "second",
    ]
    assert "Be brief." in shown
    assert len(run("sessions", "list").stdout.splitlines()) == 2


def test_a_model_that_nobody_offers_is_said_with_exit_code_1(run):
    done = run("chat", "--demo", "nobody/nothing", "hello")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert "nobody/nothing" in done.stderr


def test_without_a_provider_it_says_what_to_do(run):
    done = run("chat", "hello there")
    assert done.returncode == 1
    assert "llm-mcp-hub setup" in done.stderr


class Talk:
    """A person at a terminal."""

    def __init__(self, argv, environment, terminal):
        self._person, program = terminal
        self.seen = ""
        self.process = subprocess.Popen(
            [*argv, "chat", "--demo"],
            env=environment | {"TERM": "xterm"},
            stdin=program,
            stdout=program,
            stderr=program,
        )

    def type(self, text):
        self.seen = ""
        os.write(self._person, text.encode())

    def wait_for(self, text):
        deadline = time.monotonic() + SECONDS
        while text not in self.seen:
            left = deadline - time.monotonic()
            assert left > 0, self.seen
            if select.select([self._person], [], [], left)[0]:
                self.seen += os.read(self._person, 65536).decode(errors="replace")


@pytest.fixture
def talk(argv, environment, terminal, tmp_path):
    file = tmp_path / "config.toml"
    file.write_text("[providers.echo]\nword_seconds = 0.1\n")
    talk = Talk(argv, environment | {"LLM_MCP_HUB_CONFIG": str(file)}, terminal)
    yield talk
    talk.process.kill()
    talk.process.wait(SECONDS)


def test_a_talk_at_a_terminal_keeps_its_session(talk, run):
    talk.wait_for("> ")
    talk.type("apples\n")
    talk.wait_for("\napples\r\n> ")
    talk.type("pears\n")
    talk.wait_for("\npears\r\n> ")
    talk.type("\x04")
    talk.wait_for("Go on with: --session ")
    assert talk.process.wait(SECONDS) == 0
    rows = run("sessions", "list").stdout.splitlines()[1:]
    assert [row.split("\t")[3] for row in rows] == ["4"]


def test_ctrl_c_ends_the_answer_and_not_the_talk(talk):
    talk.wait_for("> ")
    talk.type("word " * 200 + "\n")
    talk.wait_for("\nword word")
    talk.process.send_signal(signal.SIGINT)
    talk.wait_for("[interrupted]")
    talk.wait_for("> ")
    talk.type("still there\n")
    talk.wait_for("\nstill there\r\n> ")
    talk.type("\x04")
    assert talk.process.wait(SECONDS) == 0
