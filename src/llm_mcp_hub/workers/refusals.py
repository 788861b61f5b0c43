"""What a pool says to those whom it can't serve."""

from llm_mcp_hub.errors import Draining, MemoryShort, QueueFull, QueueTimeout


def draining() -> Draining:
    """The pool is closing."""
    return Draining("The provider's workers are being ended. Send the request again in a moment.")


def queue_full(waiting: int, retry_after: float) -> QueueFull:
    """There is no place in the queue, or somebody who has fewer took it."""
    return QueueFull(
        f"All workers of this provider are busy and {waiting} requests wait already. "
        "Try again later, or raise `max_queue` or `max_workers`.",
        retry_after=retry_after,
    )


def queue_timeout(seconds: float, retry_after: float) -> QueueTimeout:
    """Nothing became free in time."""
    return QueueTimeout(
        f"No worker of this provider became free within {seconds:g} s. "
        "Try again later, or raise `max_workers`.",
        retry_after=retry_after,
    )


def memory_short(retry_after: float) -> MemoryShort:
    """There is no memory to start a member."""
    return MemoryShort(
        "There is too little memory for a worker of this provider. Free some on the hub's "
        "machine, or allow the hub more.",
        retry_after=retry_after,
    )
