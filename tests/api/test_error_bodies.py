"""Whatever goes wrong is answered with the one error body, and says whether to try again."""

import http.client
import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from llm_mcp_hub.api.errors import ErrorBody
from llm_mcp_hub.testing.hub import create_test_hub

CHAT = "/v1/chat/completions"
GOOD = {"model": "echo/echo", "messages": [{"role": "user", "content": "hi"}]}


def refused(response: httpx.Response, status: int, code: str) -> dict[str, str | None]:
    """Check the canonical shape; return the error object."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-should-retry"] in {"true", "false"}
    body = response.json()
    assert list(body) == ["error"]
    error = body["error"]
    assert set(error) == set(ErrorBody.__annotations__["error"].__annotations__)
    assert error["code"] == code
    assert isinstance(error["message"], str)
    assert error["message"]
    assert "Traceback" not in response.text
    return error


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/v1", "/v1/chat/completions/more", "/v1/sessions/a/b", "/%00", "//"]
)
def test_no_such_path(http, path):
    refused(http.get(path), 404, "route_not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CHAT),
        ("PUT", CHAT),
        ("OPTIONS", CHAT),
        ("POST", "/v1/models"),
        ("PATCH", "/health"),
        ("POST", "/v1/sessions/x"),
    ],
)
def test_no_such_method(http, method, path):
    response = http.request(method, path)

    refused(response, 405, "method_not_allowed")
    assert response.headers["allow"]


@pytest.mark.parametrize(
    "path", [CHAT, "/v1/models", "/v1/providers", "/v1/sessions", "/health/tokens"]
)
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer nonsense", "Basic eDp5", "Bearer hub-0123456789ab-" + "x" * 43,
     "Bearer \xe9\xff"],
)  # fmt: skip
def test_no_way_in_without_a_working_token(hub, path, authorization):
    headers = [] if authorization is None else [("authorization", authorization.encode("latin-1"))]
    method = "POST" if path == CHAT else "GET"
    response = httpx.request(method, hub.base_url + path, headers=headers)

    refused(response, 401, "not_authenticated")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("sessions", "POST", CHAT),
        ("sessions", "GET", "/v1/models"),
        ("chat", "GET", "/v1/sessions"),
        ("chat", "DELETE", "/v1/sessions/x"),
        ("sessions", "GET", "/v1/sessions?all=true"),
        ("sessions", "GET", "/v1/sessions?owner=admin"),
        ("sessions", "GET", "/v1/sessions/x?owner=admin"),
        ("sessions", "DELETE", "/v1/sessions/x?owner=admin"),
    ],
)
def test_a_scope_that_is_missing(hub, scope, method, path):
    token = hub.call(_token_of(hub, scope))
    response = httpx.request(method, hub.base_url + path, headers=hub.headers(token))

    refused(response, 403, "not_permitted")


async def _token_of(hub, scope):
    from llm_mcp_hub.domain.access import Scope

    name = f"only-{scope}"
    for token in await hub.hub.access.list():
        if token.name == name:
            await hub.hub.access.revoke(name)
    return (await hub.hub.access.create(name, [Scope(scope)]))[1]


@pytest.mark.parametrize("half", ["\\ud83d", "\\uDE00", "\\ud83dx", "\\ud83d\\ud83d"])
def test_half_an_emoji_is_called_that(http, half):
    body = b'{"model": "echo/echo", "messages": [{"role": "user", "content": "%s"}]}'
    error = refused(http.post(CHAT, content=body % half.encode()), 400, "invalid_request")
    assert f"{half[:6]} is half of a surrogate pair" in error["message"]


NESTED = "[" * 100_000


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"null", None),
        (b"[]", None),
        (b"nonsense", None),
        (b'{"model": "echo/echo", "messages": "\xff\xfe"}', "messages"),
        (b"\xef\xbb\xbf{}", None),
        (NESTED.encode(), None),
        (b'{"a":' * 50_000, None),
        (b"{}", None),
        (b'{"model": 1, "messages": []}', "model"),
        (b'{"model": "echo/echo"}', None),
        (b'{"model": "echo/echo", "messages": {}}', "messages"),
        (b'{"model": "echo/echo", "messages": [1]}', "messages[0]"),
        (b'{"model": "echo/echo", "messages": [{"content": "x"}]}', "messages[0]"),
        (b'{"model": "echo/echo", "messages": [{"role": "robot"}]}', "messages[0].role"),
        (b'{"model": "echo/echo", "messages": [{"role": "user", "content": 5}]}',
         "messages[0].content"),
        (b'{"model": "echo/echo", "messages": [{"role": "user"}]}', "messages[0]"),
        (b'{"model": "echo/echo", "messages": [{"role": "user", "content": []}]}', "messages[0]"),
        (b'{"model": "echo/echo", "messages": [{"role": "user", "content": [{"type": "x"}]}]}',
         "messages[0].content[0].type"),
        (b'{"model": "echo/echo", "messages": [{"role": "user", "content": "\\ud800"}]}', None),
        (b'{"model": "echo/echo", "messages": [], "stream": "yes"}', "stream"),
        (b'{"model": "echo/echo", "messages": [], "max_tokens": 1e999}', "max_tokens"),
    ],
)  # fmt: skip
def test_a_body_that_can_not_be_understood(http, body, param):
    error = refused(http.post(CHAT, content=body), 400, "invalid_request")

    assert error["type"] == "invalid_request_error"
    assert error["param"] == param


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "only"}]}, "messages"),
        ({"messages": [*GOOD["messages"], {"role": "assistant", "content": "x"}]}, "messages"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -5}, "max_completion_tokens"),
        ({"reasoning_effort": "enormous"}, "reasoning_effort"),
        (
            {"messages": [{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "https://example.com/x.png"}}]}]},
            "messages[0].content[0].image_url.url",
        ),
    ],
)  # fmt: skip
def test_a_request_that_makes_no_sense(http, change, param):
    error = refused(http.post(CHAT, json=GOOD | change), 400, "invalid_request")

    assert error["param"] == param


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"n": 2}, "n"),
        ({"n": 0}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"stop": ["x"]}, "stop"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]},
         "messages[0].content[0]"),
        ({"messages": [*GOOD["messages"], {"role": "assistant", "audio": {"id": "a"}}]},
         "messages[1].audio"),
        ({"messages": [{"role": "function", "name": "f"}]}, "messages[0].role"),
    ],
)  # fmt: skip
def test_what_can_not_be_honoured_is_refused_by_name(http, change, param):
    error = refused(http.post(CHAT, json=GOOD | change), 400, "unsupported_parameter")

    assert error["param"] == param


def test_a_provider_that_can_not_say_what_it_ignores_leaves_no_turn_behind(
    http, scripted, monkeypatch, until
):
    def defective(_options):
        raise ValueError("odd")

    monkeypatch.setattr(scripted, "ignored", defective)
    request = {**GOOD, "model": "scripted/one"}
    refused(http.post(CHAT, json=request, headers={"x-session-id": "odd"}), 500, "internal_error")
    monkeypatch.undo()
    until(lambda: scripted.running == 0)

    again = http.post(CHAT, json=request, headers={"x-session-id": "odd"})
    assert again.status_code == 200, again.text


def test_what_has_no_effect_is_accepted_and_named(http):
    response = http.post(CHAT, json=GOOD | {"temperature": 0, "top_p": 1, "seed": 1, "unheard": 1})

    assert response.status_code == 200
    assert response.headers["x-hub-ignored"] == "temperature, top_p, seed"


@pytest.mark.parametrize(
    "model", [",", "/", "nobody", "echo/echo,nobody/x", "nobody/x", "/echo", "echo/", "ü/\u0001"]
)
def test_an_unknown_model(http, model):
    error = refused(http.post(CHAT, json=GOOD | {"model": model}), 404, "model_not_found")

    assert error["param"] == "model"


@pytest.mark.parametrize(
    "session", ["", "a b", "x" * 129, "a/b", "../etc", "a\u00e9", "None?", "--flag=x y"]
)
def test_a_session_id_that_will_not_do(http, session):
    headers = {"x-session-id": session.encode("latin-1")}

    error = refused(http.post(CHAT, json=GOOD, headers=headers), 400, "invalid_request")

    assert error["param"] == "X-Session-ID"


def test_two_session_ids_are_refused_rather_than_guessed_at(http):
    headers = [("x-session-id", "one"), ("x-session-id", "two")]

    refused(http.post(CHAT, json=GOOD, headers=headers), 400, "invalid_request")


def test_the_same_session_id_twice_is_one(http):
    headers = [("x-session-id", "same"), ("X-Session-Id", "same")]

    assert http.post(CHAT, json=GOOD, headers=headers).headers["x-session-id"] == "same"


@pytest.mark.parametrize("session", ["x" * 128, "a", "A.b_c:d-e", "none.", "-", ".."])
def test_odd_session_ids_are_only_names(http, session):
    response = http.post(CHAT, json=GOOD, headers={"x-session-id": session})

    assert response.headers["x-session-id"] == session


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "",
        "localhost.evil.example",
        "[",
        "127.0.0.1.evil.example",
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/health"), ("GET", "/v1/models"), ("POST", CHAT)]
)
def test_a_host_that_this_hub_is_not(http, host, method, path):
    response = http.request(method, path, headers={"host": host}, json=GOOD)

    refused(response, 403, "not_permitted")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8642", "127.0.0.1", "[::1]:80", "10.1.2.3"]
)
def test_loopback_names_and_addresses_are_this_hub(http, host):
    assert http.get("/health/live", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://[", "x", "", "file://"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/health"), ("POST", CHAT)])
def test_a_web_page_from_elsewhere_is_refused(http, origin, method, path):
    response = http.request(method, path, headers={"origin": origin}, json=GOOD)

    refused(response, 403, "not_permitted")


def test_a_web_page_of_the_hub_itself_may_call_it(hub, http):
    response = http.post(CHAT, json=GOOD, headers={"origin": hub.base_url})

    assert response.status_code == 200


def test_names_and_origins_that_are_configured_may_call_it():
    settings = {
        "server": {"allowed_hosts": ["Hub.Example"], "allowed_origins": ["https://n8n.example"]}
    }
    with create_test_hub(settings) as hub:
        headers = {"host": "hub.example:443", "origin": "https://n8n.example"}

        assert httpx.get(f"{hub.base_url}/health/live", headers=headers).status_code == 200


def test_a_page_of_no_site_is_not_of_the_hubs_where_any_host_is_taken():
    with create_test_hub({"server": {"allowed_hosts": ["*"]}}) as hub:
        headers = {"host": "", "origin": "null"}

        assert httpx.get(f"{hub.base_url}/health", headers={"host": "x"}).status_code == 200
        refused(httpx.get(f"{hub.base_url}/health", headers=headers), 403, "not_permitted")


def test_a_body_that_is_too_large_is_refused_before_it_is_read(http):
    response = http.post(CHAT, content=b" " * (50 * 1024 * 1024))

    refused(response, 413, "request_too_large")


def test_a_body_in_chunks_is_bounded_too():
    with create_test_hub({"server": {"max_body_bytes": 1000}}) as hub:
        chunks = (b" " * 100 for _ in range(20))
        response = httpx.post(hub.base_url + CHAT, content=chunks, headers=hub.headers())

        refused(response, 413, "request_too_large")


def test_a_body_just_within_the_bound_is_taken(http):
    padding = b" " * (32 * 1024 * 1024 - len(json.dumps(GOOD)))

    assert http.post(CHAT, content=json.dumps(GOOD).encode() + padding).status_code == 200


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/sessions?limit=0", "invalid_request"),
        ("/v1/sessions?limit=201", "invalid_request"),
        ("/v1/sessions?limit=x", "invalid_request"),
        ("/v1/sessions?cursor=nonsense", "invalid_request"),
        ("/v1/sessions?all=perhaps", "invalid_request"),
        ("/v1/sessions/a%20b", "invalid_request"),
    ],
)
def test_parameters_that_will_not_do(http, path, code):
    refused(http.get(path), 400, code)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/v1/sessions/unknown", "session_not_found"),
        ("DELETE", "/v1/sessions/unknown", "session_not_found"),
        ("GET", "/v1/providers/unknown", "provider_not_found"),
        ("GET", "/v1/models/nobody/x", "model_not_found"),
        ("GET", "/v1/models/%20", "model_not_found"),
    ],
)
def test_things_that_do_not_exist(http, method, path, code):
    refused(http.request(method, path), 404, code)


def test_headers_without_end_do_not_reach_the_hub(hub):
    with socket.create_connection(("127.0.0.1", urlsplit(hub.base_url).port), timeout=10) as raw:
        raw.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000 + b"\r\n\r\n")
        answer = raw.recv(1000)

    assert b"Traceback" not in answer


@pytest.mark.parametrize("length", ["-1", "x", "1, 2", "99999999999999999999"])
def test_nonsense_as_content_length_is_refused(hub, length):
    connection = http.client.HTTPConnection(urlsplit(hub.base_url).netloc, timeout=10)
    connection.putrequest("POST", CHAT)
    connection.putheader("Authorization", f"Bearer {hub.admin_token}")
    connection.putheader("Content-Length", length)
    connection.endheaders()
    response = connection.getresponse()
    connection.close()

    assert response.status in {400, 413}


def test_a_request_without_a_host_is_refused(hub):
    with socket.create_connection(("127.0.0.1", urlsplit(hub.base_url).port), timeout=10) as raw:
        raw.sendall(b"GET /health HTTP/1.0\r\nOrigin: null\r\n\r\n")

        assert raw.recv(100).startswith(b"HTTP/1.1 403 ")


def test_details_stay_in_the_log(http):
    for order in ("refuse WorkerStartFailed", "fail WorkerDied", "crash"):
        body = {"model": "scripted/one", "messages": [{"role": "user", "content": order}]}

        assert "secret" not in http.post(CHAT, json=body).text


@pytest.mark.parametrize("path", ["/schema/swagger", "/schema/nope", "/schema/a.json"])
def test_a_document_that_is_not_there_is_no_page(http, path):
    refused(http.get(path), 404, "route_not_found")


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("/v1/events?event=bogus", "event"),
        ("/v1/sessions?all=maybe", "all"),
        ("/v1/sessions?q=" + "x" * 201, "q"),
    ],
)
def test_a_parameter_is_called_as_its_caller_calls_it(http, query, param):
    error = refused(http.get(query), 400, "invalid_request")

    assert error["param"] == param
    assert error["message"].startswith(f"{param}: ")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b"{}", "name"),
        (b'{"name": "a", "odd": 1}', "odd"),
        (b'{"name": 1}', "name"),
        (b'{"name": "\xff"}', None),
        (b"\xff", None),
        (NESTED.encode(), None),
    ],
)
def test_a_body_that_the_hub_s_own_routes_can_not_understand(http, body, param):
    error = refused(http.post("/v1/access-tokens", content=body), 400, "invalid_request")

    assert error["param"] == param
    assert "data" not in error["message"]


@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/v1/responses", "/v1/access-tokens"])
@pytest.mark.parametrize("body", [b"\xff", b'{"a\xff": 1}'])
def test_a_body_that_is_not_utf_8_is_called_so(http, path, body):
    response = http.post(path, content=body)

    assert response.status_code == 400
    assert "The body is not UTF-8." in response.text


@pytest.mark.parametrize("path", [CHAT, "/v1/responses", "/v1/access-tokens"])
@pytest.mark.parametrize("coding", ["gzip", "br", "gzip, identity"])
def test_a_compressed_body_is_refused_as_such(http, path, coding):
    response = http.post(path, content=b"\x1f\x8b", headers={"content-encoding": coding})

    error = refused(response, 415, "unsupported_media_type")
    assert "send it without Content-Encoding" in error["message"]


def test_a_body_that_says_it_is_not_encoded_is_read(http):
    assert http.post(CHAT, json=GOOD, headers={"content-encoding": "identity"}).status_code == 200


@pytest.mark.parametrize("turn", ["x", "turn-0", "turn-" + "0" * 24])
@pytest.mark.parametrize("rest", ["", "/events"])
def test_a_turn_that_never_was_is_not_found_whatever_its_id_looks_like(http, turn, rest):
    refused(http.get(f"/v1/turns/{turn}{rest}"), 404, "turn_not_found")


def exchange(hub, *headers: str) -> bytes:
    """The answer to a chat with these headers exactly, as bytes."""
    address = urlsplit(hub.base_url)
    body = json.dumps(GOOD)
    lines = [
        f"POST {CHAT} HTTP/1.1",
        f"Authorization: {hub.headers()['authorization']}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1"))
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return received


def test_white_space_around_a_header_s_value_is_no_part_of_it(hub):
    answer = exchange(
        hub, "Host: 127.0.0.1", "X-Session-ID:\t blank \t", "Idempotency-Key: blank-key \t "
    )

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"x-session-id: blank\r\n" in answer


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:8701.evil.com",
        "localhost:x",
        "[::1].evil.com",
        "[::1]:1.evil.com",
        "[::1",
        "a:1:2",
    ],
)
def test_a_host_that_only_begins_like_this_hub_s_is_refused(hub, host):
    assert exchange(hub, f"Host: {host}").startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:", "[::1]", "[::1]:8701"])
def test_a_host_of_this_hub_s_is_let_in_with_any_port(hub, host):
    assert exchange(hub, f"Host: {host}").startswith(b"HTTP/1.1 200 ")


def test_two_hosts_are_refused_rather_than_guessed_at(hub):
    answer = exchange(hub, "Host: 127.0.0.1", "Host: localhost")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Send one Host header" in answer


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_probes_that_ask_with_head_are_answered(hub, path):
    response = httpx.head(hub.base_url + path)

    assert (response.status_code, response.content) == (200, b"")
    assert (
        response.headers["content-length"]
        == httpx.get(hub.base_url + path).headers["content-length"]
    )
