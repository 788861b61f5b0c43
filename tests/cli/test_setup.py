"""`llm-mcp-hub setup`, with a vendor of the tests' own."""

import json
import os
import select
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def vendor(tmp_path, environment, data_dir):
    """Install the vendor's plugin for the processes of the test; its directory."""
    site = tmp_path / "site"
    about = site / "vendor_plugin-1.0.dist-info"
    about.mkdir(parents=True)
    shutil.copy(Path(__file__).with_name("fake_vendor.py"), site)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: vendor-plugin\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[llm_mcp_hub]\nvendor = fake_vendor\n")
    environment |= {"PYTHONPATH": str(site), "VENDOR_API_KEY": "never", "PYTHONWARNINGS": "error"}
    return data_dir / "providers" / "vendor"


def test_it_installs_logs_in_tests_and_says_what_comes_next(run, vendor):
    done = run("setup", "vendor")
    assert done.returncode == 0, done.stderr
    assert (vendor / "tool").read_text() == "1.0"
    assert "the vendor says hello" in done.stdout
    assert "Installed Vendor Tool." in done.stderr
    assert "Next: llm-mcp-hub serve" in done.stderr
    assert run("chat", "vendor/echo", "it works").stdout == "it works\n"


def test_a_tool_that_is_installed_is_not_installed_again(run, vendor):
    run("setup", "vendor")
    (vendor / "tool").write_text("2.0")
    assert run("setup", "vendor").returncode == 0
    assert (vendor / "tool").read_text() == "2.0"


def test_the_install_can_be_left_out(run, vendor):
    assert run("setup", "vendor", "--skip-install").returncode == 0
    assert not (vendor / "tool").exists()


def test_a_token_from_standard_input_is_stored_and_not_shown(run, vendor):
    done = run("setup", "vendor", "--token-stdin", text="vendor-secret\n")
    assert done.returncode == 0, done.stderr
    assert (vendor / "token").read_bytes() == b"vendor-secret"
    assert "vendor-secret" not in done.stdout + done.stderr
    assert not (vendor / "login").exists()


def test_a_login_takes_the_place_of_an_older_token(run, vendor):
    run("setup", "vendor", "--token-stdin", text="vendor-old")
    run("setup", "vendor")
    assert not (vendor / "token").exists()


def test_what_is_no_token_is_refused(run, vendor):
    done = run("setup", "vendor", "--token-stdin", text="key-123")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "Error: That is not a token of Vendor Tool."
    assert not (vendor / "token").exists()


def test_an_installer_that_is_missing_is_named(run, tmp_path):
    file = tmp_path / "hub.toml"
    file.write_text('[providers.vendor]\ninstaller = "absent-installer"\n')
    done = run("setup", "vendor", "--config", str(file))
    assert done.returncode == 1
    assert "absent-installer is needed" in done.stderr
    assert "--skip-install" in done.stderr


def test_an_installer_that_fails_is_quoted(run, tmp_path):
    file = tmp_path / "hub.toml"
    file.write_text("[providers.vendor]\nbroken = true\n")
    done = run("setup", "vendor", "--config", str(file))
    assert done.returncode == 1
    assert "no room left" in done.stderr
    assert "exit code 3" in done.stderr


def test_an_unknown_provider_is_answered_with_the_known_ones(run):
    done = run("setup", "nobody")
    assert done.returncode == 1
    assert "vendor" in done.stderr


def test_a_provider_without_a_tool_needs_no_setup(run):
    assert run("setup", "echo").returncode == 0


def test_a_token_that_is_pasted_on_a_terminal_is_not_echoed(argv, environment, terminal, vendor):
    person, program = terminal
    process = subprocess.Popen(
        [*argv, "setup", "vendor", "--token"],
        env=environment | {"TERM": "xterm"},
        stdin=program,
        stdout=program,
        stderr=program,
        start_new_session=True,
    )
    seen = ""

    def wait_for(text):
        nonlocal seen
        while text not in seen:
            assert select.select([person], [], [], 60)[0], seen
            seen += os.read(person, 65536).decode(errors="replace")

    wait_for("here is your token")
    wait_for("Paste the token")
    os.write(person, b"vendor-typed\n")
    wait_for("Next: llm-mcp-hub serve")
    assert process.wait(60) == 0
    assert (vendor / "token").read_bytes() == b"vendor-typed"
    assert "vendor-typed" not in seen


def test_doctor_tells_the_tool_the_login_and_the_self_test(run):
    before = json.loads(run("doctor", "--json").stdout)
    problems = [one for one in before["findings"] if one["about"] == "provider vendor"]
    assert [one["ok"] for one in problems] == [False, False, False]
    assert all("llm-mcp-hub" in one["remedy"] for one in problems)
    run("setup", "vendor")
    after = json.loads(run("doctor", "--json").stdout)
    assert after["usable"] == ["vendor"]
    found = [one for one in after["findings"] if one["about"] == "provider vendor"]
    assert [one["ok"] for one in found] == [True, True, True]
