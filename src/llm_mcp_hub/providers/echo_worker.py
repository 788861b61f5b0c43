"""The echo provider's child process. Run by path, with the standard library alone.

In, one JSON object per line: `probe` and `inspect`, answered by `ready`; `ping`, answered by `pong`
at once; `say` with `text` and `limit`, answered by one `word` line for each word and an `end`;
`interrupt`, which ends a `say` early. Ends at end of input.
"""

import json
import os
import select
import sys
import time
from collections import deque

SEPARATORS = (",", ":")


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
        self._requests: deque[dict[str, object]] = deque()
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

    def _say(self, request: dict[str, object]) -> None:
        pieces = words(str(request["text"]))
        limit = request["limit"]
        cut = isinstance(limit, int) and len(pieces) > limit
        if cut and isinstance(limit, int):
            pieces = pieces[:limit]
        if not self._pause:
            lines = [line(type="word", text=piece) for piece in pieces]
            lines.append(line(type="end", cut=cut, words=len(pieces)))
            write(b"".join(lines))
            return
        said = 0
        for piece in pieces:
            if self._interrupted():
                break
            write(line(type="word", text=piece))
            said += 1
        write(line(type="end", cut=cut, words=said))

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
