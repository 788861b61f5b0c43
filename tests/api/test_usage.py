"""What has been used, over REST: all of it for the admin, one's own for everybody else."""

import csv
import io
import time

import httpx
import pytest

from llm_mcp_hub.testing import create_test_hub
from llm_mcp_hub.testing.redis_server import redis_server, redis_server_binary


@pytest.fixture
def own(scripted, chat_with):
    """A hub of the test's own, an admin, and a caller."""
    with create_test_hub(plugins=[("scripted", scripted)]) as hub:
        token = hub.token("ann")
        with (
            httpx.Client(base_url=hub.base_url, headers=hub.headers(), timeout=20) as admin,
            httpx.Client(base_url=hub.base_url, headers=hub.headers(token), timeout=20) as ann,
        ):
            yield hub, admin, ann


def used(client, **params):
    answer = client.get("/v1/usage", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def flush(hub):
    hub.call(hub.hub._recorder.flush())


def some_turns(chat_with, admin, ann):
    chat_with(admin)("one two", model="echo/echo")
    chat_with(ann)("say hello", model="scripted/one")
    chat_with(ann)("say hello", model="scripted/two")
    chat_with(ann)("fail WorkerDied", model="scripted/one")
    chat_with(ann)("refuse QueueFull", model="scripted/one")
    assert chat_with(ann)("hello", model="scripted/one", session="bad id").status_code == 400


def test_turns_are_counted_by_how_they_ended(own, chat_with):
    hub, admin, ann = own
    some_turns(chat_with, admin, ann)
    flush(hub)
    total = used(admin)["total"]
    assert (total["requests"], total["answered"], total["failed"]) == (5, 3, 2)
    assert total["errors"] == {"queue_full": 1, "worker_died": 1}
    assert total["input_tokens"] == 2 + 3 + 3
    assert 0 < total["mean_first_chunk_seconds"] <= total["mean_seconds"]
    assert total["p95_seconds"] > 0


def test_a_turn_whose_client_leaves_is_cancelled(own, chat_with, scripted, until):
    hub, admin, _ = own
    body = {"model": "scripted/one", "messages": [{"role": "user", "content": "wait"}]}
    with pytest.raises(httpx.ReadTimeout):
        admin.post("/v1/chat/completions", json=body, timeout=0.3)

    def cancelled():
        flush(hub)
        return used(admin)["total"]["cancelled"] == 1

    until(cancelled, "the cancelled turn")


@pytest.mark.parametrize(
    "group_by", ["provider", "model", "access_token", "access_token,provider,model"]
)
def test_the_parts_add_up_to_the_whole(own, chat_with, group_by):
    hub, admin, ann = own
    some_turns(chat_with, admin, ann)
    flush(hub)
    report = used(admin, group_by=group_by, bucket="hour")
    counts = ("requests", "answered", "failed", "cancelled", "input_tokens", "output_tokens")
    for name in counts:
        whole = report["total"][name]
        assert whole == sum(one["figures"][name] for one in report["data"]), name
        assert whole == sum(one["figures"][name] for one in report["groups"]), name
        for bucket in report["data"]:
            parts = sum(one["figures"][name] for one in bucket["groups"])
            assert bucket["figures"][name] == parts, name
    assert report["group_by"] == [
        name for name in ("provider", "model", "access_token") if name in group_by
    ]


def test_callers_see_their_own_and_the_admin_everybody_s(own, chat_with):
    hub, admin, ann = own
    some_turns(chat_with, admin, ann)
    flush(hub)
    mine = used(ann, group_by="access_token,provider")
    assert [(one["access_token"], one["provider"]) for one in mine["groups"]] == [
        ("ann", "scripted")
    ]
    assert mine["total"]["requests"] == 4
    everybody = used(admin, group_by="access_token")["groups"]
    assert {one["access_token"] for one in everybody} > {"ann"}
    assert ann.get("/v1/usage/summary").json()["figures"]["requests"] == 4
    assert admin.get("/v1/usage/summary").json()["figures"]["requests"] == 5


def test_the_summary_is_of_the_last_sixty_minutes(own, chat_with):
    hub, admin, ann = own
    some_turns(chat_with, admin, ann)
    flush(hub)
    summary = admin.get("/v1/usage/summary").json()
    assert summary["end"] - summary["start"] == 3600
    assert summary["start"] % 60 == 0
    assert summary["end"] - 60 <= time.time() <= summary["end"] + 20
    assert summary["figures"]["errors"] == {"queue_full": 1, "worker_died": 1}
    assert [one["provider"] for one in summary["groups"]] == ["echo", "scripted"]


def test_empty_buckets_are_there_and_days_begin_where_the_caller_is(http):
    report = used(
        http,
        **{"from": "2026-11-01T00:00+09:00", "to": "2026-11-07T23:00+09:00", "tz": "+09:00"},
    )
    starts = [one["start"] for one in report["data"]]
    assert len(starts) == 7
    assert {(start + 9 * 3600) % 86_400 for start in starts} == {0}
    assert [one["end"] for one in report["data"]] == [*starts[1:], report["end"]]
    assert all(one["figures"]["requests"] == 0 and one["groups"] == [] for one in report["data"])
    assert report["total"]["mean_seconds"] is None


@pytest.mark.parametrize("tz", ["+09:00", " 09:00", "+0900", "Asia/Seoul", "-03:30", "Z", "utc"])
def test_zones_that_are_understood(http, tz):
    assert used(http, tz=tz, bucket="month")["total"]["requests"] == 0


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"tz": "Nowhere/Land"}, "tz"),
        ({"tz": "../../etc/passwd"}, "tz"),
        ({"tz": "+25:00"}, "tz"),
        ({"from": "yesterday"}, "from"),
        ({"from": "nan"}, "from"),
        ({"from": "inf"}, "from"),
        ({"from": "5", "to": "4"}, "from"),
        ({"from": "-5"}, "from"),
        ({"to": "1e300"}, "from"),
        ({"from": "0", "bucket": "hour"}, "bucket"),
        ({"bucket": "minute"}, "bucket"),
        ({"group_by": "principal"}, "group_by"),
        ({"group_by": ""}, "group_by"),
        ({"format": "xml"}, "format"),
    ],
)
def test_what_is_not_understood_is_refused(http, params, param):
    answer = http.get("/v1/usage", params=params)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_csv_by_accept_or_by_name(own, chat_with):
    hub, admin, ann = own
    some_turns(chat_with, admin, ann)
    flush(hub)
    params = {"group_by": "provider", "bucket": "hour", "tz": "+09:00"}
    by_accept = admin.get("/v1/usage", params=params, headers={"accept": "text/csv"})
    by_name = admin.get("/v1/usage", params={**params, "format": "csv"})
    assert by_accept.text == by_name.text
    assert by_name.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(by_name.text)))
    assert sum(int(row["requests"]) for row in rows) == 5
    assert {row["provider"] for row in rows} == {"echo", "scripted"}
    assert {row["start"][-6:] for row in rows} == {"+09:00"}
    assert "queue_full=1 worker_died=1" in {row["errors"] for row in rows}
    both = {"accept": "application/json, text/csv"}
    assert admin.get("/v1/usage", headers=both).headers["content-type"] == "application/json"
    as_json = admin.get("/v1/usage", params={"format": "json"}, headers={"accept": "text/csv"})
    assert as_json.json()["total"]["requests"] == 5


def test_a_name_is_no_formula_to_a_spreadsheet(own, chat_with):
    hub, admin, _ = own
    chat_with(admin)("say x", model="scripted/=1+2")
    flush(hub)
    answer = admin.get("/v1/usage", params={"group_by": "model", "format": "csv"})
    assert ",'=1+2," in answer.text


def test_without_groups_each_bucket_is_one_row(own):
    _, admin, _ = own
    rows = admin.get(
        "/v1/usage", params={"format": "csv", "bucket": "week", "from": time.time() - 20 * 86_400}
    ).text.splitlines()
    assert len(rows) in {4, 5}


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("redis", marks=pytest.mark.redis)])
def test_usage_outlives_a_restart_and_two_hubs_add_up(chat_with, tmp_path, kind):
    if kind == "redis" and redis_server_binary() is None:
        pytest.skip("no redis-server on the path")

    def two_hubs(state):
        with create_test_hub(state=state) as one, create_test_hub(state=state) as other:
            for hub in (one, other, other):
                with httpx.Client(base_url=hub.base_url, headers=hub.headers()) as client:
                    assert chat_with(client)("hello").status_code == 200
        # Nothing was flushed: the end of the hubs has done it.
        with (
            create_test_hub(state=state) as again,
            httpx.Client(base_url=again.base_url, headers=again.headers()) as client,
        ):
            assert used(client)["total"]["answered"] == 3

    if kind == "sqlite":
        two_hubs(f"sqlite:///{tmp_path / 'hub.db'}")
    else:
        with redis_server() as server:
            two_hubs(server.url)
