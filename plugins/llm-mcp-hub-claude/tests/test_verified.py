"""That a login was proved by an answer is known to the hub's next run as well."""

from pathlib import Path

import httpx

import llm_mcp_hub_claude
from llm_mcp_hub.testing.hub import TestHub, create_test_hub
from llm_mcp_hub_claude.testing import fake_cli

SECONDS = 60.0


def hub_on(state: Path, token_file: Path) -> TestHub:
    settings = {"pool": {"min_spare": 0}, "oauth_token_file": str(token_file)}
    made = create_test_hub(
        {"providers": {"claude": settings}},
        state=f"sqlite:///{state}",
        plugins=[("claude", llm_mcp_hub_claude)],
    )
    program = made.hub.config.data_path / "providers/claude/cli/node_modules/.bin"
    program.mkdir(parents=True)
    fake_cli.install(program)
    return made


def verified_at(hub: TestHub) -> float | None:
    answer = httpx.get(f"{hub.base_url}/health/tokens", headers=hub.headers(), timeout=SECONDS)
    (login,) = answer.json()["data"]
    found: float | None = login["verified_at"]
    return found


def test_a_restart_does_not_forget_when_a_login_was_proved(
    tmp_path: Path, token_file: Path
) -> None:
    with hub_on(tmp_path / "hub.db", token_file) as hub:
        assert verified_at(hub) is None
        answer = httpx.post(
            f"{hub.base_url}/v1/providers/claude/verify", headers=hub.headers(), timeout=SECONDS
        )
        assert answer.is_success, answer.text
        proved = verified_at(hub)
        assert proved is not None
    with hub_on(tmp_path / "hub.db", token_file) as hub:
        hub.call(hub.hub.monitor.look())
        assert verified_at(hub) == proved
