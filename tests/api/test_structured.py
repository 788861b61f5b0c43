"""Answers in a form, and calls that are required, against a served hub and a scripted model."""

import json
import threading
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    ToolArgumentsChunk,
    ToolCallChunk,
    Usage,
)
from llm_mcp_hub.domain.model import Capability, ModelCard
from llm_mcp_hub.domain.status import ProviderState, ProviderStatus
from llm_mcp_hub.errors import HubError, ProviderOverloaded
from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.providers.base import ChunkStream, Provider, ProviderFactory, stream_of
from llm_mcp_hub.testing.hub import TestHub, create_test_hub

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
FITS = '{"city": "Seoul", "people": 9}'
WRONG = '{"city": "Seoul", "people": "many"}'
CLOCK = {"type": "function", "function": {"name": "clock"}}
USAGE = Usage(input_tokens=10, cached_tokens=4, output_tokens=5, reasoning_tokens=2)


def as_schema(schema=CITY, **more):
    return {"type": "json_schema", "json_schema": {"name": "city", "schema": schema, **more}}


def call(index: int = 0) -> list[Chunk]:
    return [ToolCallChunk(index, f"call-{index}", "clock"), ToolArgumentsChunk(index, "{}")]


class Answering(Provider):
    """Gives the answers it was given, one for each turn; also the plugin that registers it.

    An answer is a text, chunks without an end, which follows, or an error.
    """

    name = "answering"
    capabilities = frozenset({Capability.TOOLS})

    def __init__(self) -> None:
        self.answers: list[str | list[Chunk] | HubError] = []
        self.requests: list[TurnRequest] = []
        self.closed = 0
        self.go = threading.Event()

    @hookimpl
    def hub_register_providers(self) -> list[ProviderFactory]:
        return [ProviderFactory("answering", lambda _: self)]

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...

    async def models(self) -> list[ModelCard]:
        return [ModelCard("one")]

    def status(self) -> ProviderStatus:
        return ProviderStatus(ProviderState.AVAILABLE)

    def credential_status(self) -> None:
        return None

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, HubError):
            raise answer
        return stream_of(self._chunks(answer))

    async def _chunks(self, answer: str | list[Chunk]) -> AsyncIterator[Chunk]:
        try:
            chunks: list[Chunk] = answer if isinstance(answer, list) else []
            if isinstance(answer, str):
                chunks = [TextChunk(answer[at : at + 7]) for at in range(0, len(answer), 7)]
            for chunk in chunks:
                yield chunk
            called = any(isinstance(chunk, ToolCallChunk) for chunk in chunks)
            if not (chunks and isinstance(chunks[-1], FinishChunk)):
                yield FinishChunk(FinishReason.TOOL_CALLS if called else FinishReason.STOP, USAGE)
        finally:
            self.closed += 1


@pytest.fixture(scope="module")
def model() -> Answering:
    return Answering()


@pytest.fixture(scope="module")
def hub(model: Answering) -> Iterator[TestHub]:
    with create_test_hub(plugins=[("answering", model)]) as served:
        yield served


@pytest.fixture(autouse=True)
def fresh(model: Answering) -> Iterator[None]:
    model.answers, model.requests, model.closed = [], [], 0
    yield
    assert model.answers == [], "fewer turns than answers"


@pytest.fixture
def ask(chat, model: Answering):
    def ask(*answers, said=("How large is Seoul?",), **fields) -> httpx.Response:
        model.answers += answers
        return chat(*said, **{"model": "answering/one", **fields})

    return ask


def message_of(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]


def error_of(answer, status=502):
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


def deltas_of(answer):
    assert answer.status_code == 200, answer.text
    lines = [line[6:] for line in answer.text.split("\n") if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    choices = [json.loads(line)["choices"][0] for line in lines]
    return [choice["delta"] for choice in choices], choices[-1]["finish_reason"]


def test_an_answer_that_fits_is_the_answer(ask, model):
    assert message_of(ask(FITS, response_format=as_schema()))["content"] == FITS
    (request,) = model.requests
    assert json.dumps(CITY, separators=(",", ":")) in request.system


@pytest.mark.parametrize(
    "answer",
    [
        f"```json\n{FITS}\n```",
        f"Here it is:\n\n```\n{FITS}\n```\nAnything else?",
        f"  {FITS}\n",
        f"It is {FITS}.",
    ],
)
def test_what_stands_around_the_one_value_is_left_out(ask, answer):
    assert message_of(ask(answer, response_format=as_schema()))["content"] == FITS


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (WRONG, 'at ["people"]: "many" is not of type "integer"'),
        ("{}", '"city" is a required property'),
        (f"{FITS} or {FITS}", "not one JSON value"),
        (f"```\n{FITS}\n```\n```\n{FITS}\n```", "not one JSON value"),
        ("", "not one JSON value"),
        ("I don't know.", "not one JSON value"),
        ('{"city": "Seoul", "people": NaN}', "not one JSON value"),
        ("[" * 100_000, "not one JSON value"),
    ],
)
def test_an_answer_that_does_not_fit_is_asked_for_once_more_with_what_is_wrong(
    ask, model, until, answer, told
):
    whole = ask(answer, FITS, response_format=as_schema())
    assert message_of(whole)["content"] == FITS
    first, second = model.requests
    assert told in second.messages[-1].text
    assert [message.role for message in second.messages] == ["user", "assistant", "user"]
    assert second.prior == 2
    assert second.system == first.system
    assert second.tools == first.tools
    # The last one may end after its answer is sent.
    until(lambda: model.closed == 2, "the end of both turns")


def test_the_usage_is_that_of_both_answers(ask):
    usage = ask(WRONG, FITS, response_format=as_schema()).json()["usage"]
    assert usage == {
        "prompt_tokens": 20,
        "completion_tokens": 10,
        "total_tokens": 30,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }


def test_two_answers_that_do_not_fit_are_an_error_that_says_what_is_wrong(ask):
    answer = ask(WRONG, WRONG, response_format=as_schema())
    error = error_of(answer)
    assert error["code"] == "response_format_not_honoured"
    assert error["param"] == "response_format"
    assert '"many" is not of type "integer"' in error["message"]
    assert answer.headers["x-should-retry"] == "false"


def test_the_session_has_the_last_answer_alone_and_the_system_prompt_of_the_caller(
    ask, model, http
):
    system = {"role": "system", "content": "Be brief."}
    said = (system, "How large is Seoul?")
    ask(WRONG, FITS, said=said, response_format=as_schema(), session="kept")
    assert model.requests[0].system.startswith("Be brief.\n\n")
    stored = http.get("/v1/sessions/kept").json()
    texts = [each["message"]["parts"][0]["text"] for each in stored["messages"]]
    assert texts == ["How large is Seoul?", FITS]
    assert stored["system"] == "Be brief."
    assert stored["session"]["usage"]["input_tokens"] == 20
    ask("It grows.", said=("And now?",), session="kept")
    assert model.requests[-1].system == "Be brief."
    assert [message.text for message in model.requests[-1].messages] == [*texts, "And now?"]


def test_a_failed_answer_changes_no_session(ask, http):
    ask("hello", said=("hi",), session="as-before")
    assert error_of(ask(WRONG, WRONG, response_format=as_schema(), session="as-before"))
    session = http.get("/v1/sessions/as-before").json()["session"]
    assert (session["revision"], session["running_turn"]) == (1, None)


@pytest.mark.parametrize("answers", [(FITS,), (WRONG, FITS)])
def test_a_streamed_answer_is_held_back_until_it_fits_and_comes_in_pieces(ask, answers):
    long = FITS.replace("Seoul", "Seoul " * 50)
    whole = [each.replace("Seoul", "Seoul " * 50) for each in answers]
    deltas, reason = deltas_of(ask(*whole, stream=True, response_format=as_schema()))
    texts = [delta["content"] for delta in deltas if delta.get("content")]
    assert "".join(texts) == long
    assert len(texts) > 1
    assert reason == "stop"


def test_a_streamed_answer_that_never_fits_is_a_proper_error(ask):
    answer = ask(WRONG, WRONG, stream=True, response_format=as_schema())
    assert error_of(answer)["code"] == "response_format_not_honoured"


def test_reasoning_is_passed_on_as_it_comes(ask):
    first = [ReasoningChunk("Hm. "), TextChunk(WRONG)]
    second = [ReasoningChunk("Oh."), TextChunk(FITS)]
    deltas, _ = deltas_of(ask(first, second, stream=True, response_format=as_schema()))
    said = [delta["reasoning_content"] for delta in deltas if "reasoning_content" in delta]
    assert said == ["Hm. ", "Oh."]
    assert deltas[-2]["content"] == FITS


@pytest.mark.parametrize("answer", ['{"a": 1}', '```json\n{"a": 1}\n```'])
def test_a_json_object_is_any_object(ask, model, answer):
    whole = ask(answer, response_format={"type": "json_object"})
    assert message_of(whole)["content"] == '{"a": 1}'
    assert "JSON object" in model.requests[0].system


def test_a_list_is_no_json_object(ask, model):
    whole = ask("[1]", '{"a": 1}', response_format={"type": "json_object"})
    assert message_of(whole)["content"] == '{"a": 1}'
    assert "not a JSON object" in model.requests[1].messages[-1].text


@pytest.mark.parametrize("response_format", [None, {"type": "text"}])
def test_without_a_form_nothing_is_judged_or_said(ask, model, response_format):
    fields = {} if response_format is None else {"response_format": response_format}
    assert message_of(ask(f"```\n{FITS}\n```", **fields))["content"] == f"```\n{FITS}\n```"
    assert model.requests[0].system == ""


@pytest.mark.parametrize(
    ("schema", "where"),
    [
        ({"type": "nonsense"}, "`type`"),
        ({"properties": {"a": {"type": 5}}}, "`properties.a.type`"),
        ({"pattern": "("}, "`pattern`"),
        ({"$ref": "https://example.com/schema.json"}, "fetches no schemas"),
        ({"$ref": "#/$defs/nothing"}, "`#/$defs/nothing`"),
        ({"$schema": "https://example.com/meta"}, "meta-schema"),
    ],
)
def test_a_schema_that_can_t_be_used_is_refused_with_its_place(ask, model, schema, where):
    error = error_of(ask(response_format=as_schema(schema)), 400)
    assert error["param"] == "response_format"
    assert where in error["message"]
    assert model.requests == []


@pytest.mark.parametrize("form", [{"type": "xml"}, {}, {"type": "json_schema"}, "json"])
def test_a_form_that_does_not_exist_is_refused(ask, form):
    assert error_of(ask(response_format=form), 400)["param"].startswith("response_format")


def test_an_answer_that_was_cut_short_is_not_judged(ask):
    cut = [TextChunk('{"city": "Se'), FinishChunk(FinishReason.LENGTH, USAGE)]
    (choice,) = ask(cut, response_format=as_schema()).json()["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"] == '{"city": "Se'


REFUSED = [
    TextChunk("I won't "),
    TextChunk("say."),
    FinishChunk(FinishReason.CONTENT_FILTER, USAGE),
]


def test_a_model_that_refuses_in_words_is_not_asked_again(ask):
    (choice,) = ask(REFUSED, response_format=as_schema()).json()["choices"]
    assert choice["message"]["refusal"] == "I won't say."
    assert choice["message"]["content"] is None
    assert choice["finish_reason"] == "stop"


def test_a_refusal_streams_as_one(ask):
    deltas, reason = deltas_of(ask(REFUSED, stream=True, response_format=as_schema()))
    assert "".join(delta.get("refusal", "") for delta in deltas) == "I won't say."
    assert not any(delta.get("content") for delta in deltas)
    assert reason == "stop"


def test_without_a_form_a_refusal_is_a_text_that_was_filtered(ask):
    (choice,) = ask(REFUSED).json()["choices"]
    assert choice["message"]["content"] == "I won't say."
    assert choice["message"]["refusal"] is None
    assert choice["finish_reason"] == "content_filter"


def test_with_tools_an_answer_with_calls_passes_and_the_last_one_is_judged(ask, model):
    fields = {"tools": [CLOCK], "response_format": as_schema(), "session": "both"}
    called = message_of(ask([TextChunk("Let me see."), *call()], **fields))
    assert called["content"] == "Let me see."
    assert called["tool_calls"][0]["id"] == "call-0"
    said = ({"role": "tool", "tool_call_id": "call-0", "content": "noon"},)
    assert message_of(ask(WRONG, FITS, said=said, **fields))["content"] == FITS
    assert "tools" in model.requests[0].system


@pytest.mark.parametrize("stream", [False, True])
def test_a_required_call_is_told_to_the_model_and_passes(ask, model, stream):
    answer = ask(call(), tools=[CLOCK], tool_choice="required", stream=stream)
    assert answer.status_code == 200, answer.text
    assert '"finish_reason":"tool_calls"' in answer.text
    assert "must call the tool clock" in model.requests[0].system


def test_a_text_instead_of_a_required_call_is_not_sent_and_asked_about(ask, model):
    answer = ask("It is noon.", call(), tools=[CLOCK], tool_choice="required", stream=True)
    deltas, reason = deltas_of(answer)
    assert not any(delta.get("content") for delta in deltas)
    assert reason == "tool_calls"
    assert "Call it now" in model.requests[1].messages[-1].text
    assert model.requests[1].messages[1].text == "It is noon."


def test_two_texts_instead_of_a_required_call_are_an_error(ask):
    error = error_of(ask("It is noon.", "Still.", tools=[CLOCK], tool_choice="required"))
    assert (error["code"], error["param"]) == ("tool_choice_not_honoured", "tool_choice")


def test_of_a_named_tool_the_model_sees_no_other(ask, model):
    other = {"type": "function", "function": {"name": "other"}}
    choice = {"type": "function", "function": {"name": "clock"}}
    answer = ask(call(), tools=[other, CLOCK], tool_choice=choice)
    assert message_of(answer)["tool_calls"]
    assert [tool.name for tool in model.requests[0].tools] == ["clock"]


def test_one_of_several_allowed_tools_can_be_required(ask, model):
    names = ["clock", "other"]
    tools = [{"type": "function", "function": {"name": name}} for name in (*names, "third")]
    allowed = [{"type": "function", "function": {"name": name}} for name in names]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": allowed}}
    ask(call(), tools=tools, tool_choice=choice)
    assert [tool.name for tool in model.requests[0].tools] == names
    assert "must call one of your tools" in model.requests[0].system


def test_a_text_before_a_required_call_comes_with_it(ask):
    answer = ask(
        [TextChunk("Let me"), TextChunk(" see."), *call()],
        tools=[CLOCK],
        tool_choice="required",
        stream=True,
    )
    deltas, _ = deltas_of(answer)
    assert "".join(delta.get("content", "") for delta in deltas) == "Let me see."


@pytest.mark.parametrize("stream", [False, True])
def test_what_fails_after_the_first_answer_was_paid_for_is_not_to_be_repeated(ask, stream):
    busy = ProviderOverloaded("It is too much.")
    assert busy.retryable
    answer = ask(WRONG, busy, response_format=as_schema(), stream=stream)
    error = error_of(answer, 503)
    assert error["code"] == "provider_overloaded"
    assert answer.headers["x-should-retry"] == "false"


def test_echo_can_answer_in_a_form(chat):
    assert message_of(chat(FITS, response_format=as_schema()))["content"] == FITS
    assert error_of(chat("no form", response_format=as_schema()))


def test_a_worker_goes_on_with_an_answer_that_fits_as_it_is(chat, http):
    assert message_of(chat(FITS, session="same", response_format=as_schema()))
    before = http.get("/v1/providers/echo").json()["pool"]
    assert message_of(chat(FITS, session="same", response_format=as_schema()))
    after = http.get("/v1/providers/echo").json()["pool"]
    assert (after["served"] - before["served"], after["parked"]) == (1, before["parked"])


def test_a_worker_with_another_wording_than_the_session_is_not_used_for_it(chat, http):
    fenced = f"```json\n{FITS}\n```"
    assert message_of(chat(fenced, session="fenced", response_format=as_schema()))
    before = http.get("/v1/providers/echo").json()["pool"]
    assert message_of(chat(FITS, session="fenced", response_format=as_schema()))
    after = http.get("/v1/providers/echo").json()["pool"]
    assert after["parked"] == before["parked"] + 1
