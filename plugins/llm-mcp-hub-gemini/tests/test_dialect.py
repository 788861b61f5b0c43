"""The protocol machine on lines of the real Gemini CLI: the events are the same however cut."""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.domain.chat import Message, TurnRequest
from llm_mcp_hub.domain.chunk import FinishChunk, FinishReason, ReasoningChunk, TextChunk, Usage
from llm_mcp_hub.errors import LoginRequired
from llm_mcp_hub.providers.dialect import Event, Pong, Ready
from llm_mcp_hub.providers.shared_dialect import Opened, Over, Said
from llm_mcp_hub.testing.turns import message, turn_request
from llm_mcp_hub.workers.framing import LineFramer
from llm_mcp_hub_acp.client_tools.server import ToolServer
from llm_mcp_hub_acp.dialect import AcpDialect
from llm_mcp_hub_gemini.provider import PROFILE

TRANSCRIPTS = Path(__file__).parent / "transcripts"
MODEL = "gemini-2.5-flash"


def ask(*messages: Message | str) -> TurnRequest:
    return turn_request(*messages, model=MODEL)


HISTORY = (
    "my name is Zoe",
    message("assistant", "Hello Zoe"),
    "q2",
    message("assistant", "a2"),
)
REQUESTS: dict[str, list[TurnRequest]] = {
    "two_turns": [ask("hello one"), ask("hello one", message("assistant", "x"), "hello two")],
    "four_at_once": [ask(f"number {index}") for index in range(4)],
    "loaded": [ask(*HISTORY, "who am I")],
}


class Player:
    """Does what the hub does: opens as many conversations as are needed, and asks in each."""

    def __init__(self, name: str) -> None:
        self.dialect = AcpDialect(PROFILE, Path("/private"), ToolServer())
        self.told: dict[str, list[Event]] = {}
        self.sent: list[dict[str, Any]] = []
        self._requests = deque(REQUESTS[name])
        self._opens = 4 if name == "four_at_once" else 1
        self._waiting: list[str] = []
        self.dialect.probe()
        self._look()

    def take(self, line: bytes) -> None:
        for event in self.dialect.receive((line,)):
            if isinstance(event, Ready):
                assert event.version == "0.61.0"
                self.dialect.open()
            elif isinstance(event, Opened):
                self.told[event.conversation] = []
                self._waiting.append(event.conversation)
                if len(self.told) < self._opens:
                    self.dialect.open()
                else:
                    while self._waiting:
                        self._begin(self._waiting.pop(0), continued=False)
            elif isinstance(event, Said):
                self.told[event.conversation].append(event.event)
            elif isinstance(event, Over) and self._requests:
                self._begin(event.conversation, continued=True)
            self._look()

    def _begin(self, conversation: str, *, continued: bool) -> None:
        self.dialect.begin(conversation, self._requests.popleft(), continued=continued)

    def _look(self) -> None:
        for note in self.dialect.notes():
            self.dialect.noted(note.conversation)
        lines = self.dialect.data_to_send().splitlines()
        self.sent += [msgspec.json.decode(line) for line in lines]


def pieces(data: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    start = 0
    for size in sizes:
        yield data[start : start + size]
        start += size
    yield data[start:]


def play(name: str, sizes: Sequence[int] = ()) -> Player:
    player = Player(name)
    framer = LineFramer(1 << 20)
    for piece in pieces((TRANSCRIPTS / f"{name}.jsonl").read_bytes(), sizes):
        for line in framer.feed(piece):
            player.take(line)
    return player


def text(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextChunk))


def test_two_turns_in_one_session() -> None:
    player = play("two_turns")
    [events] = player.told.values()
    assert text(events) == "echo: hello oneecho: hello two [[think]]"
    finishes = [event for event in events if isinstance(event, FinishChunk)]
    assert finishes == [
        FinishChunk(FinishReason.STOP, Usage(input_tokens=92, output_tokens=3)),
        FinishChunk(FinishReason.STOP, Usage(input_tokens=123, output_tokens=6)),
    ]
    assert sum(isinstance(event, ReasoningChunk) for event in events) == 1
    methods = [line["method"] for line in player.sent]
    assert methods == ["initialize", "session/new", "session/prompt", "session/prompt"]


def test_four_sessions_at_once_stay_apart() -> None:
    player = play("four_at_once")
    assert len(player.told) == 4
    for events in player.told.values():
        assert text(events) == "echo: first [[delay=0.5]]" or text(events).startswith("echo: ")
        assert sum(isinstance(event, FinishChunk) for event in events) == 1


def test_what_a_loaded_history_repeats_is_no_answer() -> None:
    player = play("loaded")
    [events] = player.told.values()
    assert text(events) == "echo: who am I"
    assert [line["method"] for line in player.sent] == [
        "initialize",
        "session/new",
        "session/load",
        "session/set_model",
        "session/prompt",
    ]
    # The prompt waits for the last of what is repeated, though the reply comes before it.
    assert player.sent[-1]["params"]["prompt"] == [{"type": "text", "text": "who am I"}]


@pytest.mark.parametrize("name", sorted(REQUESTS))
def test_the_events_do_not_depend_on_where_the_bytes_are_cut(name: str) -> None:
    whole = play(name).told
    size = len((TRANSCRIPTS / f"{name}.jsonl").read_bytes())
    for cut in range(1, size):
        assert play(name, (cut,)).told == whole


@given(st.sampled_from(sorted(REQUESTS)), st.lists(st.integers(1, 400), max_size=40))
def test_nor_on_how_often(name: str, sizes: list[int]) -> None:
    assert play(name, sizes).told == play(name).told


def test_a_sign_of_life_is_whatever_it_says_to_what_it_does_not_know() -> None:
    dialect = AcpDialect(PROFILE, Path("/private"), ToolServer())
    assert dialect.ping()
    [line] = dialect.data_to_send().splitlines()
    number = msgspec.json.decode(line)["id"]
    error = {"code": -32601, "message": "Method not found"}
    reply = msgspec.json.encode({"jsonrpc": "2.0", "id": number, "error": error})
    assert dialect.receive((reply,)) == [Pong()]


def test_a_line_that_is_no_json_asks_for_a_login() -> None:
    dialect = AcpDialect(PROFILE, Path("/private"), ToolServer())
    dialect.probe()
    with pytest.raises(LoginRequired, match="setup gemini"):
        dialect.receive((b"\x1b[?1049hPlease visit the following URL to authorize:",))
