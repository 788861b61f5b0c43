"""Which calls of tools a conversation waits for, and which a turn answers.

Parts are told apart by their type, since `isinstance` costs ten times as much where it is false.
"""

from collections.abc import Sequence

from llm_mcp_hub.domain.chat import Message, ToolCallPart, ToolResultPart


def calls_in(message: Message) -> tuple[ToolCallPart, ...]:
    """The calls that a message of the assistant's makes."""
    return tuple([part for part in message.parts if type(part) is ToolCallPart])


def results_in(messages: Sequence[Message]) -> tuple[ToolResultPart, ...]:
    """All results in the messages, in order."""
    return tuple(
        [part for message in messages for part in message.parts if type(part) is ToolResultPart]
    )


def open_calls(messages: Sequence[Message]) -> tuple[ToolCallPart, ...]:
    """The calls of the last message of the assistant's that nothing after it answers."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role == "assistant":
            calls = calls_in(messages[index])
            if not calls:
                return ()
            answered = {result.call_id for result in results_in(messages[index + 1 :])}
            return tuple(call for call in calls if call.id not in answered)
    return ()


def answered_alone(new: Sequence[Message]) -> frozenset[str]:
    """The ids of the calls that new messages answer, if that is all they do; otherwise none.

    A model that waits for results can be given them, but nothing else with them.
    """
    if any(message.role != "tool" for message in new):
        return frozenset()
    return frozenset(result.call_id for result in results_in(new))
