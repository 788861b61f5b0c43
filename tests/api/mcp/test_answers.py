"""Answers that grow, that are cancelled, and that take longer than their call can wait."""

import asyncio
import contextlib

import httpx2
import pytest

from llm_mcp_hub.testing.hub import create_test_hub

pytestmark = pytest.mark.anyio

WAIT = {"model": "scripted/one", "message": "wait"}
HOLD = {"model": "scripted/one", "message": "hold"}
PAUSE = {"model": "scripted/one", "message": "pause"}
FIRST = "some words first"


class Progress:
    """What a client was told."""

    def __init__(self):
        self.steps = []
        self.messages = []
        self.came = asyncio.Event()

    async def __call__(self, progress, total, message):
        self.steps.append(progress)
        self.messages.append(message)
        self.came.set()

    @property
    def text(self):
        return "".join(message or "" for message in self.messages)

    async def until(self, condition):
        async with asyncio.timeout(10):
            while not condition(self):
                self.came.clear()
                await self.came.wait()


@contextlib.asynccontextmanager
async def calling(client, tool, arguments, **options):
    """A call that runs while the block does, and is cancelled after it."""
    task = asyncio.create_task(client.call_tool(tool, arguments, **options))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture(scope="module")
def hub(scripted):
    """One whose turns wait long for a caller who left: what ends here, a cancelling has ended."""
    with create_test_hub(
        {"turns": {"resume_seconds": 600}}, plugins=[("scripted", scripted)]
    ) as served:
        yield served


@pytest.fixture(autouse=True)
def fresh(hub, scripted, until):
    """Every test ends with all its turns over."""
    scripted.go.clear()
    yield
    scripted.go.set()
    until(lambda: not (scripted.running or hub.hub._running), "the end of the test's turns")


async def test_progress_arrives_while_the_model_still_writes(connect, scripted):
    progress = Progress()
    async with (
        connect() as client,
        calling(client, "chat", WAIT, progress_callback=progress) as call,
    ):
        await progress.until(lambda told: told.text == FIRST)
        assert not call.done()
        assert scripted.running == 1
    assert progress.steps == sorted(set(progress.steps))


async def test_the_progress_of_an_answer_is_all_of_it_and_nothing_twice(connect):
    words = " ".join(f"word{number}" for number in range(2000))
    progress = Progress()
    async with connect() as client:
        answer = await client.call_tool(
            "chat", {"model": "echo/echo", "message": words}, progress_callback=progress
        )
        await progress.until(lambda told: told.text == words)
    assert answer.structured_content["text"] == words
    assert len(progress.messages) < 500


async def test_a_cancelled_call_ends_its_turn_at_once(connect, scripted, until):
    progress = Progress()
    async with connect() as client:
        async with calling(client, "chat", WAIT, progress_callback=progress):
            await progress.until(lambda told: told.text == FIRST)
        await asyncio.to_thread(until, lambda: not scripted.running)
        again = await client.call_tool("chat", {**WAIT, "message": "say free"})
    assert again.structured_content["text"] == "free"


async def test_a_call_cancelled_before_its_first_word_ends_its_turn(connect, hub, until):
    arguments = {**HOLD, "session_id": "s-early"}
    async with connect() as client:
        async with calling(client, "chat", arguments):
            await asyncio.to_thread(until, lambda: len(hub.hub._running) == 1)
        await asyncio.to_thread(until, lambda: not hub.hub._running)


async def test_a_cancelled_question_to_several_ends_all_turns(connect, scripted, until):
    arguments = {"message": "wait", "models": ["scripted/one", "scripted/two"]}
    async with connect() as client:
        async with calling(client, "ask_all", arguments):
            await asyncio.to_thread(until, lambda: scripted.running == 2)
        await asyncio.to_thread(until, lambda: not scripted.running)


async def test_progress_says_which_of_several_models_has_answered(connect):
    progress = Progress()
    models = ["scripted/one", "scripted/two", "nobody/x"]
    async with connect() as client:
        await client.call_tool(
            "ask_all", {"message": "say x", "models": models}, progress_callback=progress
        )
        await progress.until(lambda told: len(told.messages) == 3)
    told = sorted(progress.messages)
    assert [message.partition(":")[0] for message in told] == sorted(models)
    assert "failed" in told[0]


async def test_a_call_that_can_not_wait_ends_with_a_turn_to_fetch(connect, scripted, until):
    async with connect() as client:
        first = await client.call_tool("chat", {**HOLD, "wait_seconds": 0.05})
        told = first.structured_content
        assert (told["status"], told["text"]) == ("running", "")
        assert told["turn_id"] in first.content[0].text
        await asyncio.to_thread(until, lambda: scripted.running == 1)
        early = await client.call_tool(
            "get_turn", {"turn_id": told["turn_id"], "wait_seconds": 0.05}
        )
        assert early.structured_content["status"] == "running"
        scripted.go.set()
        late = await client.call_tool("get_turn", {"turn_id": told["turn_id"]})
        again = await client.call_tool("get_turn", {"turn_id": told["turn_id"]})
        more = await client.call_tool(
            "chat", {"session_id": told["session_id"], "message": "say more"}
        )
    assert late.structured_content["status"] == "done"
    assert late.structured_content["text"] == "done"
    assert late.structured_content["finish_reason"] == "stop"
    assert late.structured_content == again.structured_content
    assert more.structured_content["session_id"] == told["session_id"]


async def test_fetching_shows_what_there_is_and_ends_nothing(connect, scripted):
    async with connect() as client:
        first = await client.call_tool("chat", {**PAUSE, "wait_seconds": 0.05})
        told = first.structured_content
        progress = Progress()
        arguments = {"turn_id": told["turn_id"]}
        async with calling(client, "get_turn", arguments, progress_callback=progress):
            await progress.until(lambda told: told.text == FIRST)
        async with asyncio.timeout(10):
            while told["text"] != FIRST:  # a call that can hardly wait may come back with less
                fetched = await client.call_tool("get_turn", {**arguments, "wait_seconds": 0.05})
                told = fetched.structured_content
                assert told["status"] == "running"
        assert scripted.running == 1
        scripted.go.set()
        last = await client.call_tool("get_turn", arguments)
    assert last.structured_content["text"] == f"{FIRST}done"


async def test_a_failure_is_fetched_as_well(connect, scripted):
    async with connect() as client:
        first = await client.call_tool(
            "chat", {**HOLD, "message": "fail WorkerDied", "wait_seconds": 5}
        )
        assert first.structured_content["error"]["code"] == "worker_died"


async def test_a_client_hears_signs_of_life_while_its_call_waits_for_a_worker(connect_to, door):
    settings = {
        "mcp": {"keep_alive_seconds": 0.05},
        "providers": {"echo": {"pool": {"max_workers": 1, "min_spare": 0}}},
    }
    with create_test_hub(settings, word_seconds=0.5) as hub:
        long, short = {"message": "word " * 100}, {"message": "x"}
        first, second = Progress(), Progress()
        async with (
            connect_to(hub, door, None) as client,
            calling(client, "chat", long, progress_callback=first),
        ):
            await first.until(lambda told: told.text)
            async with calling(client, "chat", short, progress_callback=second) as waiting:
                await second.until(lambda told: len(told.messages) >= 3)
                assert not waiting.done()
                assert second.text == ""


async def test_models_that_take_long_are_left_running_one_by_one(connect, scripted):
    models = ["scripted/one", "echo/echo"]
    async with connect() as client:
        for patience in (0.3, 1, 5):  # however long this machine takes for the quick one
            arguments = {"message": "hold", "models": models, "wait_seconds": patience}
            first = await client.call_tool("ask_all", arguments)
            slow, quick = first.structured_content["answers"]
            assert slow["status"] == "running"
            if quick["status"] == "done":
                break
        scripted.go.set()
        late = await client.call_tool("get_turn", {"turn_id": slow["turn_id"]})
    assert quick["status"] == "done"
    assert late.structured_content["text"] == "done"


async def test_a_turn_nobody_has_is_not_found(connect):
    async with connect() as client:
        answer = await client.call_tool("get_turn", {"turn_id": f"turn-{'0' * 24}"})
    assert answer.structured_content["error"]["code"] == "turn_not_found"


async def test_a_client_that_asks_for_progress_hears_signs_of_life(connect_to, door, scripted):
    settings = {"mcp": {"keep_alive_seconds": 0.05, "wait_seconds": 0.2}}
    with create_test_hub(settings, plugins=[("scripted", scripted)]) as hub:
        progress = Progress()
        async with connect_to(hub, door, None) as client:
            async with calling(client, "chat", HOLD, progress_callback=progress) as call:
                # It is told more often than the call of a client without progress would wait.
                await progress.until(lambda told: len(told.messages) >= 6)
                assert progress.text == ""
                scripted.go.set()
                answer = await call
            without = await client.call_tool("chat", {**HOLD, "message": "wait"})
            scripted_text = without.structured_content
    assert answer.structured_content["text"] == "done"
    assert scripted_text["status"] == "running"


@pytest.mark.parametrize("coming_back", [False, True])
async def test_a_connection_that_breaks_ends_the_turn_unless_the_client_comes_back(
    scripted, until, coming_back
):
    seconds = 0.1
    settings = {"turns": {"resume_seconds": seconds}}
    with create_test_hub(settings, plugins=[("scripted", scripted)]) as hub:
        headers = {**hub.headers(), "accept": "application/json, text/event-stream"}
        async with httpx2.AsyncClient(base_url=hub.base_url, headers=headers, timeout=30) as http:
            hello = {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": {"name": "test", "version": "1"},
            }
            opened = await http.post("/mcp", json=request(1, "initialize", hello))
            http.headers["mcp-session-id"] = opened.headers["mcp-session-id"]
            http.headers["mcp-protocol-version"] = "2025-11-25"
            await http.post("/mcp", json=request(None, "notifications/initialized", {}))
            arguments = HOLD if coming_back else WAIT
            call = request(2, "tools/call", {"name": "chat", "arguments": arguments})
            async with contextlib.AsyncExitStack() as stack:
                async with http.stream("POST", "/mcp", json=call) as broken:
                    assert broken.status_code == 200
                    await asyncio.to_thread(until, lambda: scripted.running == 1)
                    ((turn_id, live),) = hub.hub.journals._live.items()
                    if coming_back:
                        arguments = {"turn_id": turn_id}
                        fetch = {"name": "get_turn", "arguments": arguments}
                        fetched = await stack.enter_async_context(
                            http.stream("POST", "/mcp", json=request(3, "tools/call", fetch))
                        )
                        await asyncio.to_thread(until, lambda: live._followers)
                if coming_back:
                    await asyncio.to_thread(until, lambda: live.caller_left)
                    # In the loop that would end the turn, and later than it would.
                    await asyncio.to_thread(hub.call, asyncio.sleep(2 * seconds))
                    assert scripted.running == 1
                    scripted.go.set()
                    assert '"text":"done"' in (await fetched.aread()).decode()
            # Before the hub stops, which would end it, too.
            await asyncio.to_thread(until, lambda: not scripted.running)


def request(number, method, params):
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    return message if number is None else {**message, "id": number}
