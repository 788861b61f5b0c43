"""One broken plugin is listed with its error; everything else works."""

import sys
import types
from importlib.metadata import EntryPoint

import httpx
import pytest

from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.domain.status import ProviderState, ProviderStatus
from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.plugins import Plugins, load_plugins
from llm_mcp_hub.providers.base import ProviderFactory
from llm_mcp_hub.state.factory import StoreFactory
from llm_mcp_hub.state.memory import MemoryStore
from llm_mcp_hub.testing.hub import create_test_hub


class Good:
    @hookimpl
    def hub_register_providers(self):
        return [ProviderFactory("good", lambda context: Provider(context.name))]


class Provider:
    capabilities: frozenset[str] = frozenset()

    def __init__(self, name):
        self.name = name

    async def start(self): ...
    async def aclose(self): ...

    async def models(self):
        return [ModelCard("m")]

    def status(self):
        return ProviderStatus(ProviderState.AVAILABLE)

    def workers(self):
        return ()

    def credential_status(self):
        return None


class UnknownHook:
    @hookimpl
    def hub_register_nonsense(self):
        return []


class WrongArguments:
    @hookimpl
    def hub_turn_finished(self, turn, unheard_of):
        return None


class Raises:
    @hookimpl
    def hub_register_providers(self):
        raise RuntimeError("not today")


class Nothing:
    @hookimpl
    def hub_register_providers(self):
        return None


class WrongType:
    @hookimpl
    def hub_register_providers(self):
        return ["not a factory"]


class SameKind:
    @hookimpl
    def hub_register_providers(self):
        return [ProviderFactory("good", lambda context: Provider(context.name))]


class WrongStore:
    @hookimpl
    def hub_register_stores(self):
        return [ProviderFactory("x", lambda context: Provider("x"))]


BROKEN = [
    (UnknownHook, "unknown hook"),
    (WrongArguments, "unheard_of"),
    (Raises, "RuntimeError: not today"),
    (Nothing, "NoneType"),
    (WrongType, "str, not ProviderFactory"),
    (SameKind, "'good' is registered already"),
    (WrongStore, "ProviderFactory, not StoreFactory"),
]


@pytest.mark.parametrize(("plugin", "reason"), BROKEN)
def test_a_broken_plugin_is_left_out_and_the_others_work(plugin, reason):
    plugins = Plugins()
    plugins.add("a-good", "test", Good)
    plugins.add("broken", "test 1.0", plugin)
    kinds = [factory.kind for factory in plugins.provider_factories()]
    plugins.store_factories()
    infos = {info.name: info for info in plugins.infos}

    assert kinds == ["good"]
    assert infos["a-good"].error is None
    assert reason in (infos["broken"].error or "")
    assert infos["broken"].distribution == "test 1.0"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nothing_of_the_kind", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("1 / 0", "ZeroDivisionError"),
        (None, "ModuleNotFoundError"),
    ],
)
def test_a_plugin_that_can_not_be_imported_is_listed(tmp_path, monkeypatch, source, reason):
    name = f"broken_plugin_{reason.partition(':')[0].lower()}{source is None}"
    if source is not None:
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "good_plugin", types.ModuleType("good_plugin"))
    entries = [EntryPoint("bad", name, "llm_mcp_hub"), EntryPoint("good", "good_plugin", "x")]

    plugins = load_plugins(entries)

    infos = {info.name: info.error for info in plugins.infos}
    assert infos["good"] is None
    assert reason in (infos["bad"] or "")


def test_a_second_plugin_of_one_name_does_not_push_out_the_first():
    plugins = Plugins()
    plugins.add("same", "first 1.0", Good)
    plugins.add("same", "second 2.0", Raises)

    assert [factory.kind for factory in plugins.provider_factories()] == ["good"]
    errors = {info.distribution: info.error for info in plugins.infos}
    assert errors["first 1.0"] is None
    assert "named 'same' already" in (errors["second 2.0"] or "")


def test_a_hook_that_raises_when_a_turn_ends_stops_no_other():
    told = []

    class Bad:
        @hookimpl
        def hub_turn_finished(self, turn):
            raise ValueError("odd")

    class Without:
        @hookimpl
        def hub_turn_finished(self):
            told.append("without")

    class With:
        @hookimpl
        def hub_turn_finished(self, turn):
            told.append(turn)

    plugins = Plugins()
    for plugin in (Bad, Without, With, Bad):
        plugins.add(f"{plugin.__name__}{len(plugins.infos)}", "test", plugin)
    plugins.turn_finished("a turn")  # type: ignore[arg-type]  # nobody looks at it

    assert sorted(told) == ["a turn", "without"]


def test_the_built_in_plugins_are_plugins_like_any_other():
    infos = {info.name: info for info in load_plugins().infos}

    assert {"echo", "memory", "redis", "sqlite", "turn_log"} <= set(infos)
    assert infos["echo"].distribution.startswith("llm-mcp-hub ")
    assert all(infos[name].error is None for name in ("echo", "memory", "redis", "sqlite"))


def test_a_store_of_a_plugins_is_opened_by_its_url():
    class Stores:
        @hookimpl
        def hub_register_stores(self):
            return [StoreFactory(("mine",), lambda url: MemoryStore())]

    with create_test_hub(state="mine://x", plugins=[("stores", Stores())]) as hub:
        assert httpx.get(f"{hub.base_url}/health/ready").status_code == 200


class Failing(Provider):
    async def start(self):
        raise RuntimeError("can't start")

    async def aclose(self):
        raise RuntimeError("can't stop")


class Unmakeable:
    @hookimpl
    def hub_register_providers(self):
        return [
            ProviderFactory("unmakeable", self._create),
            ProviderFactory("failing", lambda context: Failing(context.name)),
        ]

    def _create(self, context):
        raise RuntimeError("no such thing here")


def test_a_provider_that_can_not_be_made_is_listed_as_unavailable():
    plugins = [("unmakeable", Unmakeable()), ("good", Good()), ("raises", Raises())]
    with (
        create_test_hub(plugins=plugins) as hub,
        httpx.Client(base_url=hub.base_url, headers=hub.headers()) as http,
    ):
        listed = {one["name"]: one for one in http.get("/v1/providers").json()["data"]}
        one = http.get("/v1/providers/unmakeable").json()
        health = http.get("/health").json()
        models = [model["id"] for model in http.get("/v1/models").json()["data"]]

    assert listed["good"]["state"] == "available"
    assert listed["unmakeable"] == one
    assert one["state"] == "unavailable"
    assert one["reason"] == "RuntimeError: no such thing here"
    assert health["status"] == "degraded"
    assert health["providers"]["unmakeable"] == "unavailable"
    assert "good/m" in models
    assert "echo/echo" in models
