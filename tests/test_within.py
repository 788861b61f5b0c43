"""`within` limits a block exactly as `asyncio.timeout` does."""

import asyncio

import pytest

from llm_mcp_hub.within import within

pytestmark = pytest.mark.anyio


async def test_a_block_that_is_in_time_is_left_alone() -> None:
    with within(5):
        await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_block_that_is_late_raises_a_timeout() -> None:
    with pytest.raises(TimeoutError), within(0):
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_foreign_cancellation_stays_one() -> None:
    entered = asyncio.Event()

    async def work() -> None:
        with within(5):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_foreign_cancellation_wins_over_a_limit_that_passes_at_the_same_time() -> None:
    entered = asyncio.Event()

    async def work() -> None:
        with within(0):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_error_of_a_block_is_its_own() -> None:
    with pytest.raises(ValueError, match="mine"), within(5):
        raise ValueError("mine")


async def test_limits_nest_and_the_outer_one_can_pass_first() -> None:
    with pytest.raises(TimeoutError), within(0), within(5):
        await asyncio.Event().wait()


def test_outside_of_a_task_there_is_nothing_to_limit() -> None:
    with pytest.raises(RuntimeError), within(1):
        pass
