"""The reference pages say what the code does: every error, setting, route and field."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from llm_mcp_hub.api.absent import ABSENT
from llm_mcp_hub.api.anthropic import convert as anthropic_convert
from llm_mcp_hub.api.anthropic.errors import TYPES
from llm_mcp_hub.api.anthropic.schemas import ContentBlock, MessagesRequest
from llm_mcp_hub.api.errors import STATUS
from llm_mcp_hub.api.openai import convert
from llm_mcp_hub.api.openai.limits import NAMES as LIMIT_HEADERS
from llm_mcp_hub.api.openai.schemas import ChatCompletionRequest, ChatMessage
from llm_mcp_hub.config import HubConfig, read_config
from llm_mcp_hub.config_sources import ENVIRONMENT_PREFIX
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.domain.chat import Effort
from llm_mcp_hub.domain.limits import LIMIT_NAMES
from llm_mcp_hub.domain.status import PoolFigures
from llm_mcp_hub.plugins import load_plugins
from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub.providers.supervision import Supervision
from llm_mcp_hub.services.status import TOKEN_HEALTH
from llm_mcp_hub.state.factory import create_store
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub.workers.worker_limits import WorkerLimits

ERRORS = "docs/errors.md"
API = "docs/rest-api.md"
MESSAGES = "docs/messages.md"
CONFIGURATION = "docs/configuration.md"
PLUGINS = load_plugins()
KINDS = {factory.kind: factory for factory in PLUGINS.provider_factories()}


def in_code(text: str) -> str:
    return text.split("`")[1] if text.count("`") > 1 else ""


def test_every_error_is_listed_with_its_status_type_and_retry(read):
    table = read(ERRORS).table("## All codes")
    assert {code: row[:3] for code, row in table.items()} == {
        kind.code: [str(status), f"`{name}`", "yes" if kind.retryable else "no"]
        for kind, (status, name) in STATUS.items()
    }


def test_every_error_says_what_to_do_or_what_it_generalises(read):
    for code, row in read(ERRORS).table("## All codes").items():
        assert len(row[3]) > 20, code


def settings_of(kind: type[Any], where: str = "") -> Iterator[tuple[str, str, Any]]:
    """Path, type in words, and default of every setting in a struct."""
    words = {
        msgspec.inspect.BoolType: "boolean",
        msgspec.inspect.IntType: "integer",
        msgspec.inspect.FloatType: "number",
        msgspec.inspect.StrType: "text",
        msgspec.inspect.LiteralType: "text",
        msgspec.inspect.VarTupleType: "list of texts",
        msgspec.inspect.DictType: "table",
    }
    info = msgspec.inspect.type_info(kind)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        path = f"{where}{field.encode_name}"
        default = field.default
        if default is msgspec.NODEFAULT:
            default = field.default_factory()
        if isinstance(field.type, msgspec.inspect.StructType):
            for inner, word, _ in settings_of(field.type.cls, f"{path}."):
                value = default
                for name in inner.removeprefix(f"{path}.").split("."):
                    value = getattr(value, name)
                yield inner, word, value
        else:
            word = words[type(field.type)]
            if getattr(getattr(field.type, "item_type", None), "__class__", None) is (
                msgspec.inspect.IntType
            ):
                word = "list of integers"
            yield path, word, default


def documented(table: dict[str, list[str]]) -> dict[str, tuple[str, Any]]:
    return {key: (row[0], msgspec.json.decode(in_code(row[1]))) for key, row in table.items()}


def expected(kind: type[Any], where: str = "") -> dict[str, tuple[str, Any]]:
    return {
        path: (word, msgspec.json.decode(msgspec.json.encode(default)))
        for path, word, default in settings_of(kind, where)
    }


def test_every_setting_of_the_hub_is_listed_with_its_type_and_default(read):
    assert documented(read(CONFIGURATION).table("## The hub")) == expected(HubConfig)


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_of_a_provider_is_listed_with_its_type_and_default(kind, read):
    table = read(CONFIGURATION).table(f"### {kind}")
    assert documented(table) == expected(KINDS[kind].settings, f"providers.{kind}.")


def test_the_shared_settings_of_providers_are_explained(read):
    table = read(CONFIGURATION).table("### Pool and deadlines")
    pool = [path for path, _, _ in settings_of(PoolLimits, "pool.")]
    assert list(table) == [*pool, *(path for path, _, _ in settings_of(Deadlines, "deadlines."))]


def test_the_settings_of_supervision_and_limits_are_explained(read):
    table = read(CONFIGURATION).table("### Supervision and limits")
    supervision = [path for path, _, _ in settings_of(Supervision, "supervision.")]
    limits = [path for path, _, _ in settings_of(WorkerLimits, "limits.")]
    assert list(table) == [*supervision, *limits]


def test_the_environment_example_is_accepted_and_changes_what_it_names(read):
    (block,) = read(CONFIGURATION).blocks("sh")
    lines = dict(line.split("=", 1) for line in block.splitlines())
    assert all(name.startswith(ENVIRONMENT_PREFIX) for name in lines)
    config = read_config(None, {name: value.strip("'") for name, value in lines.items()})
    assert config.server.port == 9000
    assert config.server.allowed_hosts == ("hub.example",)
    assert config.providers["claude"]["pool"]["max_workers"] == "4"


def test_every_state_url_in_the_operations_page_can_be_read(read):
    table = read("docs/operations.md").table("## State stores")
    factories = PLUGINS.store_factories()
    urls = [url.strip("`") for first in table for url in [first]]
    assert {url.split(":")[0] for url in urls} == {
        scheme for factory in factories for scheme in factory.schemes
    }
    for url in urls:
        create_store(url, factories)


def test_every_route_is_listed_and_no_other(read, hub):
    document = httpx.get(f"{hub.base_url}/schema/openapi.json").json()
    routes = {
        f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item
    }
    assert set(read(API).table("## Routes")) == routes


def test_every_route_wants_the_scope_that_is_listed(read, hub):
    names = {scope.value for scope in Scope} | {"any", "public"}
    for route, (needed, _) in read(API).table("## Routes").items():
        scope = needed.strip("`")
        assert scope in names
        method, path = route.split()
        url = hub.base_url + path.replace("{", "").replace("}", "")
        bare = httpx.request(method, url)
        assert (bare.status_code == 401) is (scope != "public"), route
        if scope in {"chat", "sessions"}:
            other = hub.token(f"t{abs(hash(route))}", "chat" if scope == "sessions" else "sessions")
            refused = httpx.request(method, url, headers=hub.headers(other))
            assert refused.status_code == 403, route


def test_every_route_that_nobody_has_is_listed_and_no_other(read):
    assert list(read(API).table("## What nobody has")) == list(ABSENT)


def test_every_field_of_a_request_is_listed_with_what_becomes_of_it(read):
    table = read(API).table("### Request fields")
    assert set(table) == set(ChatCompletionRequest.__struct_fields__)
    by_kind = {
        kind: [name for name, row in table.items() if row[0] == kind]
        for kind in ("honoured", "accepted", "ignored", "refused")
    }
    assert sum(map(len, by_kind.values())) == len(table)
    assert by_kind["ignored"] == list(convert.IGNORED)
    assert set(by_kind["refused"]) == {*convert._REFUSED, *convert._OBSOLETE}
    assert all(f"`{effort.value}`" in table["reasoning_effort"][1] for effort in Effort)


def test_every_field_of_a_request_in_anthropics_dialect_is_listed_with_what_becomes_of_it(read):
    table = read(MESSAGES).table("## Fields of a request")
    assert set(table) == set(MessagesRequest.__struct_fields__)
    by_kind = {
        kind: [name for name, row in table.items() if row[0] == kind]
        for kind in ("honoured", "accepted", "ignored", "refused")
    }
    assert sum(map(len, by_kind.values())) == len(table)
    assert by_kind["ignored"] == list(anthropic_convert.IGNORED)
    assert set(by_kind["refused"]) == {*anthropic_convert.REFUSED, "context_management"}


def test_every_budget_of_thinking_is_explained(read):
    section = read(MESSAGES).section("## Thinking")
    for most, effort in anthropic_convert.BUDGETS:
        assert re.search(rf"{most}\b\D*`{effort.value}`", section)


def test_every_block_of_a_message_is_listed(read):
    kinds = {kind.__struct_config__.tag for kind in ContentBlock.__args__}
    section = read(MESSAGES).section("## Messages")
    assert all(f"`{kind}`" in section for kind in kinds)


def test_every_type_of_an_error_in_anthropics_dialect_is_listed(read):
    section = read(MESSAGES).section("## Errors")
    listed = {
        int(status): name
        for statuses, name in re.findall(r"^\| ([\d, ]+) \| `(\w+)` \|$", section, re.MULTILINE)
        for status in statuses.split(", ")
    }
    assert listed == TYPES


def test_every_role_of_a_message_is_listed(read):
    roles = {kind.__struct_config__.tag for kind in ChatMessage.__args__}
    section = read(API).section("### Messages")
    assert all(f"`{role}`" in section for role in roles)


def test_every_limit_and_every_header_about_it_is_explained(read):
    section = read(API).section("### Limits")
    tables = re.findall(r"^\| `([\w-]+)` ", section, re.MULTILINE)
    assert tables == [*LIMIT_NAMES, *LIMIT_HEADERS]


def test_every_figure_of_a_pool_is_explained(read):
    assert tuple(read(API).table("## Providers")) == PoolFigures.__struct_fields__


def test_every_status_of_a_login_is_explained(read):
    rows = [
        tuple(in_code(cell) for cell in line.strip("|").split("|")[:2])
        for line in read("docs/logins.md").section("## Asking the hub").splitlines()
        if line.startswith("| `") and "State" not in line
    ]
    assert set(rows) == {(shown.value, state.value) for state, shown in TOKEN_HEALTH.items()}


def test_every_metric_is_listed_with_its_labels(read, hub):
    httpx.post(
        f"{hub.base_url}/v1/chat/completions",
        headers=hub.headers(),
        json={"model": "echo/echo", "messages": [{"role": "user", "content": "hello"}]},
    )
    text = httpx.get(f"{hub.base_url}/metrics", headers=hub.headers()).text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        kept = "_total" if family.type == "counter" else ""
        for sample in family.samples:
            if family.name.startswith("llm_mcp_hub_") and not sample.name.endswith("_created"):
                name = f"{family.name}{kept}".removeprefix("llm_mcp_hub_")
                found.setdefault(name, set()).update(sample.labels.keys() - {"le"})
    table = read("docs/operations.md").table("## Metrics")
    listed = {name: set(re.findall(r"`(\w+)`", row[0])) for name, row in table.items()}
    errors = listed.pop("errors_total")
    assert errors == {"provider", "model", "code"}
    assert listed == found


def test_every_scope_is_explained(read):
    table = read("docs/security.md").table("## Who may call")
    assert list(table) == [scope.value for scope in Scope]
