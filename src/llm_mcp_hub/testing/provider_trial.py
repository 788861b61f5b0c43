"""What the checks of a provider are made of: promises about one, what it can show, and one trial.

A check can't know what a model will answer. So its author says in `Abilities` what can be seen from
outside, and makes it visible: a fake back end that answers with all it was told shows most.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from msgspec import Struct

from llm_mcp_hub.domain import transcript
from llm_mcp_hub.domain.chat import Message, TextPart, TurnOptions, TurnRequest
from llm_mcp_hub.domain.chunk import Chunk
from llm_mcp_hub.domain.completion import Completion, fold
from llm_mcp_hub.domain.ids import new_turn_id
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.providers.base import ChunkStream, Provider
from llm_mcp_hub.testing.promise import BrokenPromiseError, PromiseList, present, require

T = TypeVar("T")

CLOSE_SECONDS = 30.0
"""What is bounded is expected to end within this time, also on a busy machine."""


class Abilities(Struct, frozen=True, kw_only=True):
    """What can be seen of a provider from outside, said by whoever has it checked.

    A check that needs something which is not said here is left out. Words are made up by the
    checks and look like `w3f09c2`.

    Attributes:
        model: The model to ask; empty for the default one.
        prompt: What the user says to be answered as promised here; `{}` stands for the words.
        echoes: An answer has the words of the last message; in a first turn, each of them once.
        remembers: An answer has the words of all messages so far, in their order.
        system: An answer has the words of the system prompt.
        usage: Turns count their tokens.
        max_tokens: An answer to many words is cut by `max_tokens=1`.
        slow: A text whose answer begins and then goes on for minutes; empty if there is none.
        fails: A text whose answer fails; empty if there is none.
        at_once: So many turns it carries at the same time.
        own_workers: Each conversation has a worker of its own, and `workers` shows it.
        calls: A line that has the model call a tool; `{name}` and `{arguments}`, the text of a JSON
            object, stand for the call. An answer to results has their words. Empty if there is
            none.
        parallel: Several such lines are calls of one answer.
        secrets: Texts that no status and no error may show, such as the login's token.
        generating: Tells how many answers the back end is making right now.
        asked: Tells how many answers the back end has been asked for so far.
    """

    model: str = ""
    prompt: str = "{}"
    echoes: bool = False
    remembers: bool = False
    system: bool = False
    usage: bool = False
    max_tokens: bool = False
    slow: str = ""
    fails: str = ""
    at_once: int = 2
    own_workers: bool = False
    calls: str = ""
    parallel: bool = False
    secrets: tuple[str, ...] = ()
    generating: Callable[[], int] | None = None
    asked: Callable[[], int] | None = None

    def show(self, needs: Sequence[str]) -> bool:
        """Whether all of these can be seen."""
        return all(getattr(self, name) for name in needs)


MakeProvider = Callable[[], Provider]


class Trial:
    """Fresh providers for one check, all closed at its end."""

    def __init__(self, make: MakeProvider, abilities: Abilities) -> None:
        self.abilities = abilities
        self._make = make
        self._made: list[Provider] = []
        self._model = abilities.model

    def fresh(self) -> Provider:
        """One that has not been started."""
        self._made.append(self._make())
        return self._made[-1]

    async def started(self) -> Provider:
        """One that has been started."""
        provider = self.fresh()
        await self.start(provider)
        return provider

    async def start(self, provider: Provider) -> None:
        """Start one, and find out which model to ask."""
        await provider.start()
        if not self._model:
            self._model = (await provider.models())[0].name

    def request(
        self,
        *said: str | Message,
        system: str = "",
        principal: str = "ann",
        max_tokens: int | None = None,
        model: str | None = None,
        tools: Sequence[Tool] = (),
        parallel_tool_calls: bool = True,
    ) -> TurnRequest:
        """A turn whose texts are the user's and the assistant's in turn."""
        messages = tuple(
            each if isinstance(each, Message) else message(each, user=index % 2 == 0)
            for index, each in enumerate(said)
        )
        digests = transcript.digests(messages)
        prior = transcript.history_length(messages)
        return TurnRequest(
            turn_id=new_turn_id(),
            principal=principal,
            model=self._model if model is None else model,
            messages=messages,
            prior=prior,
            prior_digest=digests[prior - 1] if prior else transcript.EMPTY,
            digest=digests[-1],
            system=system,
            options=TurnOptions(max_tokens=max_tokens),
            tools=tuple(tools),
            parallel_tool_calls=parallel_tool_calls,
        )

    def say(self, *words: str) -> str:
        """What a user says so that these words are in the answer."""
        return self.abilities.prompt.format(" ".join(words))

    async def answer(self, provider: Provider, *said: str | Message, **how: object) -> Completion:
        """Run a turn to its end; the answer."""
        return await run(provider, self.request(*said, **how))  # type: ignore[arg-type]  # those of `request`

    async def aclose(self) -> None:
        """Close all of them."""
        for provider in self._made:
            # How they close has promises of its own: here it would be blamed on another one.
            with suppress(Exception):
                await within(provider.aclose(), "aclose")


Promises = PromiseList[Trial]


def message(text: str, *, user: bool = True) -> Message:
    """One message."""
    return Message("user" if user else "assistant", (TextPart(text),))


def new_words(count: int) -> list[str]:
    """Words that nobody has ever said."""
    return [f"w{secrets.token_hex(5)}" for _ in range(count)]


@asynccontextmanager
async def opened(provider: Provider, request: TurnRequest) -> AsyncIterator[ChunkStream]:
    """An open turn that is closed at the end."""
    stream = await provider.open_turn(request)
    try:
        yield stream
    finally:
        await within(stream.aclose(), "aclose of a stream")


async def run(provider: Provider, request: TurnRequest) -> Completion:
    """Run a turn to its end; the answer, which must be complete."""
    chunks: list[Chunk] = []
    async with opened(provider, request) as stream:
        async for batch in stream:
            chunks += batch
    return present(fold(chunks), "the answer: the stream has no FinishChunk")


async def begun(stream: ChunkStream) -> AsyncIterator[Sequence[Chunk]]:
    """Read the first batch of a slow answer; the iterator to read on with."""
    batches = aiter(stream)
    try:
        await within(anext(batches), "the beginning of the slow answer")
    except (StopAsyncIteration, HubError) as error:
        raise BrokenPromiseError("the slow answer ended before it began") from error
    return batches


async def within(call: Awaitable[T], what: str) -> T:
    """Await something that has to end in bounded time."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            return await call
    except TimeoutError as error:
        raise BrokenPromiseError(f"{what} did not end within {CLOSE_SECONDS:g} s") from error


async def eventually(condition: Callable[[], object], what: Callable[[], str] | str) -> None:
    """Wait for what has no event of its own, in bounded time."""
    until = asyncio.get_running_loop().time() + CLOSE_SECONDS
    while not condition():
        late = asyncio.get_running_loop().time() > until
        require(not late, what if isinstance(what, str) else what())
        await asyncio.sleep(0.01)


def has_words(text: str, words: Sequence[str], what: str) -> None:
    """The text must have these words in this order."""
    places = [text.find(word) for word in words]
    for word, place in zip(words, places, strict=True):
        require(place >= 0, f"{what}: {word} is missing in {short(text)}")
    require(places == sorted(places), f"{what}: the words are not in their order in {short(text)}")


def has_none(text: str, words: Sequence[str], what: str) -> None:
    """The text must have none of these words."""
    for word in words:
        require(word not in text, f"{what}: {word} does not belong in {short(text)}")


def short(text: str) -> str:
    """A text for an error message."""
    return repr(text if len(text) <= 300 else f"{text[:200]}…{text[-100:]}")
