"""The event stream by itself, with a client made of paper and short times."""

import asyncio

import pytest

from llm_mcp_hub.api import sse
from llm_mcp_hub.api.body import ClientGone
from llm_mcp_hub.api.disconnect import unless_client_leaves
from llm_mcp_hub.api.sse import EventStream

pytestmark = pytest.mark.anyio
COMMENT = b": keep-alive\n\n"


@pytest.fixture(autouse=True)
def _short_times(monkeypatch):
    monkeypatch.setattr(sse, "HOLD_SECONDS", 0.02)
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.03)
    monkeypatch.setattr(sse, "STALL_SECONDS", 0.2)


class Client:
    """What an ASGI server does with messages, and refuses to do."""

    def __init__(self) -> None:
        self.started = False
        self.ended = False
        self.bodies: list[bytes] = []
        self.reading = asyncio.Event()
        self.reading.set()
        self._got: asyncio.Condition = asyncio.Condition()

    async def send(self, message) -> None:
        await self.reading.wait()
        if message["type"] == "http.response.start":
            assert not self.started
            self.started = True
        else:
            assert self.started
            assert not self.ended
            self.bodies.append(message["body"])
            self.ended = not message["more_body"]
        async with self._got:
            self._got.notify_all()

    async def until(self, condition) -> None:
        async with asyncio.timeout(5), self._got:
            await self._got.wait_for(condition)


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0)


async def test_nothing_is_sent_before_the_first_event(monkeypatch):
    monkeypatch.setattr(sse, "HOLD_SECONDS", 60)
    client = Client()
    events = EventStream(client.send, [])

    assert not events.started
    events.stop()
    assert not client.started


async def test_a_silent_stream_is_kept_open_from_the_end_of_the_hold():
    client = Client()
    events = EventStream(client.send, [])
    await client.until(lambda: len(client.bodies) >= 3)
    await events.end()

    assert events.started
    assert set(client.bodies[:-1]) == {COMMENT}


async def test_comments_stop_with_the_stream():
    client = Client()
    events = EventStream(client.send, [])
    await events.end(b"last")
    before = list(client.bodies)
    await asyncio.wait([asyncio.create_task(client.until(lambda: client.bodies != before))],
                       timeout=0.1)  # fmt: skip

    assert client.bodies == [b"last"]


async def test_events_come_whole_and_in_order_between_comments():
    client = Client()
    events = EventStream(client.send, [])
    for number in range(5):
        count = client.bodies.count(COMMENT)
        await client.until(lambda count=count: client.bodies.count(COMMENT) > count)
        await events.write(b"data: %d\n\n" % number)
    await events.end(b"data: [DONE]\n\n")

    said = [body for body in client.bodies if body != COMMENT]
    assert said == [b"data: %d\n\n" % n for n in range(5)] + [b"data: [DONE]\n\n"]
    assert client.ended


async def test_no_comment_is_sent_while_an_event_waits_for_a_slow_client():
    client = Client()
    events = EventStream(client.send, [])
    client.reading.clear()
    writing = asyncio.create_task(events.write(b"data: slow\n\n"))
    await asyncio.wait([writing], timeout=0.1)
    client.reading.set()
    await writing
    await events.end()

    assert client.bodies == [b"data: slow\n\n", b""]


async def test_a_failure_while_the_first_comment_is_on_its_way_goes_after_it():
    client = Client()
    events = EventStream(client.send, [])
    client.reading.clear()
    await until(lambda: events.started)
    client.reading.set()
    await events.end(b"data: error\n\n")

    assert client.bodies == [COMMENT, b"data: error\n\n"]


async def test_a_comment_that_is_about_to_be_sent_counts_as_a_start(monkeypatch):
    monkeypatch.setattr(sse, "HOLD_SECONDS", 0)
    client = Client()
    events = EventStream(client.send, [])
    events._heartbeat()
    assert not client.started
    assert events.started
    await events.end(b"data: error\n\n")

    assert client.bodies == [COMMENT, b"data: error\n\n"]


async def test_a_client_that_takes_nothing_is_treated_as_gone():
    client = Client()
    events = EventStream(client.send, [])
    client.reading.clear()

    with pytest.raises(ClientGone):
        await events.write(b"data: x\n\n")
    events.stop()


async def test_a_disconnect_cancels_the_block_and_is_swallowed():
    left = asyncio.Event()

    async def receive():
        await left.wait()
        return {"type": "http.disconnect"}

    reached = False
    async with unless_client_leaves(receive):
        left.set()
        await asyncio.Event().wait()
        reached = True

    task = asyncio.current_task()
    assert not reached
    assert task is not None
    assert task.cancelling() == 0


async def test_any_other_cancellation_is_passed_on():
    async def receive():
        await asyncio.Event().wait()

    async def block():
        async with unless_client_leaves(receive):
            await asyncio.Event().wait()

    task = asyncio.create_task(block())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_block_that_ends_in_time_is_left_alone():
    async def receive():
        await asyncio.Event().wait()

    async with unless_client_leaves(receive):
        await asyncio.sleep(0)


async def test_an_error_in_the_block_is_passed_on_even_if_the_client_left():
    async def receive():
        return {"type": "http.disconnect"}

    async def block():
        async with unless_client_leaves(receive):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise ValueError("mine") from None

    with pytest.raises(ValueError, match="mine"):
        await block()
