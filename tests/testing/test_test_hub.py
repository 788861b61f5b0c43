"""The hub that is shipped for tests, and the pytest plugin around it."""

import subprocess
import sys
import threading

import httpx
import pytest
from litestar import Litestar

from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.testing import create_test_hub
from llm_mcp_hub.testing import hub as hub_module


def test_the_fixture_is_a_hub_that_serves(hub_server):
    assert httpx.get(f"{hub_server.base_url}/health").json()["status"] == "healthy"
    assert hub_server.base_url.startswith("http://127.0.0.1:")


@pytest.mark.anyio
async def test_it_can_be_used_from_asynchronous_tests():
    async with create_test_hub() as hub, httpx.AsyncClient(base_url=hub.base_url) as client:
        answer = await client.get("/v1/models", headers=hub.headers(hub.token("someone", "chat")))

    assert answer.status_code == 200


def test_nothing_is_left_of_it():
    threads = set(threading.enumerate())
    with create_test_hub() as hub:
        directory = hub.hub.config.data_path
        assert directory.is_dir()

    assert not directory.exists()
    assert not [t for t in set(threading.enumerate()) - threads if not t.name.startswith("hub-")]
    with pytest.raises(httpx.ConnectError):
        httpx.get(hub.base_url)


def test_a_wrong_configuration_is_refused():
    with pytest.raises(ConfigError):
        create_test_hub({"nonsense": 1})


def test_an_application_that_can_not_start_is_told():
    def app(hub):
        def fail() -> None:
            raise RuntimeError("no")

        return Litestar(on_startup=[fail], logging_config=None)

    with pytest.raises(RuntimeError, match="did not start"):
        create_test_hub(app=app).start()


def test_a_hub_that_takes_too_long_to_start_is_told_and_ends(monkeypatch):
    monkeypatch.setattr(hub_module, "START_SECONDS", 0.0)
    threads = set(threading.enumerate())
    slow = create_test_hub()
    with pytest.raises(RuntimeError, match="did not start within 0 s"):
        slow.start()

    assert not slow.hub.config.data_path.exists()
    assert not [t for t in set(threading.enumerate()) - threads if not t.name.startswith("hub-")]


def test_pytest_does_not_import_the_hub_for_its_plugin(tmp_path):
    code = (
        "import sys, llm_mcp_hub.testing.pytest_plugin\n"
        "print([m for m in ('litestar', 'msgspec', 'uvicorn', 'structlog', 'hypothesis', 'redis')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )

    assert done.stdout.strip() == "[]"
