"""What a turn has used for answers that its caller does not get."""

from llm_mcp_hub.domain.chunk import Usage


class Spent:
    """Of one turn; it grows.

    Attributes:
        usage: Of all those answers together, as far as their providers have told it.
    """

    __slots__ = ("usage",)

    def __init__(self) -> None:
        self.usage = Usage()

    def add(self, usage: Usage) -> None:
        """One more answer was of no use."""
        self.usage += usage
