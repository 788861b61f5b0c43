"""`llm-mcp-hub usage`."""

import asyncio
import csv
import io
import json
import time

import pytest

from llm_mcp_hub.domain.usage import HOUR, UsageBatch, UsageRow, UsageSlot
from llm_mcp_hub.state.sqlite import SqliteStore


@pytest.fixture
def counted(run, tmp_path):
    """Runs `usage` on a state with five turns of today's; the words are added to the command."""
    path = tmp_path / "counted.db"
    start = int(time.time()) // HOUR * HOUR

    def row(provider, principal, **counts):
        return UsageRow(UsageSlot(HOUR, start, provider, "m", principal), counts, start * 2.0)

    async def fill():
        store = SqliteStore(str(path))
        rows = (
            row("claude", "ann", answered=3, input=1200, output=90, **{"time:40": 3}),
            row("claude", "bob", answered=1, cancelled=1, **{"error:queue_full": 2}),
            row("echo", "ann", answered=1),
        )
        await store.add_usage(UsageBatch("test", 1, rows), start)
        await store.aclose()

    asyncio.run(fill())
    return lambda *words: run("usage", "--state", f"sqlite:///{path}", *words)


def test_the_table_has_a_row_for_each_bucket_and_one_for_all(counted):
    lines = counted().stdout.splitlines()
    assert lines[0].split("\t")[:4] == ["FROM", "REQUESTS", "FAILED", "CANCELLED"]
    assert len(lines) == 3
    assert lines[1].split("\t")[1:6] == ["8", "2", "1", "1200", "90"]
    assert lines[2].split("\t")[:4] == ["all", "8", "2", "1"]


def test_groups_are_rows(counted):
    lines = counted("--group-by", "provider,access_token").stdout.splitlines()
    assert [line.split("\t")[:4] for line in lines[4:]] == [
        ["all", "claude", "ann", "3"],
        ["all", "claude", "bob", "4"],
        ["all", "echo", "ann", "1"],
    ]


def test_json_is_what_the_rest_api_says(counted):
    report = json.loads(counted("--json", "--bucket", "hour", "--group-by", "model").stdout)
    assert report["total"]["errors"] == {"queue_full": 2}
    assert report["groups"][0]["model"] == "m"
    assert len(report["data"]) in {24, 25}


def test_csv(counted):
    done = counted("--csv", "--tz", "Asia/Seoul", "--group-by", "access_token")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {row["access_token"]: row["requests"] for row in rows} == {"ann": "4", "bob": "4"}
    assert rows[0]["start"].endswith("T00:00:00+09:00")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tz", "Nowhere"), "`tz` is an offset"),
        (("--group-by", "x"), "`group_by` is"),
        (("--from", "x"), "`from` is Unix seconds"),
    ],
)
def test_what_is_not_understood_is_told_in_one_line(counted, words, said):
    done = counted(*words)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_any_usage_there_is_a_whole_of_nothing(run):
    done = run("usage")
    assert done.returncode == 0
    assert done.stdout.splitlines()[1].split("\t")[:2] == ["all", "0"]
