"""`within` limits a block exactly as `asyncio.timeout` does; `limited` does so for a coroutine."""

import asyncio

import pytest

from llm_mcp_hub.within import limited, within

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


async def test_a_coroutine_that_does_not_wait_costs_no_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def work() -> str:
        return "done"

    monkeypatch.setattr(within, "__enter__", None)  # any use of it raises
    assert await limited(work(), 0) == "done"


async def test_a_coroutine_that_waits_has_the_result_it_would_have_had() -> None:
    async def work() -> list[int]:
        found = []
        for number in range(3):
            await asyncio.sleep(0)
            found.append(await asyncio.gather(asyncio.sleep(0, number)))
        return [number for (number,) in found]

    assert await limited(work(), 5) == [0, 1, 2]


async def test_a_coroutine_that_is_late_can_tidy_up_before_the_timeout() -> None:
    tidied = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            tidied.append(True)

    with pytest.raises(TimeoutError):
        await limited(work(), 0)
    assert tidied == [True]


async def test_a_foreign_cancellation_of_a_coroutine_stays_one() -> None:
    entered = asyncio.Event()

    async def work() -> None:
        entered.set()
        await asyncio.Event().wait()

    async def run() -> None:
        await limited(work(), 5)

    task = asyncio.create_task(run())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("waits", [False, True])
async def test_the_error_of_a_coroutine_is_its_own(waits: bool) -> None:
    async def work() -> None:
        if waits:
            await asyncio.sleep(0)
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await limited(work(), 5)


async def test_a_coroutine_may_catch_an_error_of_what_it_waits_for() -> None:
    async def fails() -> None:
        await asyncio.sleep(0)
        raise KeyError("inner")

    async def work() -> str:
        try:
            await asyncio.create_task(fails())
        except KeyError:
            return "caught"
        return "missed"

    assert await limited(work(), 5) == "caught"
