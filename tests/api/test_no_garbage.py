"""What a turn was made of goes with it. In a cycle it would stay until the garbage collector came.

Under load that is thousands of requests with all their messages, and a collector that holds every
turn up while it looks for them.
"""

import gc
from collections.abc import Iterator

import httpx
import pytest

from llm_mcp_hub.api.disconnect import UNWATCHED_SECONDS, unless_client_leaves
from llm_mcp_hub.providers.deadlines import DeadlineWatch
from llm_mcp_hub.providers.turn import CliTurn
from llm_mcp_hub.services.turn import Turn
from llm_mcp_hub.testing.hub import create_test_hub

WORDS = 20
OF_A_TURN = (Turn, CliTurn, DeadlineWatch, unless_client_leaves)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def left() -> list[str]:
    return [type(each).__name__ for each in gc.get_objects() if isinstance(each, OF_A_TURN)]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("watched", [False, True], ids=["short", "long"])
def test_of_a_turn_that_is_over_nothing_waits_for_the_collector(
    until, no_collector, stream, watched
):
    # A long one is watched by a task that has to be ended.
    word_seconds = 2 * UNWATCHED_SECONDS / WORDS if watched else 0.0
    with (
        create_test_hub(word_seconds=word_seconds) as hub,
        httpx.Client(base_url=hub.base_url, headers=hub.headers(), timeout=10) as http,
    ):
        for _ in range(3):
            text = " ".join(["word"] * WORDS)
            reply = http.post(
                "/v1/chat/completions",
                json={
                    "model": "echo/echo",
                    "stream": stream,
                    "messages": [{"role": "user", "content": text}],
                },
            )
            assert reply.status_code == 200
            del reply
        until(lambda: not left(), "nothing of the turns is left")
