"""Futures that may have been settled, or given up, before what they wait for comes."""

import asyncio
from typing import Any


def settle(future: "asyncio.Future[Any] | None", result: object) -> bool:
    """Give a future its result; whether anybody still waited for it."""
    if future is None or future.done():
        return False
    future.set_result(result)
    return True


def refuse(future: "asyncio.Future[Any] | None", error: Exception) -> None:
    """Fail a future if it still waits. It may be that nobody ever looks at it."""
    if future is not None and not future.done():
        future.set_exception(error)
        future.exception()
