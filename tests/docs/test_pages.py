"""What every page owes its reader: links that lead somewhere, examples that parse, true figures."""

import json
import re
import tomllib
from pathlib import Path

import pytest

from llm_mcp_hub import hub, log, turn_log
from llm_mcp_hub.api import body, sse
from llm_mcp_hub.commands import server
from llm_mcp_hub.config import HubConfig, convert_settings
from llm_mcp_hub.domain.status import WARNING_DAYS
from llm_mcp_hub.mcp import bridge, stdio
from llm_mcp_hub.providers import self_test
from llm_mcp_hub.providers.supervision import Supervision
from llm_mcp_hub.services import (
    access,
    leases,
    limits,
    session_hold,
    status,
    usage,
    usage_recorder,
)
from llm_mcp_hub.state import redis_url
from llm_mcp_hub.workers.environment import FORBIDDEN_MARKS, INHERITED

ROOT = Path(__file__).parents[2]
SOURCES = [
    ROOT / "src/llm_mcp_hub",
    ROOT / "dashboard/src/llm_mcp_hub_dashboard",
    *ROOT.glob("plugins/*/src/*"),
]


def test_every_link_leads_to_a_page_and_a_heading_that_exist(page, read):
    for link in page.links():
        target, _, anchor = link.partition("#")
        path = (page.path.parent / target).resolve() if target else page.path
        assert path.exists(), f"{page.name}: {link}"
        if anchor:
            there = read(path.relative_to(ROOT).as_posix())
            assert anchor in there.anchors(), f"{page.name}: {link}"


def test_every_json_example_is_json(page):
    for block in page.blocks("json"):
        json.loads(block)


def test_every_python_example_compiles(page):
    for block in page.blocks("python"):
        compile(block if not block.startswith("def hub_") else block.rstrip() + ": ...", "", "exec")


def test_every_toml_example_of_a_configuration_is_accepted(page):
    for block in page.blocks("toml"):
        table = tomllib.loads(block)
        if "project" not in table:
            convert_settings(table, HubConfig, "")


def test_every_make_target_that_is_mentioned_exists(page):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z0-9-]+)\b(?=[`\n]| ARGS)", page.text))
    assert named <= targets


def test_no_page_names_a_path_of_somebody_s_machine(page):
    assert not re.search(r"(?<![\w.~])/(home|root|work|Users|mnt)/", page.text)


def test_no_line_of_a_page_ends_in_white_space(page):
    assert not re.search(r"[ \t]$", page.text, re.MULTILINE)


def test_every_page_is_in_the_navigation_and_nothing_else_is():
    text = (ROOT / "mkdocs.yml").read_text()
    listed = set(re.findall(r"([\w/-]+\.md)$", text[text.index("\nnav:") :], re.MULTILINE))
    docs = ROOT / "docs"
    assert listed == {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}


def test_a_login_s_renewal_url_is_a_page_and_a_heading_of_the_documentation(read):
    text = (ROOT / "mkdocs.yml").read_text()
    site = re.search(r"^site_url: (.*)$", text, re.MULTILINE)
    assert site is not None
    assert f"{site.group(1)}logins/" == status.RENEWAL_PAGE
    assert "claude" in read("docs/logins.md").anchors()


def test_the_tree_in_the_architecture_names_every_module_and_no_other(read):
    text = read("docs/contributing/architecture.md").section("## The tree")
    found: set[str] = set()
    at: list[str] = []
    for line in text.splitlines():
        name = re.match(r"( *)([\w./-]+\.py|[\w./-]+/)(?: |$)", line)
        if name is not None:
            at = [*at[: len(name.group(1)) // 2], name.group(2)]
            if name.group(2).endswith(".py"):
                found.add("".join(at))
    modules = {
        path.relative_to(ROOT).as_posix()
        for source in SOURCES
        for path in source.rglob("*.py")
        if path.name != "__init__.py"
    }
    assert found == modules


def test_every_module_that_the_architecture_names_exists(read):
    for name in re.findall(r"`([a-z_/]+\.py)`", read("docs/contributing/architecture.md").text):
        assert any((source / name).is_file() for source in [ROOT, *SOURCES]), name


SECONDS = {
    "docs/rest-api.md": [
        f"after {sse.HOLD_SECONDS:g} seconds if there is none yet",
        f"every {sse.HEARTBEAT_SECONDS:g} seconds of silence",
        f"within {access.CACHE_SECONDS:g} seconds at every other one",
        f"{usage.MAX_BUCKETS} at most",
    ],
    "docs/errors.md": ["for ten seconds at most"] if sse.HOLD_SECONDS == 10 else ["?"],
    "docs/sessions.md": [
        f"within {leases.LEASE_SECONDS:g} seconds",
        f"tried for {session_hold.STORE_SECONDS:g} seconds",
        "an hour after its latest turn" if HubConfig().sessions.ttl_seconds == 3600 else "?",
    ],
    "docs/security.md": [
        f"within {access.CACHE_SECONDS:g} seconds",
        f"nothing of a stream for {sse.STALL_SECONDS:g} seconds",
    ],
    "docs/logins.md": [f"ends within {WARNING_DAYS} days"],
    "docs/operations.md": [
        f"begin with `{redis_url.DEFAULT_PREFIX}`",
        f"every {limits.RENEW_SECONDS:g} seconds and free {limits.ALIVE_SECONDS:g} seconds after",
        "more than a hundred of them" if usage_recorder.MAX_UNPROVED == 100 else "?",
        f"Clients have {server.FLUSH_SECONDS} seconds to fetch the rest",
        f"their sessions are free after {leases.LEASE_SECONDS:g} seconds",
        f"after {self_test.PROBE_SECONDS:g} seconds at the latest",
        f"up to {self_test.PROBE_LIMIT_SECONDS / 60:g} minutes",
        f"if the last try is {self_test.RETEST_SECONDS:g} seconds old",
        f"within {self_test.PROGRAM_SECONDS:g} seconds of the program",
        f"each start and every {self_test.PROGRAM_SECONDS:g} seconds",
        *(f"`{name}` ({getattr(Supervision(), name):g})" for name in Supervision.__struct_fields__),
    ],
    "docs/contributing/architecture.md": [
        f"gives its place back | {limits.LEAVE_SECONDS:g} |",
        f"| The last counts are written | {usage_recorder.CLOSE_SECONDS:g} |",
        f"| Turns end, once they are stopped | {hub.STOP_SECONDS:g} |",
        f"once no turn runs | {server.FLUSH_SECONDS} |",
        f"| The body arrives | {body.BODY_SECONDS:g} |",
        f"| The client takes the next bytes of a stream | {sse.STALL_SECONDS:g} |",
        f"while the store is away | {session_hold.STORE_SECONDS:g} |",
        f"| The last message is written to standard output | {stdio.FLUSH_SECONDS:g} |",
        f"| A running hub accepts the bridge's connection | {bridge.CONNECT_SECONDS:g} |",
        f"| It says something on an open stream | {bridge.SILENCE_SECONDS:g} |",
        f"A lease lasts {leases.LEASE_SECONDS:g} seconds",
        f"every {leases.RENEW_SECONDS:g}",
        "at most every five seconds" if self_test.RETEST_SECONDS == 5 else "?",
    ],
}


@pytest.mark.parametrize("name", SECONDS)
def test_figures_in_prose_are_those_of_the_code(name, read):
    text = " ".join(read(name).text.split())
    for fragment in SECONDS[name]:
        assert fragment in text, fragment


def test_the_environment_of_a_child_is_listed_completely(read):
    row = next(
        line for line in read("docs/security.md").text.splitlines() if line.startswith("| Env")
    )
    assert tuple(re.findall(r"`(\w+)`", row)) == INHERITED


def test_the_forbidden_parts_of_variable_names_are_listed_completely(read):
    text = read("docs/security.md").text
    start = text.index("A variable whose name contains")
    assert tuple(re.findall(r"`([A-Z_]+)`", text[start : text.index("\n- Claude")])) == (
        FORBIDDEN_MARKS
    )


def test_every_log_event_in_the_operations_page_is_written_somewhere(read):
    source = "".join(path.read_text() for path in SOURCES[0].rglob("*.py"))
    events = set(re.findall(r"`([a-z]+\.[a-z_]+)`", read("docs/operations.md").section("## Logs")))
    assert len(events) > 5
    for event in events - {"log.format"}:
        assert f'"{event}"' in source, event


def test_the_fields_of_the_turn_line_are_listed(read):
    text = read("docs/operations.md").section("## Logs")
    fields = re.findall(r"^        (\w+)=", Path(turn_log.__file__).read_text(), re.MULTILINE)
    assert fields
    for field in fields:
        assert f"`{field}`" in text


def test_what_logs_hide_is_what_the_security_page_says():
    for secret in ("hub-0123456789ab-secret", "redis://:word@host", "Bearer abc"):
        assert log.REDACTED in log.redact_text(f"x {secret} y")
