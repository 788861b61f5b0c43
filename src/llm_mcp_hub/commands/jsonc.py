"""Changing single values in JSON that may have comments and trailing commas; pure.

Guarantee: `set_value` changes the value it is asked to change, and no other character of the text,
but white space in an object that was empty: comments, order, indentation and numbers stay as
somebody wrote them. A value that is there already is left as it is written.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from msgspec import Struct

_TRIVIA = re.compile(r"(?:[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)*", re.DOTALL)
_SAME_LINE = re.compile(r"(?:[ \t]+|//[^\r\n]*|/\*[^\r\n]*?\*/)*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"')
_SCALAR = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
DEFAULT_INDENT = "  "


class JsoncError(ValueError):
    """The text is not JSON, or not of the shape that is needed; says where."""


class Node(Struct, frozen=True):
    """A value and where it stands.

    Attributes:
        value: As `json.loads` gives it.
        start: Of its first character.
        end: After its last one.
        members: Of an object: where each key begins, and its value. Of equal keys the last counts.
        comma: Whether a comma follows the last member.
        twice: Keys that stand in an object more than once.
    """

    value: Any
    start: int
    end: int
    members: "dict[str, tuple[int, Node]]" = {}
    comma: bool = False
    twice: frozenset[str] = frozenset()


def parse(text: str) -> Node:
    """The one value in the text.

    Raises:
        JsoncError: There is none, or more than one.
    """
    try:
        node = _value(text, _skip(text, 0))
    except RecursionError:
        raise JsoncError("it is nested too deeply") from None
    end = _skip(text, node.end)
    if end != len(text):
        raise _error(text, end, "nothing more")
    return node


def set_value(text: str, path: Sequence[str], value: Any) -> str:
    """The text with the value at the path; objects on the way are made if there are none.

    Args:
        text: JSON whose outermost value is an object.
        path: Keys, from the outermost object inwards; at least one.
        value: Anything that JSON can say.

    Raises:
        JsoncError: The text is not JSON, or something on the way is not an object.
    """
    node = parse(text)
    unit = _unit(text, node)
    for depth, key in enumerate(path):
        if not isinstance(node.value, dict):
            raise JsoncError(f"{'.'.join(path[:depth]) or 'its outermost value'} is not an object")
        if key not in node.members:
            for missing in reversed(path[depth + 1 :]):
                value = {missing: value}
            return _insert(text, node, key, value, unit)
        node = node.members[key][1]
    if json.dumps(node.value) == json.dumps(value):
        return text
    return (
        text[: node.start]
        + _dump(text, value, _line_indent(text, node.start), unit)
        + text[node.end :]
    )


def _insert(text: str, node: Node, key: str, value: Any, unit: str) -> str:
    newline, outer = _newline(text), _line_indent(text, node.start)
    indent = _member_indent(text, node) or outer + unit
    name = json.dumps(key, ensure_ascii=False)
    member = f"{newline}{indent}{name}: {_dump(text, value, indent, unit)}"
    if not node.members:
        at = node.start + 1
        rest = text[at : node.end - 1]
        if not rest.strip(" \t"):
            rest = newline + outer
        return text[:at] + member + rest + text[node.end - 1 :]
    at = max(inner.end for _, inner in node.members.values())
    if node.comma:
        at = _skip(text, at) + 1
    behind = _SAME_LINE.match(text, at)
    # A comment on the last member's line stays with that member.
    to = behind.end() if behind is not None else at
    if "\n" not in text[to : node.end]:
        # The object ends on this line.
        to = at
        member += newline + outer
    return text[:at] + ("" if node.comma else ",") + text[at:to] + member + text[to:]


def _dump(text: str, value: Any, indent: str, unit: str) -> str:
    lines = json.dumps(value, indent=unit, ensure_ascii=False).split("\n")
    return f"{_newline(text)}{indent}".join(lines)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _unit(text: str, root: Node) -> str:
    """By how much the text indents."""
    return _member_indent(text, root) or DEFAULT_INDENT


def _member_indent(text: str, node: Node) -> str:
    """What stands before the first member that has a line of its own; empty if none has."""
    for start, _ in node.members.values():
        before = text[text.rfind("\n", 0, start) + 1 : start]
        if before and not before.strip(" \t") and "\n" in text[node.start : start]:
            return before
    return ""


def _line_indent(text: str, at: int) -> str:
    """The white space that the line of a character begins with."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _value(text: str, at: int) -> Node:
    opening = text[at : at + 1]
    if opening == "{":
        return _object(text, at)
    if opening == "[":
        return _array(text, at)
    match = _STRING.match(text, at) or _SCALAR.match(text, at)
    if match is None:
        raise _error(text, at, "a value")
    return Node(json.loads(match.group()), at, match.end())


def _object(text: str, start: int) -> Node:
    members: dict[str, tuple[int, Node]] = {}
    twice = set()
    at, comma = _skip(text, start + 1), True
    while text[at : at + 1] != "}":
        if not comma:
            raise _error(text, at, "`,` or `}`")
        key = _STRING.match(text, at)
        if key is None:
            raise _error(text, at, "a key in double quotes")
        colon = _skip(text, key.end())
        if text[colon : colon + 1] != ":":
            raise _error(text, colon, "`:`")
        node = _value(text, _skip(text, colon + 1))
        name = json.loads(key.group())
        if name in members:
            twice.add(name)
        members[name] = (at, node)
        at, comma = _after(text, node.end)
    value = {key: node.value for key, (_, node) in members.items()}
    return Node(value, start, at + 1, members, comma and bool(members), frozenset(twice))


def _array(text: str, start: int) -> Node:
    values = []
    at, comma = _skip(text, start + 1), True
    while text[at : at + 1] != "]":
        if not comma:
            raise _error(text, at, "`,` or `]`")
        node = _value(text, at)
        values.append(node.value)
        at, comma = _after(text, node.end)
    return Node(values, start, at + 1)


def _after(text: str, end: int) -> tuple[int, bool]:
    """Where the next member begins, or the bracket; and whether a comma came before it."""
    at = _skip(text, end)
    if text[at : at + 1] == ",":
        return _skip(text, at + 1), True
    return at, False


def _skip(text: str, at: int) -> int:
    match = _TRIVIA.match(text, at)
    return match.end() if match is not None else at


def _error(text: str, at: int, expected: str) -> JsoncError:
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    return JsoncError(f"line {line}, column {column}: expected {expected}")
