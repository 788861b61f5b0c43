"""From the items of a request to messages of the hub's; pure.

Guarantee: what the hub can't show to the model is refused by its name. What the model said in one
answer is one message, in however many items it comes back.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from llm_mcp_hub.api.documents import pdf_of_url
from llm_mcp_hub.api.openai.convert import image_part
from llm_mcp_hub.api.responses.schemas import (
    FilePart,
    FunctionCallItem,
    FunctionCallOutputItem,
    ImagePart,
    InputContent,
    InputItem,
    InputPart,
    MessageItem,
    ReasoningItem,
    ReferenceItem,
)
from llm_mcp_hub.domain import chat
from llm_mcp_hub.domain.chat import Message, Part, ToolCallPart, ToolResultPart
from llm_mcp_hub.errors import InvalidRequest, UnsupportedParameter

T = TypeVar("T")

ITEMS = ("message", "function_call", "function_call_output", "reasoning", "item_reference")
PARTS = ("input_text", "output_text", "refusal", "input_image", "input_file")


class Said(Struct, frozen=True):
    """What the items of a request say.

    Attributes:
        system: What system and developer messages among them say.
        has_reasoning: Whether there was reasoning among them, which goes no further.
    """

    messages: tuple[Message, ...]
    system: tuple[str, ...]
    has_reasoning: bool


def parsed_items(items: str | Sequence[dict[str, Any]], where: str) -> tuple[InputItem, ...]:
    """The items of a request.

    Args:
        items: As they were sent; a text is one message of the user's.
        where: The field they were sent in.

    Raises:
        InvalidRequest: One of them makes no sense.
        UnsupportedParameter: One of them is nothing the hub has.
    """
    if isinstance(items, str):
        return (MessageItem("user", items),)
    return tuple(_item(item, f"{where}[{index}]") for index, item in enumerate(items))


def references(items: Sequence[InputItem]) -> tuple[str, ...]:
    """The ids of the items that are referred to."""
    return tuple(item.id for item in items if isinstance(item, ReferenceItem))


def said(
    items: Sequence[InputItem], kept: Mapping[str, InputItem | None], where: str = "input"
) -> Said:
    """The messages that items amount to.

    Args:
        items: The items.
        kept: The items that are referred to, by id; None for one that goes no further.
        where: The field they were sent in.
    """
    messages: list[Message] = []
    system: list[str] = []
    answer: list[Part] = []
    has_reasoning = False

    def end_answer() -> None:
        if answer:
            messages.append(Message("assistant", tuple(answer)))
            answer.clear()

    for place, item in _followed(items, kept, where):
        if isinstance(item, FunctionCallItem):
            answer.append(ToolCallPart(item.call_id, item.name, item.arguments or "{}"))
        elif isinstance(item, FunctionCallOutputItem):
            end_answer()
            messages.append(Message("tool", (_result(item, f"{place}.output"),)))
        elif isinstance(item, MessageItem):
            at = f"{place}.content"
            parts = (_user_parts if item.role == "user" else _parts)(item.content, at)
            if item.role == "assistant":
                answer += parts
            elif item.role == "user":
                end_answer()
                if not parts:
                    raise InvalidRequest(f"{place}: a user message needs content.", param=place)
                messages.append(Message("user", parts))
            else:
                system.append(_text(parts, place))
        else:
            has_reasoning = True
    end_answer()
    return Said(tuple(messages), tuple(text for text in system if text), has_reasoning)


def converted(value: Any, kind: type[T] | Any, where: str) -> T:
    """A part of a request by its schema.

    Raises:
        InvalidRequest: It does not fit.
    """
    try:
        result: T = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        place = where + path.removesuffix("`")
        raise InvalidRequest(f"{place}: {text}.", param=place) from None
    return result


def _followed(
    items: Sequence[InputItem], kept: Mapping[str, InputItem | None], where: str
) -> Iterator[tuple[str, InputItem]]:
    for index, item in enumerate(items):
        place = f"{where}[{index}]"
        if not isinstance(item, ReferenceItem):
            yield place, item
            continue
        if item.id not in kept:
            raise InvalidRequest(
                f"{place}: there is no item {item.id!r}. Items are kept as long as the answer "
                "they are of, and only if that was made with `store`: send the item itself.",
                param=f"{place}.id",
            )
        yield place, kept[item.id] or ReasoningItem()


def _item(item: dict[str, Any], where: str) -> InputItem:
    kind = item.get("type")
    if kind is None:  # clients leave it out where it can be but one
        kind = "message" if "role" in item else "item_reference"
    if kind not in ITEMS:
        raise UnsupportedParameter(
            f"{where}: items of the type {str(kind)!r} are not supported; the hub has "
            f"{', '.join(ITEMS)}.",
            param=f"{where}.type",
        )
    parsed: InputItem = converted({**item, "type": kind}, InputItem, where)
    return parsed


def _result(item: FunctionCallOutputItem, where: str) -> ToolResultPart:
    parts = _parts(item.output, where)
    images = tuple(part for part in parts if isinstance(part, chat.ImagePart))
    return ToolResultPart(item.call_id, Message("tool", parts).text, images)


def _parts(content: InputContent, where: str) -> tuple[Part, ...]:
    """The parts of what only a user may put a file into."""
    parts = _user_parts(content, where)
    for index, part in enumerate(parts):
        if isinstance(part, chat.FilePart):
            at = f"{where}[{index}]"
            raise UnsupportedParameter(f"{at}: only the user can send a file.", param=at)
    return parts


def _user_parts(content: InputContent, where: str) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (chat.TextPart(content),) if content else ()
    return tuple(_part(part, f"{where}[{index}]") for index, part in enumerate(content))


def _part(part: dict[str, Any], where: str) -> Part:
    if part.get("type") not in PARTS:
        raise UnsupportedParameter(
            f"{where}: content of the type {str(part.get('type'))!r} is not supported; the hub has "
            f"{', '.join(PARTS)}.",
            param=f"{where}.type",
        )
    parsed: InputPart = converted(part, InputPart, where)
    if isinstance(parsed, ImagePart):
        if parsed.image_url is None:
            raise UnsupportedParameter(
                f"{where}: the hub keeps no files; send the image itself in `image_url`.",
                param=f"{where}.file_id" if parsed.file_id is not None else where,
            )
        return image_part(parsed.image_url, f"{where}.image_url")
    if isinstance(parsed, FilePart):
        at = next((name for name in ("file_id", "file_url") if getattr(parsed, name)), "file_data")
        return pdf_of_url(parsed.file_data or "", parsed.filename or "", f"{where}.{at}")
    return chat.TextPart(getattr(parsed, "refusal", "") or getattr(parsed, "text", ""))


def _text(parts: Sequence[Part], where: str) -> str:
    if any(not isinstance(part, chat.TextPart) for part in parts):
        raise UnsupportedParameter(f"{where}: only text can stand here.", param=where)
    return "".join(part.text for part in parts if isinstance(part, chat.TextPart))
