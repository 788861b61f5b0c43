"""From Anthropic's messages and their blocks to the hub's; pure.

Guarantee: a conversation has the same digest whether it is told here or in OpenAI's dialect, so it
can go on in either. For that, each result of a tool is a message of its own, and stands before
what the user says beside it.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from llm_mcp_hub.api.anthropic.schemas import (
    Base64Source,
    ContentBlock,
    DocumentBlock,
    ImageBlock,
    InputMessage,
    RedactedThinkingBlock,
    TextBlock,
    TextSource,
    ThinkingBlock,
    ToolReferenceBlock,
    ToolResultBlock,
    ToolUseBlock,
    UrlSource,
)
from llm_mcp_hub.api.documents import PDF, pdf
from llm_mcp_hub.domain.chat import (
    ImagePart,
    Message,
    Part,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llm_mcp_hub.domain.linked_image import linked_image
from llm_mcp_hub.errors import InvalidRequest, UnsupportedParameter
from llm_mcp_hub.services.images import inline_image

IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")


class Conversation(Struct, frozen=True):
    """What the messages of a request say.

    Attributes:
        instructions: Texts of messages with the role `system`.
        thinking_dropped: There was reasoning of earlier answers among them.
    """

    messages: tuple[Message, ...]
    instructions: tuple[str, ...]
    thinking_dropped: bool


def conversation(messages: Sequence[InputMessage]) -> Conversation:
    """Convert the messages of a request.

    Raises:
        InvalidRequest: A block stands where it makes no sense, or makes none; `param` names it.
        UnsupportedParameter: A block that the models here can't be given; `param` names it.
    """
    converted: list[Message] = []
    instructions: list[str] = []
    thinking_dropped = False
    for index, message in enumerate(messages):
        where = f"messages[{index}].content"
        content = message.content
        blocks = [TextBlock(content)] if isinstance(content, str) else content
        spoken = [b for b in blocks if not isinstance(b, ThinkingBlock | RedactedThinkingBlock)]
        thinking_dropped = thinking_dropped or len(spoken) < len(blocks)
        if message.role == "user":
            converted += _user(blocks, where)
        elif message.role == "assistant":
            converted.append(_assistant(blocks, where))
        else:
            instructions.append(_instructions(blocks, where))
    return Conversation(tuple(converted), tuple(instructions), thinking_dropped)


def _user(blocks: Sequence[ContentBlock], where: str) -> list[Message]:
    results: list[Message] = []
    said: list[Part] = []
    for index, block in enumerate(blocks):
        at = f"{where}[{index}]"
        if isinstance(block, ToolResultBlock):
            results.append(Message("tool", (_result(block, at),)))
        elif isinstance(block, ToolUseBlock):
            raise InvalidRequest(f"{at}: only the assistant can have a `tool_use`.", param=at)
        else:
            said += _said(block, at)
    if not results and not said:
        raise InvalidRequest(f"{where}: a user message needs content.", param=where)
    return [*results, Message("user", tuple(said))] if said else results


def _assistant(blocks: Sequence[ContentBlock], where: str) -> Message:
    parts: list[Part] = []
    for index, block in enumerate(blocks):
        at = f"{where}[{index}]"
        if isinstance(block, ToolUseBlock):
            arguments = msgspec.json.encode(block.input).decode()
            parts.append(ToolCallPart(block.id, block.name, arguments))
        elif isinstance(block, ToolResultBlock | ImageBlock | DocumentBlock):
            kind = block.__struct_config__.tag
            raise InvalidRequest(f"{at}: only the user can send a `{kind}`.", param=at)
        else:
            parts += _said(block, at)
    return Message("assistant", tuple(parts))


def _instructions(blocks: Sequence[ContentBlock], where: str) -> str:
    texts: list[str] = []
    for index, block in enumerate(blocks):
        if not isinstance(block, TextBlock):
            at = f"{where}[{index}]"
            raise UnsupportedParameter(f"{at}: instructions can only be text.", param=at)
        texts.append(block.text)
    return "\n\n".join(texts)


def _result(block: ToolResultBlock, where: str) -> ToolResultPart:
    texts: list[str] = []
    images: list[ImagePart] = []
    content = block.content or ()
    inside = (TextBlock(content),) if isinstance(content, str) else content
    for index, inner in enumerate(inside):
        for part in _said(inner, f"{where}.content[{index}]"):
            if isinstance(part, ImagePart):
                images.append(part)
            elif isinstance(part, TextPart):
                texts.append(part.text)
            else:
                at = f"{where}.content[{index}]"
                raise UnsupportedParameter(f"{at}: a result is text and images.", param=at)
    return ToolResultPart(
        block.tool_use_id, "\n".join(texts), tuple(images), is_error=bool(block.is_error)
    )


def _said(block: ContentBlock | ToolReferenceBlock, where: str) -> tuple[Part, ...]:
    """What a block says, as parts: one, or none if it says nothing that counts."""
    if isinstance(block, TextBlock):
        return (TextPart(block.text),) if block.text else ()
    if isinstance(block, ThinkingBlock | RedactedThinkingBlock):
        return ()
    if isinstance(block, ImageBlock):
        return (_image(block, where),)
    if isinstance(block, DocumentBlock):
        return _document(block, where)
    raise UnsupportedParameter(
        f"{where}: a block of the type `{block.__struct_config__.tag}` belongs to services of "
        "Anthropic's own and can't be given to the models here. Leave it out, or send what it "
        "says as text.",
        param=where,
    )


def _image(block: ImageBlock, where: str) -> ImagePart:
    source = block.source
    if isinstance(source, UrlSource):
        return linked_image(source.url, f"{where}.source.url")
    if not isinstance(source, Base64Source):
        raise UnsupportedParameter(
            f"{where}.source: send the image itself: `type` `base64`, `media_type` and `data`. "
            "The hub has no files.",
            param=f"{where}.source",
        )
    if source.media_type not in IMAGE_TYPES:
        raise InvalidRequest(
            f"{where}.source.media_type is one of {', '.join(IMAGE_TYPES)}.",
            param=f"{where}.source.media_type",
        )
    return inline_image(source.data, f"{where}.source.data")


def _document(block: DocumentBlock, where: str) -> tuple[Part, ...]:
    source = block.source
    if isinstance(source, Base64Source) and source.media_type == PDF:
        context = (TextPart(block.context),) if block.context else ()
        return (pdf(source.data, block.title or "", f"{where}.source.data"), *context)
    if not isinstance(source, TextSource):
        raise UnsupportedParameter(
            f"{where}: of documents only plain text and PDF can be sent: `source` with the `type` "
            "`text`, or `base64` with `application/pdf`.",
            param=where,
        )
    head = (text for text in (block.title, block.context) if text)
    return (TextPart("\n\n".join((*head, source.data))),)
