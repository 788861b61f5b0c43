"""The echo provider's child process. Run by path, with the standard library alone.

In, one JSON object per line: `probe` and `inspect`, answered by `ready`; `ping`, answered by `pong`
at once; `say` with `text`, `limit` and `calls`, answered by one `word` line for each word, a `call`
and several `arguments` lines for each call, and an `end`; `interrupt`, which ends a `say` early.
Ends at end of input.
"""

import json
import os
import select
import sys
import time
from collections import deque
from typing import Any

SEPARATORS = (",", ":")
PIECE = 8
"""Characters of arguments in one line."""


def words(text: str) -> list[str]:
    """The text in pieces that join to it again: each word with the white space before it."""
    pieces: list[str] = []
    start = 0
    for index in range(1, len(text)):
        if text[index].isspace() and not text[index - 1].isspace():
            pieces.append(text[start:index])
            start = index
    if text:
        pieces.append(text[start:])
    return pieces


def arguments(index: int, text: str) -> list[bytes]:
    """The lines of one call's arguments."""
    starts = range(0, len(text), PIECE)
    return [line(type="arguments", index=index, text=text[at : at + PIECE]) for at in starts]


def line(**fields: object) -> bytes:
    """One line of output."""
    return json.dumps(fields, separators=SEPARATORS).encode() + b"\n"


def write(data: bytes) -> None:
    """Write all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


class Echo:
    """Serves requests one after another, and answers pings in between and meanwhile.

    Args:
        pause: Seconds before each word.
    """

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._requests: deque[dict[str, Any]] = deque()
        self._pending = b""
        self._ended = False

    def serve(self) -> None:
        """Serve until the input ends."""
        while not self._ended:
            self._read()
            while self._requests:
                request = self._requests.popleft()
                if request["type"] in {"probe", "inspect"}:
                    write(line(type="ready", text=request["type"]))
                elif request["type"] == "say":
                    self._say(request)

    def _read(self) -> None:
        data = os.read(0, 1 << 20)
        self._ended = not data
        *lines, self._pending = (self._pending + data).split(b"\n")
        for raw in lines:
            request = json.loads(raw)
            if request["type"] == "ping":
                write(line(type="pong"))
            else:
                self._requests.append(request)

    def _say(self, request: dict[str, Any]) -> None:
        pieces = words(request["text"])
        limit = request["limit"]
        cut = limit is not None and len(pieces) > limit
        lines = [line(type="word", text=piece) for piece in pieces[:limit]]
        calls = [] if cut else request["calls"]
        for index, call in enumerate(calls):
            lines.append(line(type="call", index=index, id=call["id"], name=call["name"]))
            lines += arguments(index, call["arguments"])
        if not self._pause:
            lines.append(line(type="end", cut=cut, words=len(lines), calls=len(calls)))
            write(b"".join(lines))
            return
        said = 0
        for each in lines:
            if self._interrupted():
                break
            write(each)
            said += 1
        write(line(type="end", cut=cut, words=said, calls=len(calls)))

    def _interrupted(self) -> bool:
        """Let the pause pass; whether anything but a ping came meanwhile."""
        until = time.monotonic() + self._pause
        while not self._requests and not self._ended:
            left = until - time.monotonic()
            if left <= 0 or not select.select([0], [], [], left)[0]:
                return False
            self._read()
        return True


if __name__ == "__main__":
    Echo(float(sys.argv[1])).serve()
