"""The hub's own access tokens, over REST."""

import time

import httpx
import pytest

from llm_mcp_hub.testing import create_test_hub

TOKENS = "/v1/access-tokens"
NO_LIMITS = {
    "requests_per_minute": None,
    "requests_per_day": None,
    "tokens_per_day": None,
    "concurrent_turns": None,
}


@pytest.fixture
def own():
    with (
        create_test_hub() as hub,
        httpx.Client(base_url=hub.base_url, headers=hub.headers(), timeout=20) as admin,
    ):
        yield hub, admin


def make(admin, name="n8n", **fields):
    answer = admin.post(TOKENS, json={"name": name, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def listed(admin):
    """All tokens, without what their use changes."""
    return [one | {"last_used_at": None} for one in admin.get(TOKENS).json()["data"]]


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text


def test_a_token_is_made_and_works_and_its_text_is_never_shown_again(own):
    hub, admin = own
    made = make(admin)
    text = made.pop("token")
    assert text.startswith(f"hub-{made['id']}-")
    assert (made["scopes"], made["priority"], made["limits"]) == (
        ["chat", "sessions"],
        "interactive",
        NO_LIMITS,
    )
    assert abs(made["created_at"] - time.time()) < 60
    assert admin.get("/v1/models", headers=hub.headers(text)).status_code == 200
    listed = admin.get(TOKENS)
    assert text.rpartition("-")[2] not in listed.text
    assert "secret_hash" not in listed.text
    assert made in listed.json()["data"]


def test_everything_about_a_token_can_be_chosen(own):
    _, admin = own
    ends = time.time() + 3600
    chosen = {
        "scopes": ["sessions"],
        "priority": "batch",
        "limits": {**NO_LIMITS, "requests_per_day": 5},
        "expires_at": ends,
    }
    made = make(admin, **chosen)
    assert {name: made[name] for name in chosen} == chosen


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "a b"},
        {"name": ""},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["root"]},
        {"name": "x", "limits": {"requests_per_minute": 0}},
        {"name": "x", "limits": {"requests_per_minute": 10**6}},
        {"name": "x", "limits": {"per_second": 1}},
        {"name": "x", "expires_at": 5},
        {"name": "x", "secret": "mine"},
        {},
    ],
)
def test_what_will_not_do_is_refused(http, fields):
    before = listed(http)
    refused(http.post(TOKENS, json=fields), 400, "invalid_request")
    assert listed(http) == before


def test_a_name_is_taken_once(own):
    _, admin = own
    make(admin)
    refused(admin.post(TOKENS, json={"name": "n8n"}), 409, "name_taken")


def test_who_am_i(own):
    hub, admin = own
    made = make(admin, scopes=["chat"], limits={"tokens_per_day": 7}, expires_at=time.time() + 99)
    me = admin.get(f"{TOKENS}/current", headers=hub.headers(made["token"])).json()
    assert me == {
        "id": made["id"],
        "name": "n8n",
        "scopes": ["chat"],
        "priority": "interactive",
        "limits": {**NO_LIMITS, "tokens_per_day": 7},
        "expires_at": made["expires_at"],
        "object": "caller",
    }
    assert admin.get(f"{TOKENS}/current").json()["scopes"] == ["admin"]


def test_without_access_control_one_is_local():
    with create_test_hub({"access": {"enabled": False}}) as hub:
        me = httpx.get(f"{hub.base_url}{TOKENS}/current").json()
    assert (me["id"], me["name"], me["expires_at"]) == (None, "local", None)


def test_what_is_changed_counts_at_once_and_the_rest_stays(own):
    hub, admin = own
    made = make(admin, limits={"requests_per_day": 5}, expires_at=time.time() + 999)
    text = made.pop("token")
    mine = hub.headers(text)
    assert admin.get("/v1/sessions", headers=mine).status_code == 200
    path = f"{TOKENS}/{made['id']}"
    changed = admin.patch(path, json={"scopes": ["chat"]}).json()
    assert changed == {**made, "scopes": ["chat"]} | {"last_used_at": changed["last_used_at"]}
    assert admin.get("/v1/sessions", headers=mine).status_code == 403
    changed = admin.patch(path, json={"limits": {"tokens_per_day": 9}, "expires_at": None}).json()
    assert changed["limits"] == {**NO_LIMITS, "tokens_per_day": 9}
    assert changed["expires_at"] is None
    assert changed["scopes"] == ["chat"]
    assert admin.patch(path, json={}).json()["limits"]["tokens_per_day"] == 9
    refused(admin.patch(path, json={"name": "other"}), 400, "invalid_request")
    refused(admin.patch(path, json={"scopes": []}), 400, "invalid_request")


def test_a_revoked_token_is_worthless_at_once(own):
    hub, admin = own
    made = make(admin)
    assert admin.get("/v1/models", headers=hub.headers(made["token"])).status_code == 200
    assert admin.delete(f"{TOKENS}/{made['id']}").status_code == 204
    refused(admin.get("/v1/models", headers=hub.headers(made["token"])), 401, "not_authenticated")
    refused(admin.delete(f"{TOKENS}/{made['id']}"), 404, "access_token_not_found")
    refused(admin.patch(f"{TOKENS}/{made['id']}", json={}), 404, "access_token_not_found")


def test_the_last_admin_can_not_lock_everybody_out(own):
    hub, admin = own
    me = admin.get(f"{TOKENS}/current").json()["id"]
    ending = make(admin, "ending", scopes=["admin"], expires_at=time.time() + 0.5)
    brief = make(admin, "second", scopes=["admin"])
    assert admin.delete(f"{TOKENS}/{brief['id']}").status_code == 204
    while admin.get("/v1/models", headers=hub.headers(ending["token"])).status_code != 401:
        continue  # it ends by itself
    refused(admin.delete(f"{TOKENS}/{me}"), 409, "last_admin_token")
    refused(admin.patch(f"{TOKENS}/{me}", json={"scopes": ["chat"]}), 409, "last_admin_token")
    assert admin.patch(f"{TOKENS}/{me}", json={"priority": "batch"}).status_code == 200
    other = make(admin, "third", scopes=["admin"])
    assert admin.delete(f"{TOKENS}/{me}").status_code == 204
    assert admin.get(TOKENS, headers=hub.headers(other["token"])).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_only_an_admin_may(hub, http, method):
    mine = hub.headers(hub.token(f"ann-{method}"))
    path = TOKENS if method in {"GET", "POST"} else f"{TOKENS}/000000000000"
    refused(http.request(method, path, headers=mine, json={}), 403, "not_permitted")


def test_the_last_use_is_told(own):
    hub, admin = own
    made = make(admin)
    admin.get("/v1/models", headers=hub.headers(made["token"]))
    hub.call(hub.hub.access.aclose())
    listed = {one["name"]: one["last_used_at"] for one in admin.get(TOKENS).json()["data"]}
    assert abs(listed["n8n"] - time.time()) < 60
