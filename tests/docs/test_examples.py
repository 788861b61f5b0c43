"""The examples work: each is taken from the page and run against a hub that serves."""

import itertools
import re
import shlex
import time
import types

import httpx
import msgspec
import pytest
from litestar import Litestar

from llm_mcp_hub.api.openai.schemas import ChatCompletionRequest
from llm_mcp_hub.testing import create_test_hub

HUB_URL = "http://127.0.0.1:8642"
WITH_CURL = ["README.md", "README.ko.md", "docs/getting-started.md", "docs/sessions.md"]


def curl_of(page) -> tuple[str, dict[str, str], bytes]:
    """URL, headers and body of the page's only `curl`."""
    (block,) = [block for block in page.blocks("sh") if "curl" in block]
    words = shlex.split(block[block.index("curl") :].replace("\\\n", " "))
    urls = [word for word in words if word.startswith("http")]
    pairs = list(itertools.pairwise(words))
    headers = [value.partition(": ") for option, value in pairs if option == "-H"]
    (data,) = [value for option, value in pairs if option == "-d"]
    assert len(urls) == 1
    return urls[0], {name: value for name, _, value in headers}, data.encode()


@pytest.mark.parametrize("name", WITH_CURL)
def test_the_curl_of_a_page_is_answered(name, read, hub):
    url, headers, body = curl_of(read(name))
    assert url.startswith(HUB_URL)
    headers["Authorization"] = headers["Authorization"].replace("$TOKEN", hub.admin_token)
    answer = httpx.post(url.replace(HUB_URL, hub.base_url), headers=headers, content=body)
    assert answer.status_code == 200
    assert answer.headers["x-session-id"] == headers.get(
        "X-Session-ID", answer.headers["x-session-id"]
    )
    assert "x-hub-ignored" not in answer.headers
    if b'"stream": true' in body:
        assert answer.text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("name", WITH_CURL)
def test_the_curl_of_a_page_uses_fields_that_exist(name, read):
    body = msgspec.json.decode(curl_of(read(name))[2])
    assert set(body) <= set(ChatCompletionRequest.__struct_fields__)


@pytest.mark.parametrize("name", ["README.md", "README.ko.md", "docs/getting-started.md"])
def test_the_example_with_openai_s_library_runs(name, read, hub):
    pytest.importorskip("openai")
    (block,) = [block for block in read(name).blocks("python") if "openai" in block]
    here = block.replace(HUB_URL, hub.base_url).replace("claude/sonnet", "echo/echo")
    said: list[str] = []
    names = {"TOKEN": hub.admin_token, "print": lambda text, **_: said.append(text)}
    exec(compile(here, "example", "exec"), names)
    names["client"].close()
    assert "".join(said) == "Name three quiet places by the sea."


def test_the_example_with_anthropic_s_library_runs(read, hub):
    pytest.importorskip("anthropic")
    (block,) = read("docs/messages.md").blocks("python")
    here = block.replace(HUB_URL, hub.base_url).replace("claude/sonnet", "echo/echo")
    said: list[str] = []
    names = {"TOKEN": hub.admin_token, "print": said.append}
    exec(compile(here, "example", "exec"), names)
    names["client"].close()
    assert said == ["Name three quiet places by the sea."]


def test_the_answer_and_the_error_of_the_messages_page_have_the_shape_of_real_ones(read, hub):
    for model, mark in (("echo/echo", '"stop_reason"'), ("gpt-9", '"error_code"')):
        answer = httpx.post(
            f"{hub.base_url}/v1/messages",
            headers=hub.headers(),
            json={
                "model": model,
                "max_tokens": 9,
                "messages": [{"role": "user", "content": "And again"}],
            },
        )
        block = next(b for b in read("docs/messages.md").blocks("json") if mark in b)
        assert shape(answer.json()) == shape(msgspec.json.decode(block))


@pytest.mark.parametrize("name", ["README.md", "README.ko.md", "docs/getting-started.md"])
def test_the_example_as_a_library_makes_an_application_with_the_hub_s_routes(name, read):
    (block,) = [block for block in read(name).blocks("python") if "Litestar" in block]
    made: dict[str, object] = {}
    exec(compile(block, "example", "exec"), made)
    apps = [value for value in made.values() if isinstance(value, Litestar)]
    assert apps
    for app in apps:
        assert any(route.path.endswith("/v1/models") for route in app.routes)


@pytest.fixture
def shout(read) -> types.ModuleType:
    """The provider of the plugin page, as a module."""
    module = types.ModuleType("shout")
    (source,) = [
        block
        for block in read("docs/plugins/index.md").blocks("python")
        if "class ShoutProvider" in block
    ]
    exec(compile(source, "shout", "exec"), module.__dict__)
    return module


def test_the_provider_of_the_plugin_page_answers_whole_and_streamed(shout):
    with create_test_hub({"providers": {"shout": {}}}, plugins=[("shout", shout)]) as hub:
        for stream in (False, True):
            answer = httpx.post(
                f"{hub.base_url}/v1/chat/completions",
                headers=hub.headers(),
                json={
                    "model": "shout/loud",
                    "stream": stream,
                    "messages": [{"role": "user", "content": "hello there"}],
                },
            )
            assert answer.status_code == 200
            assert "HELLO " in answer.text
            assert "THERE " in answer.text


def test_the_test_of_the_plugin_page_passes(shout, read):
    (source,) = [
        block
        for block in read("docs/plugins/index.md").blocks("python")
        if "create_test_hub" in block
    ]
    names: dict[str, object] = {"plugin": shout}
    exec(compile(source, "test_shout", "exec"), names)
    names["test_shouting_is_loud"]()


def test_the_settings_of_the_plugin_page_make_a_factory(shout, read):
    blocks = read("docs/plugins/index.md").blocks("python")
    sources = [block for block in blocks if "Settings(Struct" in block]
    for source in sources:
        exec(compile(source, "settings", "exec"), shout.__dict__)
    assert shout.ShoutSettings().mark == "!"
    assert shout.ShoutRuntimeSettings().mark == "!"
    assert shout.ToolRuntimeSettings().config_dir == ""
    assert len(sources) == 3


def test_both_readmes_show_the_same_code_and_have_the_same_parts(read):
    english, korean = read("README.md"), read("README.ko.md")
    assert re.findall(r"^```.*?^```$", english.text, re.DOTALL | re.MULTILINE) == re.findall(
        r"^```.*?^```$", korean.text, re.DOTALL | re.MULTILINE
    )
    levels = [re.findall(r"^(#+) ", page.prose, re.MULTILINE) for page in (english, korean)]
    assert levels[0] == levels[1]
    assert sorted(set(english.links()) - {"README.ko.md"}) == sorted(
        set(korean.links()) - {"README.md"}
    )
    assert "README.ko.md" in english.links()
    assert "README.md" in korean.links()


def test_the_body_of_an_error_in_the_pages_is_what_the_hub_sends(read, hub):
    (block,) = read("docs/errors.md").blocks("json")
    answer = httpx.post(
        f"{hub.base_url}/v1/chat/completions",
        headers=hub.headers(),
        json={"model": "gpt-9", "messages": [{"role": "user", "content": "hello"}]},
    )
    assert answer.json() == msgspec.json.decode(block)


def test_the_answer_in_the_pages_has_the_shape_of_a_real_one(read, hub):
    block = next(
        block for block in read("docs/rest-api.md").blocks("json") if '"chat.completion"' in block
    )
    answer = httpx.post(
        f"{hub.base_url}/v1/chat/completions",
        headers=hub.headers(),
        json={"model": "echo/echo", "messages": [{"role": "user", "content": "And again"}]},
    )
    assert shape(answer.json()) == shape(msgspec.json.decode(block))


@pytest.mark.parametrize(
    ("page", "mark", "path"),
    [
        ("docs/rest-api.md", '"next_cursor"', "/v1/sessions"),
        ("docs/rest-api.md", '"owned_by"', "/v1/models"),
        ("docs/rest-api.md", '"healthy"', "/health"),
    ],
)
def test_the_objects_in_the_pages_have_the_shape_of_real_ones(page, mark, path, read, hub):
    httpx.post(
        f"{hub.base_url}/v1/chat/completions",
        headers=hub.headers(),
        json={"model": "echo/echo", "messages": [{"role": "user", "content": "hello"}]},
    )
    block = next(block for block in read(page).blocks("json") if mark in block)
    answer = httpx.get(f"{hub.base_url}{path}", headers=hub.headers())
    assert shape(answer.json()) == shape(msgspec.json.decode(block))


def test_the_report_of_usage_in_the_pages_has_the_shape_of_a_real_one(read, hub):
    httpx.post(
        f"{hub.base_url}/v1/chat/completions",
        headers=hub.headers(),
        json={"model": "echo/echo", "messages": [{"role": "user", "content": "hello"}]},
    )
    hub.call(hub.hub._recorder.flush())
    block = next(block for block in read("docs/rest-api.md").blocks("json") if '"p95_' in block)
    real = httpx.get(
        f"{hub.base_url}/v1/usage?group_by=provider&from={time.time()}", headers=hub.headers()
    ).json()
    shown = msgspec.json.decode(block)
    for report in (real, shown):
        for part in (report, *report["data"]):
            figures = [part.get("figures", report["total"])]
            for one in (*figures, *(group["figures"] for group in part["groups"])):
                one["errors"] = {}
    assert shape(real) == shape(shown)


def test_the_access_token_in_the_pages_can_be_made(read, hub):
    block = next(b for b in read("docs/rest-api.md").blocks("json") if "requests_per_minute" in b)
    made = httpx.post(f"{hub.base_url}/v1/access-tokens", headers=hub.headers(), content=block)
    assert made.status_code == 201
    assert made.json()["limits"]["requests_per_minute"] == 20


def shape(value: object) -> object:
    """Keys and types, without the values; of a list, those of its first item."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value)
