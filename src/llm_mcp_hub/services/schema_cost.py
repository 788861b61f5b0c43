"""How much work a JSON Schema can make of a value: pure.

Guarantee: a schema that passes `work` with a bounded result is checked in bounded time, however its
references multiply. References that lead nowhere or out of the schema count as nothing.
"""

from collections.abc import Iterator
from typing import Any

DATA = frozenset({"const", "enum", "default", "examples"})
"""Keywords whose values are no schemas."""
INWARD = frozenset(
    {
        "properties",
        "patternProperties",
        "additionalProperties",
        "unevaluatedProperties",
        "propertyNames",
        "items",
        "prefixItems",
        "additionalItems",
        "unevaluatedItems",
        "contains",
    }
)
"""Keywords whose schemas are for what is inside of the value."""
NAMED = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)
"""Keywords whose values are schemas by names of the author's choice."""
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
STORES = frozenset({"$defs", "definitions"})


def references(schema: Any) -> list[str]:
    """All references in a schema."""
    return [name for _, name in _profile(schema)[1]]


def work(schema: Any, depth: int, limit: int) -> int:
    """How often a part of the schema is looked at, at most, for a value nested so deep.

    Counted for a value that has one thing in each level; `limit` ends the count.
    """
    profiles: dict[str, tuple[dict[int, int], list[tuple[int, str]]]] = {}
    known: dict[tuple[str, int], int] = {}

    def behind(reference: str, left: int) -> int:
        place = (reference, left)
        if place in known:
            return known[place]
        known[place] = 0  # a circle that leads to the same value adds nothing
        if reference not in profiles:
            profiles[reference] = _profile(target(schema, reference))
        parts, inner = profiles[reference]
        total = sum(count for inward, count in parts.items() if inward <= left)
        for inward, name in inner:
            if total >= limit:
                break
            if inward <= left:
                total += behind(name, left - inward)
        known[place] = min(total, limit)
        return known[place]

    try:
        return behind("#", depth)
    except RecursionError:
        return limit


def target(schema: Any, reference: str) -> Any:
    """What a reference within the schema points to (RFC 6901), None if to nothing."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    found = schema
    for step in reference[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def _profile(schema: Any) -> tuple[dict[int, int], list[tuple[int, str]]]:
    """How many parts a schema has for each level of the value, and its references with theirs."""
    counts: dict[int, int] = {}
    found: list[tuple[int, str]] = []
    waiting = [(0, schema)]
    while waiting:
        level, part = waiting.pop()
        counts[level] = counts.get(level, 0) + 1
        if not isinstance(part, dict):
            continue
        for key, value in part.items():
            if key in REFERENCES and isinstance(value, str):
                found.append((level, value))
            elif key not in STORES:
                waiting += ((level + (key in INWARD), each) for each in _schemas(key, value))
    return counts, found


def _schemas(key: str, value: Any) -> Iterator[Any]:
    if key in DATA:
        return
    if isinstance(value, dict):
        if key in NAMED:
            yield from value.values()
        else:
            yield value
    elif isinstance(value, list):
        yield from (each for each in value if isinstance(each, dict))
