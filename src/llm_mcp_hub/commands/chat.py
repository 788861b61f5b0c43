"""`llm-mcp-hub chat`: a hub without a server, for one question or a talk at the terminal."""

import asyncio
import io
import re
import sys

import click

from llm_mcp_hub.commands.conversation import CUT, Writer, say
from llm_mcp_hub.commands.embedded import open_hub
from llm_mcp_hub.commands.model import choose_model, provider_of
from llm_mcp_hub.commands.options import Place, hub_options
from llm_mcp_hub.commands.output import note, progress
from llm_mcp_hub.commands.talk import talk
from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.domain.chat import Message, TextPart
from llm_mcp_hub.domain.chunk import FinishReason
from llm_mcp_hub.services.command import ChatCommand

_SURROGATES = re.compile(r"[\ud800-\udfff]")
"""What Python makes of arguments that are not text; no provider could be sent it."""


@click.command("chat")
@click.argument("model", required=False)
@click.argument("prompt", required=False)
@click.option("--system", metavar="TEXT", help="System prompt.")
@click.option("--session", "session_id", metavar="ID", help="Remember the talk under this id.")
@click.option("--reasoning", is_flag=True, help="Also show the model's reasoning.")
@click.option("--demo", is_flag=True, help="Turn the echo provider on and, by default, use it.")
@hub_options
def command(
    place: Place,
    model: str | None,
    prompt: str | None,
    system: str | None,
    session_id: str | None,
    reasoning: bool,
    demo: bool,
) -> None:
    """Talk to MODEL, by default the alias `default` or the first model of the first provider ready.

    PROMPT is read from standard input if it is `-`, or missing where there is no terminal. On a
    terminal without PROMPT a talk begins: Ctrl-C interrupts an answer, Ctrl-D ends the talk. A
    single argument with a space in it is a PROMPT.
    """
    if model is not None and prompt is None and any(map(str.isspace, model)):
        model, prompt = None, model
    config = place.read({"demo": demo or None})
    if demo and model is None:
        model = "echo/echo"
    if prompt == "-" or (prompt is None and not sys.stdin.isatty()):
        prompt = _piped().removesuffix("\n")
    system = None if system is None else _text(system)
    if prompt is None:
        talk(config, model, system, session_id, reasoning=reasoning)
        return
    if not prompt.strip():
        raise click.UsageError("There is nothing to say: PROMPT is empty.")
    finish = asyncio.run(_once(config, model, _text(prompt), system, session_id, reasoning))
    if finish in CUT:
        note(CUT[finish])


def _piped() -> str:
    """All of standard input. What programs write is UTF-8, whatever the locale."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace", newline=None)
    return sys.stdin.read()


def _text(argument: str) -> str:
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", argument)


async def _once(
    config: HubConfig,
    model: str | None,
    prompt: str,
    system: str | None,
    session_id: str | None,
    reasoning: bool,
) -> FinishReason | None:
    async with open_hub(config, provider_of(config, model)) as hub:
        with progress("Starting…"):
            chosen = await choose_model(hub, model)
        turn = ChatCommand(
            model=chosen,
            messages=(Message("user", (TextPart(prompt),)),),
            system=system,
            session_id=session_id,
            remember=session_id is not None,
        )
        return await say(hub, turn, Writer(reasoning=reasoning))
