"""The form that a caller wants an answer in."""

from typing import Any, Literal

from msgspec import Struct


class ResponseFormat(Struct, frozen=True):
    """See the module.

    Attributes:
        kind: `json_object` is any JSON object, `json_schema` one that fits `schema`.
        name: The caller's name for the schema.
        schema: A JSON Schema; None unless `kind` is `json_schema`.
        strict: The caller relies on an answer that fits the schema exactly.
    """

    kind: Literal["text", "json_object", "json_schema"] = "text"
    name: str = ""
    description: str = ""
    schema: dict[str, Any] | None = None
    strict: bool = False


TEXT = ResponseFormat()
"""No form at all."""
