"""JSON Schemas of our structs, as MCP's clients take them.

Guarantee: a schema stands for itself: every reference is replaced by what it refers to, because
some clients hand schemas to models that can't follow one.
"""

from typing import Any

import msgspec

_PREFIX = "#/$defs/"


def json_schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The schema of a struct: an object, without `$ref` and `$defs`."""
    (root,), components = msgspec.json.schema_components((kind,), ref_template=f"{_PREFIX}{{name}}")
    for component in components.values():
        # The name and the docstring of a class are written for readers of the code.
        component.pop("title", None)
        component.pop("description", None)
    schema: dict[str, Any] = _inlined(root, components)
    return schema


def _inlined(node: Any, components: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(one, components) for one in node]
    if not isinstance(node, dict):
        return node
    inner = {key: _inlined(one, components) for key, one in node.items() if key != "$ref"}
    if "type" not in inner and _of_strings(node.get("enum")):
        inner = {"type": "string", **inner}  # said by msgspec only implicitly; some ask for it
    reference = node.get("$ref")
    # A property may be called `$ref`, too; its value is a schema then.
    if isinstance(reference, str):
        return _inlined(components[reference.removeprefix(_PREFIX)], components) | inner
    return inner if reference is None else inner | {"$ref": _inlined(reference, components)}


def _of_strings(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(one, str) for one in values)
