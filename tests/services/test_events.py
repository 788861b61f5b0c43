"""Events for those who watch the hub."""

import asyncio

import pytest

from llm_mcp_hub.domain.event import EventName
from llm_mcp_hub.services.events import MAX_WAITING, Events


async def names(subscription) -> list[str]:
    async with asyncio.timeout(5):
        return [event.name for event in await subscription.take()]


async def started(subscription) -> list[int | None]:
    async with asyncio.timeout(5):
        return [event.pid for event in await subscription.take()]


def test_nobody_listens_until_somebody_subscribes():
    events = Events()
    assert not events.listening
    with events.subscribe():
        assert events.listening
        with events.subscribe():
            pass
        assert events.listening
    assert not events.listening


def test_a_subscriber_gets_what_happens_from_then_on_in_order():
    async def run() -> None:
        events = Events()
        events.publish(EventName.WORKER_STARTED, pid=1)
        with events.subscribe() as one, events.subscribe() as two:
            waiting = asyncio.ensure_future(started(one))
            await asyncio.sleep(0)
            for pid in (2, 3):
                events.publish(EventName.WORKER_STARTED, pid=pid)
            assert await waiting == [2, 3]
            assert await started(two) == [2, 3]

    asyncio.run(run())


def test_a_subscriber_may_want_some_events_of_one_owner():
    async def run() -> None:
        events = Events()
        with events.subscribe(EventName.SESSION_CHANGED, owner="ann") as subscription:
            events.publish(EventName.SESSION_DELETED, owner="ann", session_id="a")
            events.publish(EventName.SESSION_CHANGED, owner="bob", session_id="b")
            events.publish(EventName.SESSION_CHANGED, owner="ann", session_id="c")
            (event,) = await subscription.take()
            assert event.session_id == "c"

    asyncio.run(run())


def test_a_slow_subscriber_is_told_how_many_it_missed_and_holds_no_more_than_that():
    async def run() -> None:
        events = Events()
        with events.subscribe() as slow:
            for pid in range(MAX_WAITING + 7):
                events.publish(EventName.WORKER_STARTED, pid=pid)
            taken = await slow.take()
            assert [event.pid for event in taken[:-1]] == list(range(MAX_WAITING))
            assert (taken[-1].name, taken[-1].missed) == ("events.missed", 7)
            events.publish(EventName.WORKER_DIED, pid=1)
            assert await names(slow) == ["worker.died"]

    asyncio.run(run())


@pytest.mark.parametrize("late", [False, True])
def test_a_subscription_ends_with_the_hub_after_what_was_waiting(late):
    async def run() -> None:
        events = Events()
        if late:
            events.end()
        with events.subscribe() as subscription:
            if not late:
                events.publish(EventName.HUB_DRAINING)
                events.end()
                assert await names(subscription) == ["hub.draining"]
            assert await names(subscription) == []

    asyncio.run(run())


def test_a_listener_is_told_at_once_until_it_stops_and_its_failure_disturbs_nobody():
    events, told = Events(), []

    def fails(event) -> None:
        raise ValueError("foreign")

    stops = [events.listen(fails), events.listen(lambda event: told.append(event.name))]
    events.publish(EventName.SESSION_CHANGED, owner="ann", session_id="s")
    for stop in stops:
        stop()
        stop()
    events.publish(EventName.SESSION_DELETED, owner="ann", session_id="s")
    assert told == ["session.changed"]
    assert not events.listening
