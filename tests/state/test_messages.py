"""What is said when a store fails: a sentence that says what to do, and nothing that is private."""

import asyncio
import sqlite3

import pytest
from redis import exceptions

from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.state.redis_client import unavailable as redis_unavailable
from llm_mcp_hub.state.sqlite_file import unavailable as sqlite_unavailable
from llm_mcp_hub.state.sqlite_thread import SqliteThread


def _sentence(failure: StateUnavailable) -> None:
    assert failure.message[0].isupper()
    assert "; " in failure.message
    assert "/secret" not in failure.message


@pytest.mark.parametrize(
    "error",
    [sqlite3.OperationalError("/secret"), sqlite3.DatabaseError("/secret"), OSError("/secret")],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_of_the_database_is_a_sentence(error: Exception) -> None:
    _sentence(sqlite_unavailable(error))


@pytest.mark.parametrize(
    "error",
    [
        exceptions.BusyLoadingError("/secret"),
        exceptions.AuthenticationError("/secret"),
        exceptions.ReadOnlyError("/secret"),
        exceptions.OutOfMemoryError("/secret"),
        exceptions.TimeoutError("/secret"),
        exceptions.ConnectionError("/secret"),
        exceptions.ResponseError("/secret"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failure_of_redis_is_a_sentence(error: Exception) -> None:
    _sentence(redis_unavailable(error))


def test_a_call_of_a_closed_store_is_answered_by_a_sentence() -> None:
    async def call() -> None:
        thread = SqliteThread(lambda: sqlite3.connect(":memory:"))
        await thread.aclose()
        await thread.run(lambda _: None, writes=False)

    with pytest.raises(StateUnavailable) as caught:
        asyncio.run(call())
    _sentence(caught.value)
