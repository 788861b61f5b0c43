"""Bytes to lines.

Guarantee: whatever the split of the input, the lines that come out are the same; a line longer
than the limit is refused instead of collected; the cost is linear in the input.
"""


class LineTooLong(Exception):
    """A line exceeded the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a line of more than {limit} bytes")
        self.limit = limit


class LineFramer:
    """Splits a byte stream at `\\n`; a trailing `\\r` and empty lines are dropped.

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
        lines = data.split(b"\n")
        if len(lines) == 1:
            self._keep(data)
            return []
        if self._parts:
            self._parts.append(lines[0])
            lines[0] = b"".join(self._parts)
            self._parts.clear()
        tail = lines.pop()
        self._size = 0
        if tail:
            self._keep(tail)
        result = []
        for line in lines:
            if len(line) > self._limit:
                raise LineTooLong(self._limit)
            if line.endswith(b"\r"):
                line = line[:-1]  # noqa: PLW2901  # the cut line is the line
            if line:
                result.append(line)
        return result

    def rest(self) -> bytes:
        """The bytes of a last line that never ended."""
        return b"".join(self._parts)

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            raise LineTooLong(self._limit)
        self._parts.append(data)
