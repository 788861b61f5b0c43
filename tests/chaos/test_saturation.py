"""Far more requests than a hub has workers for."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import httpx
import pytest

from llm_mcp_hub.testing.hub import TestHub

from .served import until

REQUESTS = 200
WORKERS = 4
QUEUE = 16
SETTINGS = {
    "pool": {
        "min_spare": WORKERS,
        "max_workers": WORKERS,
        "max_queue": QUEUE,
        "queue_seconds": 60.0,
        "park_seconds": 0.0,
    },
}
WORDS = 250
"""Each takes a hundredth of a second, so that all requests have come before the first answer, on a
busy machine as well."""
PATIENCE_SECONDS = 60.0
FAIR_SHARE = 0.4
"""What each of two principals gets at least, of what was answered."""


class Answer(NamedTuple):
    """How one request was answered, and when."""

    caller: str
    response: httpx.Response
    at: float


async def ask_all(hub: TestHub, callers: list[tuple[str, str]]) -> list[Answer]:
    """One request for each name and token, all at the same time; in the order of the answers."""
    answers: list[Answer] = []
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=hub.base_url, limits=limits, timeout=PATIENCE_SECONDS, trust_env=False
    ) as client:

        async def ask(number: int, caller: str, token: str) -> None:
            message = {"role": "user", "content": f"s{number} 1 {WORDS}"}
            response = await client.post(
                "/v1/chat/completions",
                json={"model": "chaos/echo", "messages": [message]},
                headers=hub.headers(token),
            )
            answers.append(Answer(caller, response, time.monotonic()))

        async with asyncio.TaskGroup() as group:
            for number, (caller, token) in enumerate(callers):
                group.create_task(ask(number, caller, token))
    return answers


def answered(answers: list[Answer]) -> Counter[str]:
    """How many of each caller's requests succeeded."""
    return Counter(one.caller for one in answers if one.response.status_code == httpx.codes.OK)


@pytest.fixture
def hub(make_hub: Callable[..., TestHub]):
    with make_hub(**SETTINGS) as served:
        pool = served.hub.registry.get("chaos").status
        until(lambda: pool().pool.blank == WORKERS, "the start of all workers")
        yield served


def test_the_surplus_is_refused_at_once_and_the_rest_is_answered(hub: TestHub) -> None:
    tokens = {name: hub.token(name) for name in ("one", "two")}
    callers = list(tokens.items()) * (REQUESTS // 2)

    answers = asyncio.run(ask_all(hub, callers))

    assert len(answers) == REQUESTS
    refused = [one for one in answers if one.response.status_code != httpx.codes.OK]
    assert len(refused) == REQUESTS - WORKERS - QUEUE
    for one in refused:
        assert one.response.status_code == 429
        assert one.response.json()["error"]["code"] == "queue_full"
        assert one.response.headers["x-should-retry"] == "true"
        assert 1 <= int(one.response.headers["retry-after"]) <= PATIENCE_SECONDS
    first = min(one.at for one in answers if one.response.status_code == httpx.codes.OK)
    assert max(one.at for one in refused) < first
    shares = answered(answers)
    assert shares.total() == WORKERS + QUEUE
    assert min(shares["one"], shares["two"]) >= FAIR_SHARE * shares.total()


def test_a_caller_who_comes_late_to_a_full_queue_gets_a_fair_share(hub: TestHub) -> None:
    greedy, modest = ("greedy", hub.token("greedy")), ("modest", hub.token("modest"))

    answers = asyncio.run(ask_all(hub, [greedy] * (REQUESTS - QUEUE) + [modest] * QUEUE))

    codes = Counter(one.response.json().get("error", {}).get("code") for one in answers)
    shares = answered(answers)
    assert codes == {None: WORKERS + QUEUE, "queue_full": REQUESTS - WORKERS - QUEUE}
    assert min(shares["greedy"], shares["modest"]) >= FAIR_SHARE * shares.total()
