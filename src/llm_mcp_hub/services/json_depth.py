"""How deep a JSON value is nested, and how much is in it: pure, and without recursion."""

from typing import Any


def depth_of(value: Any) -> tuple[int, int]:
    """The levels of lists and objects in a JSON value, and how many values are in it."""
    levels, things = 0, 1
    inside = [value] if isinstance(value, dict | list) else []
    while inside:
        levels += 1
        below = [
            each for one in inside for each in (one.values() if isinstance(one, dict) else one)
        ]
        things += len(below)
        inside = [each for each in below if isinstance(each, dict | list)]
    return levels, things
