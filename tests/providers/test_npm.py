"""A tool from npm: which one is used, what its version must be, and what to do without one."""

from pathlib import Path

import pytest

from llm_mcp_hub.errors import ProviderUnavailable
from llm_mcp_hub.providers.npm import NpmTool

TOOL = NpmTool("the Tool", "kind", "@vendor/tool", "1.2.3", (1, 2, 0), "tool")


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o700)
    return str(path)


def test_the_configured_program_goes_before_the_installed_and_that_before_the_path(
    tmp_path: Path,
) -> None:
    installation = TOOL.at(tmp_path / "data")
    on_path = program(tmp_path / "bin" / "tool")
    environment = {"PATH": str(tmp_path / "bin")}
    assert installation.find("", environment) == on_path
    installed = program(installation.executable)
    assert installation.find("", environment) == installed
    named = program(tmp_path / "mine" / "other")
    assert installation.find(named, environment) == named


def test_without_a_program_the_error_says_what_to_run(tmp_path: Path) -> None:
    installation = TOOL.at(tmp_path)
    with pytest.raises(ProviderUnavailable, match=r"^The Tool is not installed\. .*setup kind`"):
        installation.find("", {"PATH": ""})
    with pytest.raises(ProviderUnavailable, match="`executable` of the Tool does not exist"):
        installation.find("/no/such/tool", {})


def test_one_installation_serves_all_providers_of_a_kind_that_have_none_of_their_own(
    tmp_path: Path,
) -> None:
    own, shared = tmp_path / "second", tmp_path / "kind"
    assert TOOL.at(own).directory == own / "cli"
    assert TOOL.at(own, shared).directory == shared / "cli"
    (own / "cli").mkdir(parents=True)
    assert TOOL.at(own, shared).directory == own / "cli"


@pytest.mark.parametrize("version", ["1.2.0", "1.10.0", "2.0.0-preview"])
def test_a_version_that_is_new_enough_is_taken(version: str) -> None:
    TOOL.check_version(version)


@pytest.mark.parametrize("version", ["1.1.9", "0.61.0", "new", "", None])
def test_an_old_or_unknown_version_is_refused(version: str | None) -> None:
    with pytest.raises(ProviderUnavailable, match=r"^The Tool .* too old: .* 1\.2\.0 or newer"):
        TOOL.check_version(version)
