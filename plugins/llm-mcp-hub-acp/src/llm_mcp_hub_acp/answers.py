"""What an agent says while it answers, as chunks, and how its answer ends; pure.

Guarantees: no text is passed on for a turn that was interrupted; an agent that uses a tool of its
own is stopped, whether or not it was given tools of the client's.
"""

from collections.abc import Callable

import msgspec

from llm_mcp_hub.domain.chunk import FinishChunk, FinishReason, ReasoningChunk, TextChunk, Usage
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.providers.dialect import Event, TurnFailed, UsageSeen
from llm_mcp_hub.providers.shared_dialect import Over, Said
from llm_mcp_hub_acp import lines
from llm_mcp_hub_acp.connection import Events
from llm_mcp_hub_acp.errors import nothing_said, own_tool, stream_cut
from llm_mcp_hub_acp.profile import AgentProfile
from llm_mcp_hub_acp.talk import Phase, Talk
from llm_mcp_hub_acp.usage import UsagePlace

FINISH = {
    "end_turn": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "max_turn_requests": FinishReason.LENGTH,
    "refusal": FinishReason.CONTENT_FILTER,
}


class Answers:
    """See the module.

    Args:
        profile: What is particular about the agent.
        stop: Has it stop generating.
    """

    def __init__(self, profile: AgentProfile, stop: Callable[[Talk], None]) -> None:
        self._profile = profile
        self._stop = stop
        self._usage = UsagePlace(profile.usage)

    def take(self, talk: Talk, update: lines.Update, raw: bytes, events: Events) -> None:
        """A part of the answer, or what the agent does meanwhile."""
        kind, content = update.session_update, update.content
        text = content.text if isinstance(content, lines.Content) else ""
        if kind == "agent_message_chunk":
            if text:
                talk.said = True
                say(talk, TextChunk(text), events)
        elif kind == "agent_thought_chunk":
            if text:
                say(talk, ReasoningChunk(text), events)
        elif kind in ("tool_call", "tool_call_update"):
            if not self._allowed(talk, update):
                fail(talk, own_tool(self._profile.title), events)
                self._stop(talk)
        elif self._usage.root == "update":
            self._count(talk, self._usage.find("update", lines.update_of(raw)), events)

    def finish(self, talk: Talk, result: msgspec.Raw, events: Events) -> None:
        """The agent says that its answer is whole."""
        answer = msgspec.json.decode(result, type=lines.Prompted)
        self._count(talk, self._usage.find("result", result), events)
        reason = FINISH.get(answer.stop_reason)
        if not talk.said and reason is not FinishReason.CONTENT_FILTER:
            say(talk, TurnFailed(nothing_said(self._profile.title)), events)
        elif reason is None:
            say(talk, TurnFailed(stream_cut(self._profile.title)), events)
        else:
            if self._profile.counts_prove_an_end and talk.usage == Usage():
                reason = FinishReason.LENGTH
            say(talk, FinishChunk(reason, talk.uncharged), events)

    def _count(self, talk: Talk, found: Usage | None, events: Events) -> None:
        if found is not None and found != talk.usage:
            talk.usage = found
            say(talk, UsageSeen(talk.uncharged), events)

    def _allowed(self, talk: Talk, update: lines.Update) -> bool:
        """Whether what is told of a tool can be told of one of the client's, or did not happen."""
        if update.status not in ("in_progress", "completed"):
            return True
        if talk.calls is None:
            return False
        if self._profile.client_call is not None:
            return self._profile.client_call(update.tool_call_id)
        # A call of the client's begins like any other, but ends only once it was answered.
        return update.status == "in_progress" or talk.calls.completed(update.tool_call_id)


def say(talk: Talk, event: Event, events: Events) -> None:
    """Pass on an event of a turn."""
    events.append(Said(talk.name, event))


def fail(talk: Talk, error: HubError, events: Events) -> None:
    """A turn fails."""
    if talk.said:
        # Trying again would pay for the same answer a second time.
        error.retryable = False
    say(talk, TurnFailed(error), events)


def end(talk: Talk, events: Events) -> None:
    """Nothing is generated any more."""
    talk.phase = Phase.IDLE
    events.append(Over(talk.name))
