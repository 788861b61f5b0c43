"""The JSON Schema of a tool's arguments, as an MCP client takes it; pure.

Guarantee: one tool with an unusual schema does not cost a conversation all its tools. The MCP SDKs
refuse a whole list if in one schema `type` is not `object`, a property is no object, or `required`
is no list of strings (TypeScript SDK as in the Gemini CLI 0.61.0).
"""

from collections.abc import Mapping
from typing import Any


def input_schema(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The schema, with the same meaning wherever it has one for an object."""
    schema = {**parameters, "type": "object"}
    properties = schema.get("properties")
    if isinstance(properties, Mapping):
        schema["properties"] = {name: _schema(value) for name, value in properties.items()}
    else:
        schema["properties"] = {}
    required = schema.pop("required", None)
    if isinstance(required, list):
        schema["required"] = [name for name in required if isinstance(name, str)]
    return schema


def _schema(value: object) -> object:
    """`true` and `false` are schemas too: of everything, and of nothing."""
    if isinstance(value, Mapping):
        return value
    return {"not": {}} if value is False else {}
