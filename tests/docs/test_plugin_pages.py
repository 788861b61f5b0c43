"""The pages for plugin authors: hooks and promises are the code's, the example is the page's."""

import importlib.util
import inspect
import re
import types
from pathlib import Path

import pluggy
import pytest

from llm_mcp_hub import hookspecs
from llm_mcp_hub.plugins import load_plugins
from llm_mcp_hub.testing import Abilities, check_provider, provider_promises, provider_trial
from llm_mcp_hub.testing import provider_suite as suite

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs/plugins/example"
HOOKS = {
    name: hook
    for name, hook in vars(hookspecs).items()
    if hasattr(hook, f"{hookspecs.PROJECT}_spec")
}
TITLED = re.compile(r'^```\w+ title="(.+?)"\n(.*?)^```$', re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_described_with_its_signature_and_in_its_own_words(name, read):
    section = read("docs/plugins/hooks.md").section(f"## {name}")
    signature = str(inspect.signature(HOOKS[name])).replace("'", "").replace('"', "")
    assert f"```python\ndef {name}{signature}\n```" in section
    words = (inspect.getdoc(HOOKS[name]) or "").partition("\n\n")[0].split()
    assert " ".join(words).rstrip(".") in " ".join(section.split())


def test_no_hook_is_described_that_does_not_exist(read):
    described = re.findall(r"^## (.+)$", read("docs/plugins/hooks.md").text, re.MULTILINE)
    assert sorted(described) == sorted(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_used_by_the_plugins_that_the_page_names(name, read):
    manager: pluggy.PluginManager = load_plugins()._manager
    users = {used.plugin_name for used in getattr(manager.hook, name).get_hookimpls()}
    (line,) = re.findall(
        r"^Used by: (.+)\.$", read("docs/plugins/hooks.md").section(f"## {name}"), re.MULTILINE
    )
    named = re.findall(r"`([\w-]+)`", line)
    assert users, f"no plugin uses {name}: take it away, or add the plugin that needs it"
    assert named == sorted(named)
    assert set(named) == users


def test_the_promises_are_those_that_the_kit_checks_with_their_numbers(read):
    rows = re.findall(
        r"^\| (\d+) \| (.+?) \| (.*?) ?\|$",
        read("docs/plugins/contract.md").section("## The promises"),
        re.MULTILINE,
    )
    listed = [(int(number), text, re.findall(r"`(\w+)`", needs)) for number, text, needs in rows]
    assert listed == [
        (number, promise.text, list(promise.needs))
        for number, promise in enumerate(suite.PROVIDER_PROMISES, 1)
    ]


def test_the_abilities_are_those_of_the_kit(read):
    table = read("docs/plugins/contract.md").table("## Abilities")
    assert tuple(table) == Abilities.__struct_fields__
    assert "two unless you say more" in table["at_once"][0]
    assert Abilities().at_once == 2


def test_the_times_are_those_of_the_kit(read):
    text = " ".join(read("docs/plugins/contract.md").text.split())
    bounded, whole = provider_trial.CLOSE_SECONDS, suite.CHECK_SECONDS
    assert f"bounded has {bounded:g} seconds, a whole check has {whole:g}" in text


def test_the_error_on_the_page_is_of_a_promise_that_exists(read):
    number, text = re.findall(
        r"^promise (\d+) is broken: (.+)$", read("docs/plugins/contract.md").text, re.MULTILINE
    )[0]
    assert suite.PROVIDER_PROMISES[int(number) - 1].text == text


def test_the_example_is_what_the_tutorial_ends_with(read):
    written = dict(TITLED.findall(read("docs/plugins/tutorial.md").text))
    files = {
        path.relative_to(EXAMPLE).as_posix(): path.read_text()
        for path in EXAMPLE.rglob("*")
        if path.is_file() and path.suffix in {".py", ".toml"}
    }
    assert written == files


def test_the_tutorial_begins_with_a_provider_of_eleven_lines(read):
    blocks = TITLED.findall(read("docs/plugins/tutorial.md").text)
    first = next(text for title, text in blocks if title.endswith("parrot.py"))
    assert len([line for line in first.splitlines() if line]) == 11


def load(path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def example_tests(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The tests of the example, in this environment."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.delitem(__import__("sys").modules, "llm_mcp_hub_parrot", raising=False)
    return load(EXAMPLE / "tests" / "test_parrot.py")


@pytest.mark.anyio
async def test_the_example_keeps_the_contract(example_tests: types.ModuleType) -> None:
    shown = provider_promises(example_tests.ABILITIES)
    assert len(shown) > 30
    await check_provider(example_tests.make, example_tests.ABILITIES)


def test_the_example_s_own_test_with_a_hub_passes(example_tests: types.ModuleType) -> None:
    example_tests.test_it_answers_through_a_hub()
