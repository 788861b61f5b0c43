"""`llm-mcp-hub config show`."""

import json

from llm_mcp_hub.services.configuration import hidden


def test_the_effective_settings_are_shown_with_where_they_come_from(run, tmp_path, data_dir):
    file = tmp_path / "hub.toml"
    file.write_text('[server]\nport = 9000\n[aliases]\n"gpt-4o" = "claude/sonnet"\n')
    shown = json.loads(run("config", "show", "--json", "--config", str(file)).stdout)
    assert shown["file"] == str(file)
    assert shown["data_dir"] == str(data_dir)
    assert shown["state"] == f"sqlite:///{data_dir / 'hub.db'}"
    assert shown["settings"]["server"]["port"] == 9000
    assert shown["settings"]["aliases"] == {"gpt-4o": "claude/sonnet"}


def test_without_json_every_setting_is_one_line(run):
    lines = run("config", "show").stdout.splitlines()
    assert "server.port = 8642" in lines
    assert "# configuration file: none" in lines


def test_secrets_are_hidden(run, tmp_path):
    file = tmp_path / "hub.toml"
    file.write_text(
        'state = "redis://hub:pass-one@127.0.0.1/0?password=pass-two&db=1"\n'
        '[providers.claude.environment]\nPROXY_PASSWORD = "pass-three"\n'
        'OTHER = "sk-ant-oat01-four"\n'
    )
    for words in (["config", "show"], ["config", "show", "--json"]):
        done = run(*words, "--config", str(file))
        assert done.returncode == 0
        for secret in ("pass-one", "pass-two", "pass-three", "sk-ant-oat01-four"):
            assert secret not in done.stdout
        assert "db=1" in done.stdout


def test_a_setting_in_a_list_is_hidden_by_its_look():
    shown = hidden({"a": ["redis://u:secret-word@h/0", 3], "max_tokens": 4, "token": "abc"})
    assert shown["a"][1] == 3
    assert "secret-word" not in shown["a"][0]
    assert shown["max_tokens"] == 4
    assert shown["token"] != "abc"
