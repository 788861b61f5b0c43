r"""What is said to an agent, as content blocks; pure.

Guarantees: no text begins in a way that the agent would take for a command of its own; a system
prompt comes before all else, marked as one; a history that can't be given natively is written out
with a role before each message, as data and not as an order.

An agent that looks for commands does so at the beginning of a prompt, past white space. So a text
that begins like one gets a zero-width space before it, which none counts as white space (`\u200b`
is no white space in ECMAScript, Rust or Python) and no model minds.
"""

import re
from collections.abc import Sequence

from llm_mcp_hub.domain.chat import FilePart, ImagePart, Message, Part, TextPart, ToolCallPart

Block = dict[str, object]

SHIELD = "\u200b"
_LOOKS_LIKE_A_COMMAND = re.compile(r"[\s\ufeff]*([/$!?@]|<(session|hook)_context>)")

SYSTEM = "<system_instructions>\n{}\n</system_instructions>"
HISTORY = (
    "<conversation_so_far>\nThe conversation so far, for you to go on from. Do not answer it "
    "again.\n{}\n</conversation_so_far>"
)


GO_ON = "Go on."
"""Said where the results of calls are the last there is, and the agent that made the calls is gone:
no prompt can be empty."""


def shielded(text: str) -> str:
    """The text, made so that it is taken for what it is."""
    return SHIELD + text if _LOOKS_LIKE_A_COMMAND.match(text) else text


def says_something(message: Message) -> bool:
    """Whether any block is left of a message once empty texts are gone."""
    return any(block_of(part) is not None for part in message.parts)


def blocks_of(messages: Sequence[Message]) -> list[Block]:
    """The parts of messages, in order; the first text is shielded."""
    blocks = [b for m in messages for part in m.parts if (b := block_of(part)) is not None]
    first = next((block for block in blocks if block["type"] == "text"), None)
    if first is not None:
        first["text"] = shielded(str(first["text"]))
    return blocks


def opening(system: str, history: Sequence[Message]) -> list[Block]:
    """What goes before the first words of a conversation that the agent does not know."""
    blocks: list[Block] = []
    if system:
        blocks.append({"type": "text", "text": SYSTEM.format(system)})
    if history:
        blocks.append({"type": "text", "text": HISTORY.format(_written_out(history))})
        images = [part for m in history for part in m.parts if isinstance(part, ImagePart)]
        blocks += [block for image in images if (block := block_of(image)) is not None]
    return blocks


def block_of(part: Part) -> Block | None:
    """A part as a block of a prompt; None if nothing is said."""
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text} if part.text.strip() else None
    if isinstance(part, ImagePart):
        return {"type": "image", "mimeType": part.media_type, "data": part.data}
    return {"type": "text", "text": words_of(part)}


def words_of(part: Part) -> str:
    """A part as text, for where there is nothing but text."""
    if isinstance(part, TextPart):
        return part.text
    if isinstance(part, ImagePart):
        return "[image]"
    if isinstance(part, FilePart):
        return f"[file {part.name}]"
    if isinstance(part, ToolCallPart):
        return f"[called the tool {part.name} with {part.arguments}]"
    return f"[the tool answered: {part.text}]"


def _written_out(history: Sequence[Message]) -> str:
    return "\n".join(
        f"<{message.role}>\n{text}\n</{message.role}>"
        for message in history
        if (text := "\n".join(words_of(part) for part in message.parts).strip())
    )
