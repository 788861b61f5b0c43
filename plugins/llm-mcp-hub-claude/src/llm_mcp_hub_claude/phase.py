"""What a conversation with Claude Code is doing."""

from enum import Enum, auto


class Phase(Enum):
    """See the module."""

    IDLE = auto()
    PREPARING = auto()
    """Waiting for the replies to what was asked before the conversation goes in."""
    TALKING = auto()
    """Steps of the conversation go in; the last one is being answered."""
    SUSPENDED = auto()
    """The model has called tools of the client's and waits for the results."""
    OVER = auto()
    """The turn ended before the tool was done: whatever still comes is not for anyone."""
