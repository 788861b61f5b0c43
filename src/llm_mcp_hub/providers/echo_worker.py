"""The echo provider's child process. Run by path, with the standard library alone.

In, one JSON object per line: `probe` and `inspect`, answered by `ready`; `say` with `text` and
`limit`, answered by one `word` line for each word and an `end`; `interrupt`, which ends a `say`
early. Ends at end of input.
"""

import json
import os
import select
import sys

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


def say(request: dict[str, object], pause: float) -> None:
    """Write the words, watching the input between them."""
    pieces = words(str(request["text"]))
    limit = request["limit"]
    cut = isinstance(limit, int) and len(pieces) > limit
    if cut and isinstance(limit, int):
        pieces = pieces[:limit]
    if not pause:
        lines = [line(type="word", text=piece) for piece in pieces]
        lines.append(line(type="end", cut=cut, words=len(pieces)))
        write(b"".join(lines))
        return
    said = 0
    for piece in pieces:
        if select.select([0], [], [], pause)[0]:
            break
        write(line(type="word", text=piece))
        said += 1
    write(line(type="end", cut=cut, words=said))


def write(data: bytes) -> None:
    """Write all of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def main() -> None:
    """Serve until the input ends."""
    pause = float(sys.argv[1])
    pending = b""
    while data := os.read(0, 1 << 20):
        *lines, pending = (pending + data).split(b"\n")
        for raw in lines:
            request = json.loads(raw)
            if request["type"] in {"probe", "inspect"}:
                write(line(type="ready", text=request["type"]))
            elif request["type"] == "say":
                say(request, pause)


if __name__ == "__main__":
    main()
