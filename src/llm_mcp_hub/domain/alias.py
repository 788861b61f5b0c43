"""Names that stand for models: aliases, and chains that are asked one after the other; pure.

A chain is written with commas, as in `claude/sonnet,gemini/auto`, or in the configuration as a
list. Its members may be aliases.
"""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

DEFAULT_MODEL = "default"
"""The alias of the model that is meant by a caller who names none."""
MAX_MEMBERS = 8
"""More models than this are not asked one after the other."""

Aliases = Mapping[str, str | Sequence[str]]


class Member(Struct, frozen=True):
    """One model of a chain.

    Attributes:
        model_id: What it is called; no alias.
        configured: Whether it comes from an alias, and not from the caller.
    """

    model_id: str
    configured: bool


def members(model_id: str, aliases: Aliases) -> tuple[Member, ...]:
    """The models that a name stands for, in order, each once; without any for a name of nothing."""
    found: dict[str, Member] = {}
    for member in _members(model_id, aliases, ()):
        found.setdefault(member.model_id, member)
    return tuple(found.values())


def problem(aliases: Aliases) -> tuple[str, str] | None:
    """The alias that makes no sense, and why; None if all do."""
    for alias, value in aliases.items():
        if not alias.strip() or "," in alias:
            return alias, "an alias can't be empty or have a comma in it"
        if not _names(value):
            return alias, "must name a model, or several"
        if _leads_to(alias, alias, aliases, set()):
            return alias, "stands for itself"
        if len(members(alias, aliases)) > MAX_MEMBERS:
            return alias, f"stands for more than {MAX_MEMBERS} models"
    return None


def _members(model_id: str, aliases: Aliases, through: tuple[str, ...]) -> Iterator[Member]:
    for name in _names(model_id):
        if name not in aliases:
            yield Member(name, bool(through))
        elif name not in through:
            for one in _names(aliases[name]):
                yield from _members(one, aliases, (*through, name))


def _names(value: str | Sequence[str]) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


def _leads_to(name: str, wanted: str, aliases: Aliases, seen: set[str]) -> bool:
    for one in _names(aliases.get(name, "")):
        if one == wanted:
            return True
        if one not in seen:
            seen.add(one)
            if _leads_to(one, wanted, aliases, seen):
                return True
    return False
