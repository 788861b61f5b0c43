"""A provider's program that remembers what it was told, and misbehaves when it is sent a signal.

Run by path, with the standard library alone: `worker.py MARKER [stubborn]`. It speaks the echo
worker's protocol, but for `say`, which has `texts`: what users said, each `SECRET NUMBER WORDS`.
It repeats every secret it has ever heard and the numbers of all turns it remembers, then says so
many words, so that whoever reads the answer sees whether it comes from the right conversation.

Signal `SIGRTMIN + n` makes it commit `FAULTS[n]`. `stubborn` is one that ignores the end of its
input and SIGTERM from the start, and has a grandchild in a session of its own.
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import Any

PAUSE_SECONDS = 0.01
FLOOD_LINES = 2_000_000
FLOOD_STDERR_BYTES = 32 << 20
HOG_BYTES = 192 << 20
FOREVER_SECONDS = 600

memory: list[list[str]] = []
ballast: list[bytearray] = []
manners: set[str] = set()
requests: list[dict[str, Any]] = []
pending = b""


def write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def line(**fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def garble() -> None:
    write(b"Segmentation fault (core dumped), or so it says\n")


def break_off() -> None:
    """Half a line, and then nothing more."""
    write(b'{"type":"wo')
    hang()


def hang() -> None:
    time.sleep(FOREVER_SECONDS)


def endless_line() -> None:
    while True:
        write(b"x" * 65536)


def flood() -> None:
    """Very many lines that mean nothing."""
    lines = line(type="noise") * 1000
    for _ in range(FLOOD_LINES // 1000):
        write(lines)


def flood_stderr() -> None:
    for _ in range(FLOOD_STDERR_BYTES >> 16):
        os.write(2, b"e" * 65535 + b"\n")


def ignore_the_end() -> None:
    manners.add("deaf")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def leave_grandchild() -> None:
    _leave_grandchild(own_session=False)


def leave_grandchild_in_a_session_of_its_own() -> None:
    _leave_grandchild(own_session=True)


def _leave_grandchild(*, own_session: bool) -> None:
    """One that holds the pipes open, too."""
    script = f"import time; time.sleep({FOREVER_SECONDS})"
    subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", script, sys.argv[1]], start_new_session=own_session
    )


def hog() -> None:
    """Take memory, slowly enough to be noticed."""
    while sum(map(len, ballast)) < HOG_BYTES:
        ballast.append(bytearray(os.urandom(1) * (16 << 20)))
        time.sleep(0.1)


def close_output() -> None:
    os.close(1)


def close_input() -> None:
    os.close(0)


def leave_quietly() -> None:
    os._exit(0)


def crash() -> None:
    os._exit(3)


FAULTS = (
    garble,
    break_off,
    hang,
    endless_line,
    flood,
    flood_stderr,
    ignore_the_end,
    leave_grandchild,
    leave_grandchild_in_a_session_of_its_own,
    hog,
    close_output,
    close_input,
    leave_quietly,
    crash,
)


def listen(seconds: float | None) -> bool:
    """Read what comes within the time, if anything does; whether there is something to obey."""
    global pending  # a program of one module
    if select.select([0], [], [], seconds)[0]:
        data = os.read(0, 1 << 20)
        *lines, pending = (pending + data).split(b"\n")
        for request in map(json.loads, lines):
            if request["type"] == "ping":
                write(line(type="pong"))
            else:
                requests.append(request)
        if not data:
            requests.append({"type": "end"})
    return bool(requests)


def say(texts: list[str]) -> None:
    memory.extend(text.split() for text in texts)
    secrets = sorted({secret for secret, _, _ in memory})
    heard = ",".join(number for _, number, _ in memory)
    own, _, count = memory[-1]
    pieces = [*secrets, f"heard {heard}", *(f"{own}-{index}" for index in range(int(count)))]
    for index, piece in enumerate(pieces):
        if listen(PAUSE_SECONDS):
            break  # interrupted, or not wanted any more
        write(line(type="word", text=f" {piece}" if index else piece))
    write(line(type="end", words=len(pieces)))


def main() -> None:
    for number, fault in enumerate(FAULTS):
        signal.signal(signal.SIGRTMIN + number, lambda *_, fault=fault: fault())
    if "stubborn" in sys.argv:
        ignore_the_end()
        leave_grandchild_in_a_session_of_its_own()
    while True:
        while not requests:
            listen(None)
        request = requests.pop(0)
        if request["type"] in {"probe", "inspect"}:
            write(line(type="ready", text=request["type"]))
        elif request["type"] == "say":
            say(request["texts"])
        elif request["type"] == "end":
            break
    while "deaf" in manners:
        time.sleep(FOREVER_SECONDS)


if __name__ == "__main__":
    main()
