"""The turns of an agent's sessions, without I/O: history, model, prompt, answer.

Guarantees: nothing that the loading of a history repeats is taken for an answer; no text is passed
on for a turn that was interrupted; an agent that uses a tool of its own is stopped; every turn ends
with `Over`, once the agent generates nothing more for it.
"""

from collections.abc import Callable, Mapping

import msgspec

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import FinishChunk, FinishReason, ReasoningChunk, TextChunk, Usage
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.providers.dialect import Event, TurnFailed
from llm_mcp_hub.providers.shared_dialect import Note, Over, Said
from llm_mcp_hub_acp import lines
from llm_mcp_hub_acp.connection import Connection, Events
from llm_mcp_hub_acp.errors import Failure, nothing_said, own_tool, stream_cut
from llm_mcp_hub_acp.profile import AgentProfile
from llm_mcp_hub_acp.talk import Phase, Talk
from llm_mcp_hub_acp.usage import UsagePlace

FINISH = {
    "end_turn": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "max_turn_requests": FinishReason.LENGTH,
    "refusal": FinishReason.CONTENT_FILTER,
}
USED = frozenset({"in_progress", "completed"})
"""States of a tool call that was not refused."""
TOLD_AGAIN = frozenset({"user_message_chunk", "agent_message_chunk"})

Then = Callable[[str, Talk, lines.Line, Events], None]


class Turns:
    """See the module.

    Args:
        connection: To the agent.
        profile: What is particular about it.
        cwd: The working directory of all sessions.

    Attributes:
        can_load: Whether the agent knows `session/load`.
        notes: Files to be written.
    """

    def __init__(self, connection: Connection, profile: AgentProfile, cwd: str) -> None:
        self._connection = connection
        self._profile = profile
        self._cwd = cwd
        self._usage = UsagePlace(profile.usage)
        self._talks: dict[str, Talk] = {}
        self.can_load = False
        self.notes: list[Note] = []
        connection.on_update = self._update

    def add(self, session: str, model: str | None) -> None:
        """There is a new session, in which such a model answers."""
        self._talks[session] = Talk(model)

    def remove(self, session: str) -> None:
        """Forget a session."""
        self._talks.pop(session, None)

    def begin(self, session: str, request: TurnRequest, *, continued: bool) -> None:
        """Bring the history in, choose the model, then ask."""
        talk = self._talks[session]
        talk.begin(request, continued=continued)
        restore = self._profile.restore
        if talk.history and restore is not None and self.can_load:
            restored = restore(session, request.system, talk.history)
            talk.phase = Phase.NOTING
            talk.echoes = restored.echoes
            self.notes.append(Note(session, restored.path, restored.content))
        else:
            self._choose(session, talk)

    def noted(self, session: str) -> None:
        """The history is there: have it loaded into the same session."""
        talk = self._talks.get(session)
        if talk is not None and talk.phase is Phase.NOTING:
            talk.phase = Phase.LOADING
            params = {"sessionId": session, "cwd": self._cwd, "mcpServers": []}
            self._step("session/load", session, params, self._loaded)

    def interrupt(self, session: str) -> None:
        """`session/cancel`; before the agent answers, the turn just goes no further."""
        talk = self._talks.get(session)
        if talk is None or talk.phase is Phase.IDLE or talk.stopping:
            return
        talk.stopping = True
        if talk.phase is Phase.TALKING:
            self._connection.notify("session/cancel", {"sessionId": session})

    def _step(self, method: str, session: str, params: Mapping[str, object], then: Then) -> None:
        """A step of a turn: if it fails, so does the turn."""

        def handle(line: lines.Line, events: Events) -> None:
            talk = self._talks.get(session)
            if talk is None:
                return
            if talk.stopping:
                _end(session, talk, events)
            elif line.error is not None:
                failure = Failure(line.error, method, talk.said)
                self._fail(session, talk, self._profile.error_of(failure), events)
                _end(session, talk, events)
            else:
                then(session, talk, line, events)

        self._connection.ask(method, handle, params)

    def _loaded(self, session: str, talk: Talk, _: lines.Line, events: Events) -> None:
        talk.loaded = True
        talk.model = None  # a loaded session begins with the agent's own choice again
        self._loading(session, talk, events)

    def _loading(self, session: str, talk: Talk, events: Events) -> None:
        """The echo of a history may outlast the reply, and must be over before the prompt."""
        if talk.loaded and talk.echoes <= 0:
            if talk.stopping:
                _end(session, talk, events)
            else:
                self._choose(session, talk)

    def _choose(self, session: str, talk: Talk) -> None:
        model = talk.request.model if talk.request is not None else ""
        switch = self._profile.model_switch
        if switch == "none" or model == talk.model:
            self._prompt(session, talk)
            return
        talk.phase = Phase.CHOOSING
        params: dict[str, object] = {"sessionId": session, "modelId": model}
        if switch == "set_config_option":
            option = self._profile.model_option
            params = {"sessionId": session, "configId": option, "value": model}
        self._step(f"session/{switch}", session, params, self._chosen)

    def _chosen(self, session: str, talk: Talk, _: lines.Line, __: Events) -> None:
        talk.model = talk.request.model if talk.request is not None else None
        self._prompt(session, talk)

    def _prompt(self, session: str, talk: Talk) -> None:
        talk.phase = Phase.TALKING
        params = {"sessionId": session, "prompt": talk.prompt()}
        self._step("session/prompt", session, params, self._prompted)

    def _prompted(self, session: str, talk: Talk, line: lines.Line, events: Events) -> None:
        answer = msgspec.json.decode(line.result, type=lines.Prompted)
        usage = self._usage.find("result", line.result) or talk.usage
        reason = FINISH.get(answer.stop_reason)
        counted = usage is not None and usage != Usage()
        if not talk.said and reason is not FinishReason.CONTENT_FILTER:
            _say(session, TurnFailed(nothing_said(self._profile.title)), events)
        elif reason is None:
            _say(session, TurnFailed(stream_cut(self._profile.title)), events)
        else:
            if self._profile.counts_prove_an_end and not counted:
                reason = FinishReason.LENGTH
            _say(session, FinishChunk(reason, usage or Usage()), events)
        _end(session, talk, events)

    def _update(self, session: str, update: lines.Update, raw: bytes, events: Events) -> None:
        talk = self._talks.get(session)
        if talk is None:
            return
        if talk.phase is Phase.LOADING:
            if update.session_update in TOLD_AGAIN:
                talk.echoes -= 1
                self._loading(session, talk, events)
        elif talk.phase is Phase.TALKING and not talk.stopping:
            self._talking(session, talk, update, raw, events)

    def _talking(
        self, session: str, talk: Talk, update: lines.Update, raw: bytes, events: Events
    ) -> None:
        kind, content = update.session_update, update.content
        text = content.text if isinstance(content, lines.Content) else ""
        if kind == "agent_message_chunk":
            if text:
                talk.said = True
                _say(session, TextChunk(text), events)
        elif kind == "agent_thought_chunk":
            if text:
                _say(session, ReasoningChunk(text), events)
        elif kind in ("tool_call", "tool_call_update"):
            if update.status in USED:
                self._fail(session, talk, own_tool(self._profile.title), events)
                self.interrupt(session)
        elif self._usage.root == "update":
            talk.usage = self._usage.find("update", lines.update_of(raw)) or talk.usage

    def _fail(self, session: str, talk: Talk, error: HubError, events: Events) -> None:
        if talk.said:
            # Trying again would pay for the same answer a second time.
            error.retryable = False
        _say(session, TurnFailed(error), events)


def _say(session: str, event: Event, events: Events) -> None:
    events.append(Said(session, event))


def _end(session: str, talk: Talk, events: Events) -> None:
    talk.phase = Phase.IDLE
    events.append(Over(session))
