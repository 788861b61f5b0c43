"""Turns that have ended are told of a moment later, together."""

import asyncio
from contextvars import ContextVar

import pytest

from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.domain.access import Principal, Scope
from llm_mcp_hub.domain.chat import Message, TextPart
from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.turn import Outcome, TurnRecord
from llm_mcp_hub.errors import Draining
from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.plugins import load_plugins
from llm_mcp_hub.services import finished_turns
from llm_mcp_hub.services.command import ChatCommand
from llm_mcp_hub.services.finished_turns import MAX_TOGETHER, FinishedTurns

from .reading import read_turn

pytestmark = pytest.mark.anyio

request: ContextVar[str] = ContextVar("request", default="none")


def record(turn_id: str) -> TurnRecord:
    return TurnRecord(turn_id, "ann", None, "echo", "echo", Outcome.DONE, None, Usage(), 0.1, None)


async def test_turns_that_end_together_are_told_of_together_each_in_its_own_context():
    told: list[tuple[str, str]] = []
    all_told = asyncio.Event()

    def tell(turn: TurnRecord) -> None:
        told.append((turn.turn_id, request.get()))
        if len(told) == 3:
            all_told.set()

    finished = FinishedTurns(tell)

    async def end(turn_id: str) -> None:
        request.set(f"request of {turn_id}")
        finished.add(record(turn_id))

    for turn_id in ("a", "b", "c"):
        await asyncio.create_task(end(turn_id))

    assert told == []
    async with asyncio.timeout(5):
        await all_told.wait()
    assert told == [(turn_id, f"request of {turn_id}") for turn_id in ("a", "b", "c")]


async def test_what_waits_is_bounded_and_a_flush_leaves_nothing():
    told: list[str] = []
    finished = FinishedTurns(lambda turn: told.append(turn.turn_id))
    ids = [str(number) for number in range(MAX_TOGETHER + 1)]
    for turn_id in ids:
        finished.add(record(turn_id))

    assert told == ids[:-1]
    finished.flush()
    assert told == ids
    finished.flush()
    assert told == ids


async def test_a_turn_that_a_closing_hub_ends_is_told_of_before_it_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(finished_turns, "TOLD_WITHIN_SECONDS", 60.0)
    told: list[TurnRecord] = []

    class Plugin:
        @hookimpl
        def hub_turn_finished(self, turn: TurnRecord) -> None:
            told.append(turn)

    providers = {"echo": {"word_seconds": 0.05}, "claude": {"enabled": False}}
    config = HubConfig(data_dir=str(tmp_path), state="memory://", providers=providers)
    plugins = load_plugins()
    plugins.add("records", "test", Plugin)
    me = Principal("me", frozenset({Scope.CHAT}))
    command = ChatCommand("echo/echo", (Message("user", (TextPart("word " * 10_000),)),))
    begun = asyncio.Event()

    async with asyncio.timeout(20):
        async with Hub(config, plugins) as hub:
            asking = asyncio.create_task(read_turn(hub, me, command, begun))
            await begun.wait()
            assert told == []
    with pytest.raises(Draining):
        await asking
    assert [(turn.principal, turn.outcome) for turn in told] == [("me", Outcome.FAILED)]
