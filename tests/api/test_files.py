"""Files in each dialect: a PDF by value, for providers that read them; anything else is refused."""

import base64

import pytest

from llm_mcp_hub.domain.model import Capability

DATA = base64.b64encode(b"%PDF-1.7 x").decode()
URL = f"data:application/pdf;base64,{DATA}"


def chat_body(file, role="user"):
    content = [{"type": "text", "text": "say x"}, {"type": "file", "file": file}]
    last = [] if role == "user" else [{"role": "user", "content": "say x"}]
    return {"messages": [{"role": role, "content": content, "tool_call_id": "c"}, *last]}


def responses_body(file, role="user"):
    content = [{"type": "input_text", "text": "say x"}, {"type": "input_file", **file}]
    return {"input": [{"role": role, "content": content}]}


def messages_body(block, role="user"):
    content = [{"type": "text", "text": "say x"}, {"type": "document", **block}]
    last = [] if role == "user" else [{"role": "user", "content": "say x"}]
    return {"max_tokens": 9, "messages": [{"role": role, "content": content}, *last]}


def source(**fields):
    return {"source": {"type": "base64", "media_type": "application/pdf", "data": DATA} | fields}


GOOD = {
    "/v1/chat/completions": chat_body({"file_data": URL, "filename": "a.pdf"}),
    "/v1/responses": responses_body({"file_data": URL, "filename": "a.pdf"}),
    "/v1/messages": messages_body({"title": "a.pdf", **source()}),
}


@pytest.fixture
def reading(scripted, monkeypatch):
    monkeypatch.setattr(scripted, "capabilities", frozenset({Capability.FILES}), raising=False)
    return scripted


@pytest.mark.parametrize("path", GOOD)
def test_a_pdf_reaches_the_provider_and_the_session_as_it_is(http, reading, path):
    session = f"file{path.replace('/', '-')}"
    body = GOOD[path] | {"model": "scripted/one"}
    response = http.post(path, json=body, headers={"x-session-id": session})

    assert response.status_code == 200, response.text
    part = reading.requests[-1].messages[-1].parts[1]
    assert (part.media_type, part.data, part.name) == ("application/pdf", DATA, "a.pdf")
    stored = http.get(f"/v1/sessions/{session}").json()["messages"][0]["message"]["parts"][1]
    assert stored == {
        "type": "file",
        "media_type": "application/pdf",
        "data": DATA,
        "name": "a.pdf",
    }


@pytest.mark.parametrize("path", GOOD)
def test_a_provider_that_reads_no_files_refuses_them_by_name(http, path):
    response = http.post(path, json=GOOD[path] | {"model": "echo/echo"})

    assert response.status_code == 400
    assert "can't read files" in response.json()["error"]["message"]


def test_in_a_chain_who_reads_files_is_asked(http, reading):
    model = {"model": "echo/echo,scripted/one"}
    response = http.post("/v1/chat/completions", json=GOOD["/v1/chat/completions"] | model)

    assert response.headers["x-hub-model"] == "scripted/one"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", chat_body({"file_id": "file-1"})),
        ("/v1/chat/completions", chat_body({"file_data": "data:text/plain;base64,aGk="})),
        ("/v1/chat/completions", chat_body({"file_data": "data:application/pdf;base64,aGk="})),
        ("/v1/chat/completions", chat_body({"file_data": f"{URL}!"})),
        ("/v1/chat/completions", chat_body({"file_data": URL}, "assistant")),
        ("/v1/responses", responses_body({"file_id": "file-1"})),
        ("/v1/responses", responses_body({"file_url": "https://files.test/a.pdf"})),
        ("/v1/responses", responses_body({"file_data": URL}, "assistant")),
        ("/v1/responses", responses_body({"file_data": URL}, "system")),
        ("/v1/messages", messages_body(source(media_type="text/html"))),
        ("/v1/messages", messages_body(source(data="aGk="))),
        ("/v1/messages", messages_body({"source": {"type": "url", "url": "https://x.test/"}})),
        ("/v1/messages", messages_body(source(), "assistant")),
    ],
)
def test_what_can_not_be_given_to_a_model_is_refused(http, reading, path, body):
    response = http.post(path, json=body | {"model": "scripted/one"})

    assert response.status_code == 400, response.text


def test_a_file_counts_when_a_conversation_is_recognised(http, reading):
    def ask(data, *further):
        file = {"file_data": f"data:application/pdf;base64,{data}", "filename": "renamed.pdf"}
        messages = [*chat_body(file)["messages"], *further]
        body = {"model": "scripted/one", "messages": messages}
        return http.post("/v1/chat/completions", json=body).headers["x-session-id"]

    more = [{"role": "assistant", "content": "x"}, {"role": "user", "content": "say y"}]
    first = ask(DATA)
    assert ask(base64.b64encode(b"%PDF-1.7 y").decode(), *more) != first
    assert ask(DATA, *more) == first
