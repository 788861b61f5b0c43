"""A talk at the terminal.

Guarantees: Ctrl-C during an answer ends that answer and not the talk; the talk keeps its session,
and says under which id it can be gone on with. The hub runs in a thread of its own, so that it
lives on while the person thinks.
"""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, TypeVar

from rich.text import Text

from llm_mcp_hub.commands.conversation import CUT, Writer, say
from llm_mcp_hub.commands.embedded import open_hub
from llm_mcp_hub.commands.model import choose_model, provider_of
from llm_mcp_hub.commands.output import console, note, progress
from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.domain.chat import Message, TextPart
from llm_mcp_hub.domain.ids import new_session_id
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.command import ChatCommand

T = TypeVar("T")
CANCEL_SECONDS = 15.0


class LoopThread:
    """An event loop in a thread; the methods are for any other thread."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), name="hub")
        self._thread.start()
        self._ready.wait()

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        self._ready.set()
        await self._over.wait()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it and wait. Ctrl-C cancels it and waits for it to end."""
        ended = threading.Event()

        async def tracked() -> T:
            try:
                return await work
            finally:
                ended.set()

        future = asyncio.run_coroutine_threadsafe(tracked(), self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            ended.wait(CANCEL_SECONDS)
            raise

    def close(self) -> None:
        """End the loop and its thread."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()


def talk(
    config: HubConfig,
    model: str | None,
    system: str | None,
    session_id: str | None,
    *,
    reasoning: bool,
) -> None:
    """Talk until Ctrl-D.

    Raises:
        HubError: The talk can't begin. What goes wrong later is told and ends only the answer.
    """
    loop = LoopThread()
    opened: AbstractAsyncContextManager[Hub] = open_hub(config, provider_of(config, model))
    try:
        hub = loop.run(opened.__aenter__())
        try:
            with progress("Starting…"):
                chosen = loop.run(choose_model(hub, model))
            _talk(loop, hub, chosen, system, session_id or new_session_id(), reasoning)
        finally:
            loop.run(opened.__aexit__(None, None, None))
    finally:
        loop.close()


def _talk(
    loop: LoopThread,
    hub: Hub,
    model: str,
    system: str | None,
    session_id: str,
    reasoning: bool,
) -> None:
    out = console(stderr=True)
    out.print(Text(f"{model}; Ctrl-C interrupts an answer, Ctrl-D ends.", style="dim"))
    said = False
    while (text := _read()) is not None:
        if not text.strip():
            continue
        command = ChatCommand(model, (Message("user", (TextPart(text),)),), system)
        turn = say(hub, _in_session(command, session_id), Writer(reasoning=reasoning))
        try:
            finish = loop.run(turn)
        except (KeyboardInterrupt, CancelledError):
            out.print(Text("[interrupted]", style="dim"))
        except HubError as error:
            note(f"Error: {error.message}")
        else:
            said = True
            if finish in CUT:
                note(CUT[finish])
    if said:
        out.print(Text(f"Go on with: --session {session_id}", style="dim"))


def _in_session(command: ChatCommand, session_id: str) -> ChatCommand:
    return ChatCommand(command.model, command.messages, command.system, session_id=session_id)


def _read() -> str | None:
    """A line, "" after Ctrl-C, None at the end."""
    with suppress(ImportError):
        import readline  # noqa: F401, PLC0415  # makes the line editable
    try:
        return input("> ")
    except KeyboardInterrupt:
        note("")
        return ""
    except EOFError:
        note("")
        return None
