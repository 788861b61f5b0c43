"""Bytes to lines.

Guarantee: whatever the split of the input, the lines that come out are the same; a line longer
than the limit is refused instead of collected; the cost is linear in the input.
"""


class LineTooLong(Exception):  # named like the hub's other errors
    """A line exceeded the limit.

    Attributes:
        lines: The lines that were complete before it, which no `feed` has returned.
    """

    def __init__(self, limit: int, lines: list[bytes]) -> None:
        super().__init__(f"a line of more than {limit} bytes")
        self.limit = limit
        self.lines = lines


class LineFramer:
    r"""Splits a byte stream at `\n`; a trailing `\r` and empty lines are dropped.

    Args:
        limit: Longest line accepted, in bytes without its end.
    """

    __slots__ = ("_limit", "_parts", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes, return the lines they complete.

        Raises:
            LineTooLong: The line under way exceeds the limit. The framer is of no use afterwards.
        """
        ended = data.split(b"\n")
        if not self._parts and ended[-1] == b"" and len(data) <= self._limit and b"\r" not in data:
            return list(filter(None, ended))  # whole lines, as nearly always
        tail = ended.pop()
        lines: list[bytes] = []
        for line in ended:
            if self._parts:
                self._keep(line, lines)
                line = b"".join(self._parts)  # noqa: PLW2901  # the joined line is the line
                self._parts.clear()
                self._size = 0
            if line.endswith(b"\r"):
                line = line[:-1]  # noqa: PLW2901
            if len(line) > self._limit:
                raise LineTooLong(self._limit, lines)
            if line:
                lines.append(line)
        self._keep(tail, lines)
        return lines

    def _keep(self, piece: bytes, lines: list[bytes]) -> None:
        if piece:
            self._size += len(piece)
            # The last byte may turn out to belong to the line's end.
            if self._size > self._limit + piece.endswith(b"\r"):
                raise LineTooLong(self._limit, lines)
            self._parts.append(piece)
