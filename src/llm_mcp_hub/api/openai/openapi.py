"""Chat completions in the OpenAPI document: their schemas are the structs that are decoded with."""

from typing import Any

from litestar import Litestar

from llm_mcp_hub.api.openai.chat import PATH
from llm_mcp_hub.api.openai.schemas import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
)
from llm_mcp_hub.api.openapi import extend_document, schemas_of, turn_operation


def document_chat(app: Litestar, base: str) -> None:
    """Add the route below `base` to the application's OpenAPI document, if it has one."""
    operation = turn_operation(
        "CreateChatCompletion",
        "Answer a conversation",
        request=ChatCompletionRequest.__name__,
        whole=ChatCompletion.__name__,
        event=ChatCompletionChunk.__name__,
    )
    extend_document(app, schemas(), {("post", f"{base}{PATH}"): operation})


def schemas() -> dict[str, Any]:
    """The dialect's schemas, by name."""
    return schemas_of(ChatCompletionRequest, ChatCompletion, ChatCompletionChunk)
