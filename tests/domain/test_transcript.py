"""Digests recognise a conversation; `reconcile` continues it."""

from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llm_mcp_hub.domain.chat import (
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llm_mcp_hub.domain.transcript import (
    EMPTY,
    Continuation,
    belongs,
    digests,
    extend,
    history_length,
    reconcile,
)

SPACE = st.text(" \t\n\r", max_size=3)
words = st.text("ab ", max_size=4)
texts = st.builds(TextPart, words)
images = st.builds(ImagePart, st.sampled_from(["image/png", "image/gif"]), st.sampled_from("XY"))
calls = st.builds(
    ToolCallPart, st.sampled_from("12"), st.sampled_from("fg"), st.sampled_from(["{}", "{ }"])
)
results = st.builds(ToolResultPart, st.sampled_from("12"), words)
parts = st.lists(st.one_of(texts, images, calls, results), max_size=4).map(tuple)
roles = st.sampled_from(["user", "assistant", "tool"])
messages = st.builds(Message, roles, parts)


def meaning(message: Message) -> object:
    """What a digest stands for, said the long way."""
    said: list[object] = []
    for part in message.parts:
        if isinstance(part, ToolCallPart):
            continue
        if isinstance(part, TextPart) and said and isinstance(said[-1], str):
            said[-1] += part.text
        elif isinstance(part, TextPart):
            said.append(part.text)
        elif isinstance(part, ImagePart):
            said.append(("image", part.media_type, part.data))
        else:
            said.append(("result", part.call_id, part.text.strip()))
    said = [item.strip() if isinstance(item, str) else item for item in said]
    made = [(part.id, part.name) for part in message.parts if isinstance(part, ToolCallPart)]
    return (message.role, [item for item in said if item != ""], made)


def split(text: str, at: int) -> tuple[TextPart, TextPart]:
    at %= len(text) + 1
    return TextPart(text[:at]), TextPart(text[at:])


@given(messages, st.data())
def test_how_a_text_is_split_into_parts_does_not_matter(
    message: Message, data: st.DataObject
) -> None:
    parts: list[Part] = []
    for part in message.parts:
        if isinstance(part, TextPart):
            parts.extend(split(part.text, data.draw(st.integers(0, 9))))
        else:
            parts.append(part)
    assert extend(EMPTY, Message(message.role, tuple(parts))) == extend(EMPTY, message)


@given(st.sampled_from(["user", "assistant"]), st.text(), SPACE, SPACE)
def test_white_space_around_a_text_does_not_matter(
    role: Role, text: str, before: str, after: str
) -> None:
    bare = Message(role, (TextPart(text),))
    padded = Message(role, (TextPart(before + text + after),))
    assert extend(EMPTY, padded) == extend(EMPTY, bare)


@given(st.lists(messages, max_size=3), st.lists(messages, max_size=3))
def test_two_transcripts_share_a_digest_exactly_when_they_say_the_same(
    one: list[Message], other: list[Message]
) -> None:
    same = [meaning(m) for m in one] == [meaning(m) for m in other]
    assert ([EMPTY, *digests(one)][-1] == [EMPTY, *digests(other)][-1]) is same


def say(role: Role, *parts: Part | str) -> Message:
    return Message(role, tuple(TextPart(p) if isinstance(p, str) else p for p in parts))


PICTURE = ImagePart("image/png", "QQ==")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (say("user", "a b"), say("user", "a  b")),
        (say("user", "a"), say("assistant", "a")),
        (say("user", "a", PICTURE), say("user", PICTURE, "a")),
        (say("user", PICTURE), say("user", ImagePart("image/gif", "QQ=="))),
        (say("user", PICTURE), say("user", ImagePart("image/png", "Qg=="))),
        (say("user", PICTURE), say("user", PICTURE, PICTURE)),
        (say("tool", ToolResultPart("1", "a")), say("tool", ToolResultPart("2", "a"))),
        (say("tool", ToolResultPart("1", "a")), say("tool", ToolResultPart("1", "b"))),
        (
            say("tool", ToolResultPart("1", "a")),
            say("tool", ToolResultPart("1", "a", (PICTURE,))),
        ),
        (
            say("assistant", ToolCallPart("1", "f", "")),
            say("assistant", ToolCallPart("2", "f", "")),
        ),
        (
            say("assistant", ToolCallPart("1", "f", "")),
            say("assistant", ToolCallPart("1", "g", "")),
        ),
        (say("user", "text 1 a"), say("user", ToolResultPart("", "a"))),
    ],
)
def test_anything_else_matters(one: Message, other: Message) -> None:
    assert extend(EMPTY, one) != extend(EMPTY, other)


def test_the_wording_and_place_of_a_tool_call_do_not_matter() -> None:
    sent = say("assistant", "I look.", ToolCallPart("1", "f", '{"a":1}'))
    back = say("assistant", ToolCallPart("1", "f", '{ "a": 1 }'), "I look.")
    assert extend(EMPTY, sent) == extend(EMPTY, back)


def test_a_text_of_lone_surrogates_has_a_digest() -> None:
    assert extend(EMPTY, say("user", "\ud800")) != extend(EMPTY, say("user", "\ud801"))


@given(st.lists(messages, max_size=5))
def test_every_digest_extends_the_one_before(said: list[Message]) -> None:
    found = digests(said)
    for before, digest, message in zip([EMPTY, *found], found, said, strict=False):
        assert digest == extend(before, message)


@given(st.lists(messages, max_size=6))
def test_history_ends_with_the_last_message_of_the_assistants(said: list[Message]) -> None:
    length = history_length(said)
    assert all(message.role != "assistant" for message in said[length:])
    assert length == 0 or said[length - 1].role == "assistant"


U1, A1 = say("user", "one"), say("assistant", "eins")
U2, A2 = say("user", "two"), say("assistant", "zwei")
U3, A3 = say("user", "three"), say("assistant", "drei")
STORED = [U1, A1, U2, A2]


def go_on(stored: Sequence[Message], request: Sequence[Message]) -> Continuation:
    return reconcile(digests(stored), stored, request)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ([U3], None),
        ([U1], Continuation(0, 0)),
        ([U1, U3], None),
        ([U1, A1, U2, A2, U3], Continuation(4, 4)),
        ([U1, A1, U3], Continuation(2, 2)),
        ([U2, A2, U3], Continuation(4, 2)),
        ([U1, A2, U3], None),
        ([U1, A1, U2, A2, U3, A3, U1], Continuation(4, 4)),
        ([U1, A1, U3, A2, U2, A3, U1], None),
    ],
    ids=[
        "a task beside the conversation",
        "the first answer once more",
        "an edited beginning",
        "the whole history",
        "back to an earlier point",
        "a trimmed history",
        "a history found nowhere",
        "a history that went on elsewhere",
        "a longer history found nowhere",
    ],
)
def test_what_belongs_to_a_conversation_has_its_history(request_, expected):
    stored = [U1, A1, U2, A2]
    assert belongs(digests(stored), stored, request_) == expected
    assert belongs([], [], request_) == Continuation(0, 0)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ([U3], Continuation(4, 0)),
        ([U1, A1, U2, A2, U3], Continuation(4, 4)),
        ([U1, A1, U3], Continuation(2, 2)),
        ([U2, A2, U3], Continuation(4, 2)),
        ([A2, U3], Continuation(4, 1)),
        ([U1, A2, U3], Continuation(0, 0)),
        ([U1, A1, U2, A2, U3, A3, U1], Continuation(0, 0)),
        ([U1, say("assistant", " eins\n"), U2, A2, U3], Continuation(4, 4)),
    ],
    ids=[
        "only new messages",
        "the whole history",
        "back to an earlier point",
        "a trimmed history",
        "a history trimmed to one answer",
        "a history found nowhere",
        "more history than is stored",
        "a history with other white space",
    ],
)
def test_a_request_continues_what_is_stored(
    request_: list[Message], expected: Continuation
) -> None:
    assert go_on(STORED, request_) == expected


def test_a_request_with_history_begins_a_session_that_is_new() -> None:
    assert go_on([], [U1, A1, U2]) == Continuation(0, 0)


small = st.builds(
    Message,
    st.sampled_from(["user", "assistant"]),
    st.sampled_from("abc").map(lambda text: (TextPart(text),)),
)
dialogues = st.lists(small, max_size=6)


@given(dialogues, dialogues)
def test_the_model_sees_what_is_kept_and_then_what_is_new(
    stored: list[Message], request: list[Message]
) -> None:
    found = go_on(stored, request)
    assert 0 <= found.keep <= len(stored)
    assert 0 <= found.first_new <= history_length(request)
    seen = stored[: found.keep] + request[found.first_new :]
    split = history_length(request)
    # The request's new messages are seen, last and whole.
    assert seen[len(seen) - (len(request) - split) :] == request[split:]
    # What the request says was said is seen right before them.
    assert digests(seen[len(seen) - len(request) :]) == digests(request)


@given(dialogues, dialogues)
def test_a_request_that_holds_the_whole_transcript_adds_only_its_new_messages(
    stored: list[Message], new: list[Message]
) -> None:
    assume(history_length(stored) == len(stored) > 0)
    new = [say("user", message.text) for message in new]
    assert go_on(stored, [*stored, *new]) == Continuation(len(stored), len(stored))


@given(dialogues, dialogues)
def test_new_messages_alone_are_added_to_all_that_is_stored(
    stored: list[Message], new: list[Message]
) -> None:
    new = [say("user", message.text) for message in new]
    assert go_on(stored, new) == Continuation(len(stored), 0)
