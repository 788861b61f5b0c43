"""One server's entry in the text of a client's configuration: reading it, and setting it; pure.

Guarantee: everything beside the entry stays as it is, also what a parser does not see: comments,
order, formatting. That is checked on every result; a text that can't be changed so is refused, and
one in which it is not certain what counts.
"""

import tomllib
from collections.abc import Mapping
from typing import Any

import tomlkit
import tomlkit.exceptions

from llm_mcp_hub.commands import jsonc
from llm_mcp_hub.commands.mcp_clients import Client, Format, merged_entry


class NotUnderstood(ValueError):
    """The text is not what the client would read; says why."""


def read_entry(client: Client, text: str, name: str) -> object:
    """The server's entry, or None.

    Raises:
        NotUnderstood: The text can't be parsed, or is not of the right shape.
    """
    servers = _document(client, text).get(client.servers, {})
    if not isinstance(servers, dict):
        raise NotUnderstood(f"`{client.servers}` is not a table of servers")
    if client.format is Format.JSON and text.strip():
        _refuse_twice(jsonc.parse(text), (client.servers, name))
    return servers.get(name)


def set_entry(client: Client, text: str, name: str, entry: Mapping[str, Any]) -> str:
    """The text with the server's entry in it, added or brought up to date.

    Args:
        client: Whose configuration it is.
        text: The whole text; empty if there is none yet.
        name: The server's name.
        entry: From `stdio_entry` or `http_entry`.

    Raises:
        NotUnderstood: The text can't be parsed, or not be changed without changing more.
    """
    existing = read_entry(client, text, name)
    wanted = merged_entry(existing, entry)
    if existing == wanted:
        return text
    expected = _document(client, text)
    expected.setdefault(client.servers, {})[name] = wanted
    change = _set_toml if client.format is Format.TOML else _set_json
    try:
        result = change(client, text, name, existing, wanted)
        changed = _document(client, result)
    except (ValueError, KeyError, TypeError) as error:
        raise NotUnderstood(f"it can't be changed safely ({error})") from None
    if changed != expected:
        raise NotUnderstood("it can't be changed without changing something else")
    return result


def snippet(client: Client, name: str, entry: Mapping[str, Any]) -> str:
    """The entry alone, as it stands in an otherwise empty configuration."""
    return set_entry(client, "", name, entry)


def _refuse_twice(node: jsonc.Node, path: tuple[str, ...]) -> None:
    """Refuse a key on the way to an entry, or in it, that stands twice: parsers take either."""
    twice = node.twice.intersection(path[:1]) if path else node.twice
    if twice:
        raise NotUnderstood(f"the key `{min(twice)}` stands in it twice")
    if path and path[0] in node.members:
        _refuse_twice(node.members[path[0]][1], path[1:])


def _document(client: Client, text: str) -> dict[str, Any]:
    if client.format is Format.TOML:
        try:
            return tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise NotUnderstood(f"it is not TOML ({error})") from None
    if not text.strip():
        return {}
    try:
        document = jsonc.parse(text).value
    except jsonc.JsoncError as error:
        raise NotUnderstood(f"it is not JSON ({error})") from None
    if not isinstance(document, dict):
        raise NotUnderstood("its outermost value is not an object")
    return document


def _set_json(
    client: Client, text: str, name: str, existing: object, wanted: Mapping[str, Any]
) -> str:
    path = (client.servers, name)
    if not text.strip():
        return jsonc.set_value("{}\n", path, wanted)
    if not isinstance(existing, dict) or not existing.keys() <= wanted.keys():
        return jsonc.set_value(text, path, wanted)
    for key, value in wanted.items():
        if key not in existing or existing[key] != value:
            text = jsonc.set_value(text, (*path, key), value)
    return text


def _set_toml(
    client: Client, text: str, name: str, existing: object, wanted: Mapping[str, Any]
) -> str:
    try:
        document = tomlkit.parse(text)
        servers = document.setdefault(client.servers, tomlkit.table(is_super_table=True))
        if not isinstance(existing, dict):
            servers[name] = _table(wanted)
        else:
            for key in existing.keys() - wanted.keys():
                del servers[name][key]
            for key, value in wanted.items():
                if key not in existing or existing[key] != value:
                    servers[name][key] = _inline(value) if isinstance(value, dict) else value
    except tomlkit.exceptions.TOMLKitError as error:
        raise NotUnderstood(f"it can't be changed safely ({error})") from None
    return tomlkit.dumps(document)


def _table(entry: Mapping[str, Any]) -> tomlkit.items.Table:
    table = tomlkit.table()
    for key, value in entry.items():
        table[key] = _inline(value) if isinstance(value, dict) else value
    return table


def _inline(values: Mapping[str, Any]) -> tomlkit.items.InlineTable:
    inline = tomlkit.inline_table()
    inline.update(values)
    return inline
