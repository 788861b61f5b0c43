"""Token counts of an answer, wherever an agent puts them; pure.

Agents agree neither on the place nor on the names. The place is a setting such as
`result._meta.quota.token_count` or `update.usage`; the names in use are all known here.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from llm_mcp_hub.domain.chunk import Usage

INPUT = ("input_tokens", "inputTokens", "promptTokenCount", "prompt_tokens")
OUTPUT = ("output_tokens", "outputTokens", "candidatesTokenCount", "completion_tokens")
CACHED = ("cached_tokens", "cachedReadTokens", "cached_read_tokens", "cachedContentTokenCount")
REASONING = ("thought_tokens", "thoughtTokens", "reasoning_tokens", "thoughtsTokenCount")


class UsagePlace:
    """Where to look.

    Args:
        path: `result` or `update`, then the names on the way to the counts, joined by dots.
    """

    def __init__(self, path: str) -> None:
        self.root, _, inner = path.partition(".")
        self._names = inner.split(".") if inner else []

    def find(self, root: str, raw: bytes | msgspec.Raw) -> Usage | None:
        """The counts in a result or an update; None if they are not there."""
        if root != self.root:
            return None
        value: Any = msgspec.json.decode(raw)
        for name in self._names:
            if not isinstance(value, Mapping):
                return None
            value = value.get(name)
        if not isinstance(value, Mapping) or not any(name in value for name in (*INPUT, *OUTPUT)):
            return None
        return Usage(
            input_tokens=_count(value, INPUT),
            output_tokens=_count(value, OUTPUT),
            cached_tokens=_count(value, CACHED),
            reasoning_tokens=_count(value, REASONING),
        )


def _count(counts: Mapping[str, Any], names: tuple[str, ...]) -> int:
    for name in names:
        value = counts.get(name)
        if isinstance(value, int | float) and value > 0:
            return int(value)
    return 0
