"""A hub in the midst of its work: a day of usage, sessions, and turns that run."""

import contextlib
import http.client
import json
import math
import time
from collections.abc import Iterator

from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.turn import Outcome, TurnRecord
from llm_mcp_hub.domain.usage import (
    HOUR,
    MINUTE,
    Counts,
    UsageBatch,
    UsageRow,
    UsageSlot,
    count_turn,
)
from llm_mcp_hub.testing.hub import TestHub

DAY = 86_400
CALLERS = (("claude", "sonnet", "n8n"), ("claude", "opus", "alice"), ("echo", "echo", "ci"))
HANG = "fake:hang"


def past(now: float) -> UsageBatch:
    """A day of turns as their recorder would have counted them: more by day than by night."""
    rows = []
    for hours in range(24):
        for index, (provider, model, principal) in enumerate(CALLERS):
            counts: Counts = {}
            many = int((6 - 2 * index) * (1.6 + math.sin(hours / 3.8 + index / 3)))
            for number in range(many):
                failed = (hours * 7 + number + 9) % 41 == 0
                seconds = (0.05, 2.1, 4.8)[2 - index] * (1 + 0.4 * math.sin(hours + number))
                count_turn(
                    counts,
                    TurnRecord(
                        turn_id=f"turn-{hours}-{number}",
                        principal=principal,
                        session_id=None,
                        provider=provider,
                        model=model,
                        outcome=Outcome.FAILED if failed else Outcome.DONE,
                        error_code="provider_overloaded" if failed else None,
                        usage=Usage(820 + 90 * number, output_tokens=240 + 35 * index),
                        seconds=seconds,
                        first_chunk_seconds=seconds / 4,
                    ),
                )
            if counts:
                for span in (HOUR, MINUTE):
                    start = int(now - hours * HOUR) // span * span
                    slot = UsageSlot(span, start, provider, model, principal)
                    rows.append(UsageRow(slot, counts, now + DAY))
    return UsageBatch("lively", 1, tuple(rows))


@contextlib.contextmanager
def turns(hub: TestHub) -> Iterator[None]:
    """Have two turns run inside the block."""
    with contextlib.ExitStack() as stack:
        for principal in ("n8n", "alice"):
            token = hub.token(principal)
            connection = http.client.HTTPConnection(hub.base_url.removeprefix("http://"))
            stack.callback(connection.close)
            body = {
                "model": "claude/sonnet",
                "stream": True,
                "messages": [{"role": "user", "content": HANG}],
            }
            headers = {**hub.headers(token), "content-type": "application/json"}
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        yield


def fill(hub: TestHub) -> None:
    """Give the hub a past."""
    now = time.time()
    hub.call(hub.hub.store.add_usage(past(now), now))
