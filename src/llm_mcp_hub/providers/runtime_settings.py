"""Which settings of a provider may be given at run time, and what values they may have.

Guarantee: whatever a plugin declares, nothing gets through that decides what is run, with which
arguments and variables, or where it leads to. A declaration that could is refused when it is made,
so that its plugin does not load. A path leads to a login of the hub's own user and to nothing else.

The kinds of value there are: numbers, booleans, choices, names (of models, say), lists and tables
of them, and the two kinds of path of `login_places`.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, inspect

from llm_mcp_hub.config import convert_settings
from llm_mcp_hub.errors import ConfigError, InvalidRequest
from llm_mcp_hub.providers.login_places import LoginPlace

NEVER = frozenset(
    {
        *("executable", "program", "script", "shell", "command", "cmd"),
        *("arg", "args", "argument", "arguments", "argv"),
        *("environment", "env", "variable", "variables", "home", "cwd", "working"),
        *("url", "uri", "base", "endpoint", "gateway", "host", "server", "proxy"),
        *("key", "token", "secret", "password", "header", "headers"),
    }
)
"""Words that no name of a setting may have in it that can be given at run time."""
PLACES = frozenset({"dir", "directory", "file", "folder", "path"})
"""Words that only the name of a `LoginPlace` may have."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/+\[\]-]{0,127}")
"""What a text may be: no path from the root or the home, no option, no sentence."""

_PLAIN = (inspect.BoolType, inspect.IntType, inspect.FloatType, inspect.NoneType)
_SEVERAL = (inspect.ListType, inspect.VarTupleType, inspect.SetType, inspect.FrozenSetType)


def check_declaration(runtime: type[Struct], settings: type[Struct]) -> None:
    """Refuse a declaration that could let something through.

    Args:
        runtime: The struct of what may be given at run time.
        settings: The struct of all settings.

    Raises:
        TypeError: It could; the message says which field, and why.
    """
    missing = set(runtime.__struct_fields__) - set(settings.__struct_fields__)
    if missing:
        raise TypeError(
            f"{runtime.__name__}: {', '.join(sorted(missing))} is no setting of {settings.__name__}"
        )
    _check(inspect.type_info(runtime), runtime.__name__)


def read_runtime_settings(
    table: Mapping[str, Any],
    runtime: type[Struct] | None,
    settings: type[Struct],
    data_dir: Path,
) -> dict[str, Any]:
    """The settings of a request as plain values; of paths, where they lead. Looks at files.

    Args:
        table: What was asked for.
        runtime: What may be given; None for nothing.
        settings: All settings, to say why one may not be given.
        data_dir: The directory of all providers.

    Raises:
        InvalidRequest: Something may not be given, or not so.
    """
    allowed = runtime.__struct_fields__ if runtime is not None else ()
    for name in table:
        if name not in allowed:
            raise _refused(name, allowed, settings.__struct_fields__)
    if runtime is None:
        return {}
    try:
        values = msgspec.to_builtins(convert_settings(table, runtime, "settings"))
    except ConfigError as error:
        raise InvalidRequest(error.message, param=error.param) from None
    given = _given(values, table)
    info = inspect.type_info(runtime)
    return {
        name: _value(value, _field(info, name), name, data_dir) for name, value in given.items()
    }


def _check(kind: inspect.Type, where: str) -> None:
    if isinstance(kind, inspect.Metadata):
        if not isinstance(_place(kind), LoginPlace):
            _check(kind.type, where)
    elif isinstance(kind, inspect.StructType):
        if not kind.forbid_unknown_fields:
            raise TypeError(f"{where}: {kind.cls.__name__} must have forbid_unknown_fields")
        for field in kind.fields:
            _check_name(field, f"{where}.{field.name}")
            _check(field.type, f"{where}.{field.name}")
    elif isinstance(kind, _SEVERAL):
        _check(kind.item_type, where)
    elif isinstance(kind, inspect.DictType):
        if not isinstance(_bare(kind.key_type), inspect.StrType):
            raise TypeError(f"{where}: the keys of a table are texts")
        _check(kind.value_type, where)
    elif isinstance(kind, inspect.UnionType):
        for each in kind.types:
            _check(each, where)
    elif not isinstance(kind, (*_PLAIN, inspect.StrType, inspect.LiteralType, inspect.EnumType)):
        raise TypeError(f"{where}: {type(kind).__name__} can't be a setting at run time")


def _check_name(field: inspect.Field, where: str) -> None:
    words = set(field.name.lower().split("_")) | set(field.encode_name.lower().split("_"))
    is_place = _place(field.type) is not None
    never = words & (NEVER - {"token"} if is_place else NEVER | PLACES)
    if never:
        raise TypeError(
            f"{where}: what has {min(never)!r} in its name is set in the configuration file "
            "only" + ("" if is_place else ", or is a path: see `login_places`")
        )


def _value(value: Any, kind: inspect.Type, where: str, data_dir: Path) -> Any:
    """The value, checked; of a path, where it leads."""
    place = _place(kind)
    if place is not None:
        return place.resolve(value, where, data_dir) if value else value
    kind = _bare(kind)
    if isinstance(value, str):
        if isinstance(kind, inspect.StrType | inspect.UnionType) and value:
            _check_text(value, where)
        return value
    if isinstance(value, Mapping):
        if isinstance(kind, inspect.StructType):
            return {
                name: _value(inner, _field(kind, name), f"{where}.{name}", data_dir)
                for name, inner in value.items()
            }
        if isinstance(kind, inspect.DictType):
            for name in value:
                _check_text(name, where)
            return {
                name: _value(inner, kind.value_type, f"{where}.{name}", data_dir)
                for name, inner in value.items()
            }
    if isinstance(value, list | tuple | set | frozenset):
        item = kind.item_type if isinstance(kind, _SEVERAL) else kind
        return [_value(inner, item, where, data_dir) for inner in value]
    return value


def _check_text(text: str, where: str) -> None:
    if not NAME.fullmatch(text) or ".." in text or "://" in text:
        raise InvalidRequest(
            f"`{where}`: a name begins with a letter or digit and goes on with these and "
            "`. _ : @ / + [ ] -`, 128 in all.",
            param=f"settings.{where}",
        )


def _refused(name: str, allowed: tuple[str, ...], known: tuple[str, ...]) -> InvalidRequest:
    can = f"What can be: {', '.join(allowed)}." if allowed else "Nothing can be, of this kind."
    if name in known:
        problem = (
            f"`{name}` can't be set at run time: set it in the configuration file and restart the "
            "hub."
        )
    elif "key" in name.lower():
        problem = (
            f"`{name}` can't be set: the hub works with subscriptions and takes no API key "
            "anywhere."
        )
    else:
        problem = f"There is no setting `{name}` that can be set at run time."
    return InvalidRequest(f"{problem} {can}", param=f"settings.{name}")


def _given(values: Any, table: Mapping[str, Any]) -> dict[str, Any]:
    """Of all values those that were asked for, for the others have defaults elsewhere."""
    return {
        name: _given(values[name], asked) if isinstance(asked, Mapping) else values[name]
        for name, asked in table.items()
    }


def _field(kind: inspect.Type, name: str) -> inspect.Type:
    if not isinstance(kind, inspect.StructType):
        raise TypeError(f"{name} is no field of {kind}")
    return next(field.type for field in kind.fields if field.encode_name == name)


def _place(kind: inspect.Type) -> LoginPlace | None:
    place = (kind.extra or {}).get("place") if isinstance(kind, inspect.Metadata) else None
    return place if isinstance(place, LoginPlace) else None


def _bare(kind: inspect.Type) -> inspect.Type:
    return _bare(kind.type) if isinstance(kind, inspect.Metadata) else kind
