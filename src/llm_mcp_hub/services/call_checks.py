"""Calls of tools and their results fit each other.

Guarantee: in every conversation a provider is given, each call is answered before anything else is
said, and each result answers a call.
"""

from collections.abc import Sequence
from itertools import takewhile
from operator import attrgetter

import msgspec

from llm_mcp_hub.domain.calls import calls_in, open_calls, results_in
from llm_mcp_hub.domain.chat import Message, ToolCallPart, ToolResultPart
from llm_mcp_hub.errors import InvalidRequest

_role = attrgetter("role")

NO_RESULT = "There is no result: the user went on without one."
PARAM = "messages"


def check_calls(messages: Sequence[Message], *, complete: bool) -> None:
    """Check what a caller says.

    Args:
        messages: The caller's messages.
        complete: They are the whole conversation. Otherwise results at their beginning may answer
            calls that are stored.

    Raises:
        InvalidRequest: A call without a result, a result without a call, or arguments that are
            not a JSON object.
    """
    waiting: set[str] = set()
    known = complete
    for message in messages:
        if message.role == "tool":
            for result in results_in((message,)):
                if known and result.call_id not in waiting:
                    raise _without_call(result.call_id)
                waiting.discard(result.call_id)
            continue
        if waiting:
            raise _without_result(sorted(waiting))
        if message.role == "assistant":
            known = True
            waiting = _ids(calls_in(message))
    if waiting:
        raise _without_result(sorted(waiting))


def with_all_results(stored: Sequence[Message], new: Sequence[Message]) -> tuple[Message, ...]:
    """New messages as they may follow what is stored.

    Whoever says something else instead of giving a result gets it said to the model that there is
    none, or the session could not go on.

    Raises:
        InvalidRequest: A result without a call, or some results and nothing else.
    """
    waiting = [call.id for call in open_calls(stored)]
    if not waiting and "tool" not in map(_role, new):
        return tuple(new)
    first = tuple(takewhile(lambda message: message.role == "tool", new))
    for result in results_in(first):
        if result.call_id not in waiting:
            raise _without_call(result.call_id)
        waiting.remove(result.call_id)
    rest = tuple(new[len(first) :])
    if waiting and not rest:
        raise _without_result(waiting)
    for result in results_in(tuple(takewhile(lambda message: message.role != "assistant", rest))):
        raise InvalidRequest(
            f"The result of {result.call_id} comes late: results come before what the user says.",
            param=PARAM,
        )
    supplied = (
        Message("tool", (ToolResultPart(call_id, NO_RESULT, is_error=True),)) for call_id in waiting
    )
    return (*first, *supplied, *rest)


def _ids(calls: Sequence[ToolCallPart]) -> set[str]:
    for call in calls:
        try:
            arguments = msgspec.json.decode(call.arguments)
        except (msgspec.DecodeError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            raise InvalidRequest(
                f"The arguments of the call {call.id} are not the text of a JSON object.",
                param=PARAM,
            )
    ids = {call.id for call in calls}
    if len(ids) < len(calls):
        raise InvalidRequest("Two calls of one message have the same id.", param=PARAM)
    return ids


def _without_call(call_id: str) -> InvalidRequest:
    return InvalidRequest(
        f"The result of {call_id} answers no call that waits for one: a result comes once, right "
        "after the assistant's message with its call. If the call was made in a session, the "
        "session may have expired: send the whole conversation.",
        param=PARAM,
    )


def _without_result(ids: Sequence[str]) -> InvalidRequest:
    return InvalidRequest(
        f"Calls of the assistant's have no result: {', '.join(ids)}. Each call is answered by a "
        "result before anything else is said.",
        param=PARAM,
    )
