"""An entry in a client's configuration, and nothing else changed."""

import copy
import json
import tomllib
from pathlib import Path, PurePosixPath

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_mcp_hub.commands import jsonc
from llm_mcp_hub.commands.client_config import NotUnderstood, read_entry, set_entry, snippet
from llm_mcp_hub.commands.mcp_clients import (
    CLIENTS,
    HTTP_KEYS,
    STDIO_KEYS,
    Format,
    config_file,
    http_entry,
    presented_token,
    stdio_entry,
)

HUB = "llm-mcp-hub"
TOKEN = "hub-0123456789ab-secret"
HOME = Path("/home/somebody")
JSON_CLIENTS = [one for one in CLIENTS.values() if one.format is Format.JSON]
CODEX = CLIENTS["codex"]

text = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8)
scalars = st.booleans() | st.integers(-(2**53), 2**53) | text
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
tables = st.dictionaries(text, values, max_size=4)


def without_ours(table):
    """An entry's keys that are neither of the one kind nor of the other."""
    return {key: value for key, value in table.items() if key not in STDIO_KEYS | HTTP_KEYS}


def read(client, written):
    return tomllib.loads(written) if client.format is Format.TOML else jsonc.parse(written).value


def write(client, document):
    return (
        tomlkit.dumps(document) if client.format is Format.TOML else json.dumps(document, indent=1)
    )


def without(document, client, name):
    """The document with the entry taken out, and with no table of servers if that leaves none."""
    rest = copy.deepcopy(document)
    servers = rest.get(client.servers)
    if isinstance(servers, dict):
        servers.pop(name, None)
        if not servers:
            del rest[client.servers]
    return rest


@settings(deadline=None)
@given(
    st.sampled_from(list(CLIENTS.values())),
    tables,
    st.none() | st.dictionaries(text, tables, max_size=3),
    st.none() | tables.map(without_ours),
    st.booleans(),
)
def test_merging_never_loses_a_key(client, document, servers, existing, http):
    document.pop(client.servers, None)
    if servers is not None or existing is not None:
        document[client.servers] = {
            **(servers or {}),
            **({} if existing is None else {HUB: existing}),
        }
    before = write(client, document)
    entry = (
        http_entry(client, "http://127.0.0.1:8642/mcp", TOKEN)
        if http
        else stdio_entry(client, ("/bin/llm-mcp-hub", "mcp"), {"PATH": "/bin"})
    )
    after = set_entry(client, before, HUB, entry)
    result = read(client, after)
    assert without(result, client, HUB) == without(document, client, HUB)
    ours = result[client.servers][HUB]
    assert {key: ours[key] for key in entry} == entry
    assert {key: ours[key] for key in existing or {}} == {
        **(existing or {}),
        **{key: value for key, value in entry.items() if key in (existing or {})},
    }
    assert set_entry(client, after, HUB, entry) == after


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
def test_what_somebody_added_to_the_entry_stays_and_the_other_kind_s_keys_go(client):
    stdio = stdio_entry(client, ("/bin/llm-mcp-hub", "mcp"), {"PATH": "/bin"})
    document = {
        client.servers: {HUB: stdio | {"disabled": True, "env": {"PATH": "/mine", "A": "b"}}}
    }
    again = read(client, set_entry(client, write(client, document), HUB, stdio))
    assert again == document
    http = http_entry(client, "http://127.0.0.1:1/mcp", TOKEN)
    switched = read(client, set_entry(client, write(client, document), HUB, http))
    assert switched[client.servers][HUB] == http | {"disabled": True}
    assert presented_token(switched[client.servers][HUB]) == TOKEN


def test_comments_stay_in_json():
    before = """// my servers
{
    "inputs": [], // none
    "servers": {
        "other": {
            "type": "stdio", // by hand
            "command": "other",
        },
        "llm-mcp-hub": {
            // do not touch
            "type": "stdio",
            "command": "/old/llm-mcp-hub",
            "args": ["mcp"]
        }
    }
}
"""
    client = CLIENTS["vscode"]
    entry = stdio_entry(client, ("/new/llm-mcp-hub", "mcp"), {})
    assert set_entry(client, before, HUB, entry) == before.replace("/old/", "/new/")


def test_comments_and_order_stay_in_toml():
    before = """# mine
model = "some-model" # a comment

[mcp_servers.other]
command = "other"

[profiles.a]
x = 1

[mcp_servers."with a space"]
url = "http://127.0.0.1:1" # odd
"""
    after = set_entry(CODEX, before, HUB, stdio_entry(CODEX, ("/bin/llm-mcp-hub", "mcp"), {}))
    added = [line for line in after.splitlines() if line not in before.splitlines()]
    kept = [line for line in after.splitlines() if line in before.splitlines() and line]
    assert kept == [line for line in before.splitlines() if line]
    assert added == [
        "[mcp_servers.llm-mcp-hub]",
        'command = "/bin/llm-mcp-hub"',
        'args = ["mcp"]',
        "tool_timeout_sec = 600",
    ]


@pytest.mark.parametrize("client", CLIENTS.values(), ids=CLIENTS)
@pytest.mark.parametrize("entry", ["stdio", "http"])
def test_a_snippet_is_a_whole_configuration(client, entry):
    made = (
        stdio_entry(client, ("/bin/llm-mcp-hub", "mcp"), {"PATH": "/bin"})
        if entry == "stdio"
        else http_entry(client, "http://127.0.0.1:8642/mcp", TOKEN)
    )
    shown = snippet(client, HUB, made)
    assert shown.endswith("\n")
    assert read(client, shown) == {client.servers: {HUB: made}}
    assert set_entry(client, "", HUB, made) == shown


@pytest.mark.parametrize(
    ("client", "broken"),
    [
        ("cursor", "{"),
        ("cursor", "[]"),
        ("cursor", '{"mcpServers": []}'),
        ("vscode", '{"servers": "none"}'),
        ("codex", "a = "),
        ("codex", "mcp_servers = 1"),
        ("codex", "a = 1\na = 2"),
    ],
)
def test_what_the_client_could_not_read_is_refused(client, broken):
    with pytest.raises(NotUnderstood):
        read_entry(CLIENTS[client], broken, HUB)
    with pytest.raises(NotUnderstood):
        set_entry(CLIENTS[client], broken, HUB, {"command": "x"})


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"mcpServers": {"llm-mcp-hub": {}}, "mcpServers": {}}', "mcpServers"),
        ('{"mcpServers": {"llm-mcp-hub": {}, "llm-mcp-hub": {}}}', "llm-mcp-hub"),
        ('{"mcpServers": {"llm-mcp-hub": {"args": [], "args": []}}}', "args"),
    ],
)
def test_a_key_that_stands_twice_where_the_entry_is_is_refused_by_name(text, key):
    with pytest.raises(NotUnderstood, match=f"`{key}` stands in it twice"):
        read_entry(CLIENTS["cursor"], text, HUB)
    with pytest.raises(NotUnderstood, match=f"`{key}` stands in it twice"):
        set_entry(CLIENTS["cursor"], text, HUB, {"command": "x"})


def test_a_key_that_stands_twice_elsewhere_stays_so():
    text = '{"a": 1, "a": 2, "mcpServers": {"other": {"b": 1, "b": 2}}}'
    after = set_entry(CLIENTS["cursor"], text, HUB, {"command": "x"})
    assert after.startswith(text.removesuffix("}}"))


@pytest.mark.parametrize(
    ("client", "platform", "environment", "expected"),
    [
        ("claude-desktop", "linux", {}, "~/.config/Claude/claude_desktop_config.json"),
        (
            "claude-desktop",
            "linux",
            {"XDG_CONFIG_HOME": "/x"},
            "/x/Claude/claude_desktop_config.json",
        ),
        (
            "claude-desktop",
            "darwin",
            {},
            "~/Library/Application Support/Claude/claude_desktop_config.json",
        ),
        ("claude-desktop", "win32", {"APPDATA": "/r"}, "/r/Claude/claude_desktop_config.json"),
        ("claude-desktop", "win32", {}, "~/AppData/Roaming/Claude/claude_desktop_config.json"),
        ("cursor", "linux", {}, "~/.cursor/mcp.json"),
        ("cursor", "win32", {"APPDATA": "/r"}, "~/.cursor/mcp.json"),
        ("claude-code", "darwin", {}, "~/.claude.json"),
        ("claude-code", "linux", {"CLAUDE_CONFIG_DIR": "/c"}, "/c/.claude.json"),
        ("vscode", "linux", {}, "~/.config/Code/User/mcp.json"),
        ("vscode", "darwin", {}, "~/Library/Application Support/Code/User/mcp.json"),
        ("vscode", "win32", {"APPDATA": "/r"}, "/r/Code/User/mcp.json"),
        ("codex", "linux", {}, "~/.codex/config.toml"),
        ("codex", "darwin", {"CODEX_HOME": "/c"}, "/c/config.toml"),
    ],
)
def test_the_file_is_where_the_client_looks(client, platform, environment, expected):
    found = config_file(CLIENTS[client], platform, environment, HOME)
    assert PurePosixPath(found) == PurePosixPath(expected.replace("~", str(HOME)))


def test_a_change_that_would_change_more_is_refused(monkeypatch):
    monkeypatch.setattr(tomlkit, "dumps", lambda document: "a = 1\n")
    with pytest.raises(NotUnderstood, match="something else"):
        set_entry(CODEX, "a = 1\nb = 2\n", HUB, stdio_entry(CODEX, ("/bin/llm-mcp-hub",), {}))
