"""The turns of an agent's sessions, without I/O: tools, history, model, prompt, calls.

Guarantees: nothing that the loading of a history repeats is taken for an answer; no prompt is sent
before the agent has asked for the tools that belong to it; after a call nothing is passed on before
its result was given; what was begun ends with `Over`, once the agent generates nothing more for it.

A conversation with the client's tools is held in a session of its own, which the agent opens, or
loads, when its first turn begins: only then are the tools known.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.providers.shared_dialect import Lost, Note, Over, SharedEvent, Suspended
from llm_mcp_hub_acp import lines
from llm_mcp_hub_acp.answers import Answers, end, fail, say
from llm_mcp_hub_acp.calls import Calls
from llm_mcp_hub_acp.client_tools.server import ToolServer
from llm_mcp_hub_acp.client_tools.toolbox import Called, GivenUp, Listed, Told
from llm_mcp_hub_acp.connection import Connection, Events, Handler
from llm_mcp_hub_acp.errors import Failure, call_given_up, takes_no_tools, tools_not_listed
from llm_mcp_hub_acp.models import current_model
from llm_mcp_hub_acp.one_by_one import OneByOne
from llm_mcp_hub_acp.profile import AgentProfile
from llm_mcp_hub_acp.talk import Phase, Talk

TOLD_AGAIN = frozenset({"user_message_chunk", "agent_message_chunk"})

Then = Callable[[Talk, lines.Line, Events], None]


class Turns:
    """See the module.

    Args:
        connection: To the agent.
        profile: What is particular about it.
        cwd: The working directory of all sessions.
        tools: Where the agent finds the client's tools.

    Attributes:
        can_load: Whether the agent knows `session/load`.
        can_call: Whether it can be given tools.
        notes: Files to be written.
        deliver: Told of events that come from the tools' side.
    """

    def __init__(
        self, connection: Connection, profile: AgentProfile, cwd: str, tools: ToolServer
    ) -> None:
        self._connection = connection
        self._profile = profile
        self._cwd = cwd
        self._tools = tools
        self._answers = Answers(profile, self._stop)
        self._talks: dict[str, Talk] = {}
        self._by_session: dict[str, Talk] = {}
        self._openings = OneByOne()
        self.can_load = self.can_call = False
        self.notes: list[Note] = []
        self.deliver: Callable[[Sequence[SharedEvent]], None] = lambda _: None
        connection.on_update = self._update

    def add(self, session: str, model: str | None) -> None:
        """There is a new session, in which such a model answers."""
        self._talks[session] = self._by_session[session] = Talk(session, model)

    def remove(self, name: str) -> Sequence[str]:
        """Forget a conversation; the sessions it was held in."""
        talk = self._talks.pop(name, None)
        if talk is None:
            return ()
        if talk.calls is not None:
            talk.calls.close()
        sessions = {talk.name, talk.session}
        for session in sessions:
            self._by_session.pop(session, None)
        return tuple(sorted(sessions))

    def begin(self, name: str, request: TurnRequest, *, continued: bool) -> None:
        """Bring tools and history in, choose the model, then ask; or give results of calls.

        Raises:
            UnsupportedParameter: The agent can't be given tools.
        """
        talk = self._talks[name]
        if talk.phase is Phase.WAITING and continued:
            self._resume(talk, request)
            return
        talk.begin(request, continued=continued)
        fresh = bool(request.tools) and talk.calls is None
        if fresh:
            if not self.can_call:
                raise takes_no_tools(self._profile.title)
            talk.calls = Calls(self._tools, request.tools, lambda told: self._told(talk, told))
        restore = self._profile.restore
        if talk.history and restore is not None and self.can_load:
            restored = restore(talk.session, request.system, talk.history)
            talk.phase = Phase.NOTING
            talk.echoes = restored.echoes
            self.notes.append(Note(name, restored.path, restored.content))
        elif fresh:
            talk.phase = Phase.OPENING
            self._open(talk, "session/new", {}, self._opened)
        else:
            self._choose(talk)

    def noted(self, name: str) -> None:
        """The history is there: have it loaded into the same session."""
        talk = self._talks.get(name)
        if talk is not None and talk.phase is Phase.NOTING:
            talk.phase = Phase.LOADING
            self._open(talk, "session/load", {"sessionId": talk.session}, self._loaded)

    def interrupt(self, name: str) -> None:
        """`session/cancel`; before the agent answers, the turn just goes no further."""
        talk = self._talks.get(name)
        if talk is not None:
            self._stop(talk)

    def _stop(self, talk: Talk) -> None:
        if talk.phase is Phase.IDLE or talk.stopping:
            return
        talk.stopping = True
        if talk.phase in (Phase.TALKING, Phase.WAITING):
            self._connection.notify("session/cancel", {"sessionId": talk.session})
        elif talk.phase is Phase.LISTING:
            talk.phase = Phase.IDLE
            self.deliver([Over(talk.name)])

    def _step(self, method: str, talk: Talk, params: Mapping[str, object], then: Then) -> None:
        """A step of a turn: if it fails, so does the turn."""
        self._connection.ask(method, self._handler(method, talk, then), params)

    def _handler(self, method: str, talk: Talk, then: Then) -> Handler:
        def handle(line: lines.Line, events: Events) -> None:
            if talk.name not in self._talks:
                return
            if talk.stopping:
                end(talk, events)
            elif line.error is not None:
                failure = Failure(line.error, method, talk.said)
                self._give_up(talk, self._profile.error_of(failure), events)
            else:
                then(talk, line, events)

        return handle

    def _give_up(self, talk: Talk, error: HubError, events: Events) -> None:
        fail(talk, error, events)
        end(talk, events)

    def _open(self, talk: Talk, method: str, params: Mapping[str, object], then: Then) -> None:
        """A step that makes a session; those with tools are made one at a time."""
        common, calls = {**params, "cwd": self._cwd}, talk.calls
        if calls is None:
            self._step(method, talk, {**common, "mcpServers": []}, then)
            return
        go_on = self._handler(method, talk, then)

        def handle(line: lines.Line, events: Events) -> None:
            self._openings.leave()
            go_on(line, events)

        def begin() -> bool:
            if talk.name not in self._talks:
                return False
            self._connection.ask(method, handle, {**common, "mcpServers": calls.servers})
            return True

        self._openings.enter(begin)

    def _opened(self, talk: Talk, line: lines.Line, events: Events) -> None:
        session = msgspec.json.decode(line.result, type=lines.NewSession)
        talk.session = session.session_id
        talk.model = current_model(session, self._profile.model_option)
        self._by_session[talk.session] = talk
        mode = self._profile.session_mode
        if mode:
            params = {"sessionId": talk.session, "modeId": mode}
            self._step("session/set_mode", talk, params, self._list)
        else:
            self._list(talk, line, events)

    def _loaded(self, talk: Talk, _: lines.Line, events: Events) -> None:
        talk.loaded = True
        talk.model = None  # a loaded session begins with the agent's own choice again
        self._loading(talk, events)

    def _loading(self, talk: Talk, events: Events) -> None:
        """The echo of a history may outlast the reply, and must be over before the prompt."""
        if talk.loaded and talk.echoes <= 0:
            if talk.stopping:
                end(talk, events)
            else:
                self._list(talk, None, events)

    def _list(self, talk: Talk, _: lines.Line | None, events: Events) -> None:
        calls = talk.calls
        if calls is None or calls.listed:
            self._choose(talk)
        elif calls.missing:
            self._give_up(talk, tools_not_listed(self._profile.title), events)
        else:
            talk.phase = Phase.LISTING
            calls.expect_listing()

    def _choose(self, talk: Talk) -> None:
        model = talk.request.model if talk.request is not None else ""
        switch = self._profile.model_switch
        if switch == "none" or model == talk.model:
            self._prompt(talk)
            return
        talk.phase = Phase.CHOOSING
        params: dict[str, object] = {"sessionId": talk.session, "modelId": model}
        if switch == "set_config_option":
            option = self._profile.model_option
            params = {"sessionId": talk.session, "configId": option, "value": model}
        self._step(f"session/{switch}", talk, params, self._chosen)

    def _chosen(self, talk: Talk, _: lines.Line, __: Events) -> None:
        talk.model = talk.request.model if talk.request is not None else None
        self._prompt(talk)

    def _prompt(self, talk: Talk) -> None:
        talk.phase = Phase.TALKING
        params = {"sessionId": talk.session, "prompt": talk.prompt()}
        self._step("session/prompt", talk, params, self._prompted)

    def _prompted(self, talk: Talk, line: lines.Line, events: Events) -> None:
        if talk.phase is Phase.TALKING:
            self._answers.finish(talk, line.result, events)
        end(talk, events)

    def _update(self, session: str, update: lines.Update, raw: bytes, events: Events) -> None:
        talk = self._by_session.get(session)
        if talk is None:
            return
        if talk.phase is Phase.LOADING:
            if update.session_update in TOLD_AGAIN:
                talk.echoes -= 1
                self._loading(talk, events)
        elif talk.phase is Phase.TALKING and not talk.stopping:
            self._answers.take(talk, update, raw, events)

    def _told(self, talk: Talk, told: Told) -> None:
        """Something came at the side of the tools."""
        events: Events = []
        calls = talk.calls
        if calls is None or talk.name not in self._talks:
            return
        if isinstance(told, Called):
            calls.arrive(told)
            self._look(talk, events)
        elif isinstance(told, GivenUp):
            if calls.give_up(told.id) and talk.phase is Phase.WAITING:
                events.append(Lost(talk.name, call_given_up(self._profile.title)))
                self._stop(talk)
        elif isinstance(told, Listed):
            if talk.phase is Phase.LISTING:
                self._choose(talk)
        else:
            calls.missing = True
            if talk.phase is Phase.LISTING:
                self._list(talk, None, events)
        self.deliver(events)

    def _look(self, talk: Talk, events: Events) -> None:
        """See whether there are calls to tell, once all that the agent wrote before is read."""
        calls = talk.calls
        if calls is None or not calls.untold or calls.asked or talk.phase is not Phase.TALKING:
            return
        if self._profile.pings:
            calls.asked = True
            self._connection.ping(lambda events: self._tell(talk, events))
        else:
            self._tell(talk, events)

    def _tell(self, talk: Talk, events: Events) -> None:
        calls, request = talk.calls, talk.request
        if calls is None or request is None:
            return
        calls.asked = False
        if calls.untold and talk.phase is Phase.TALKING and not talk.stopping:
            for chunk in calls.take(talk.charge(), parallel=request.parallel_tool_calls):
                say(talk, chunk, events)
            talk.phase = Phase.WAITING
            events.append(Suspended(talk.name))

    def _resume(self, talk: Talk, request: TurnRequest) -> None:
        talk.resume(request)
        if talk.calls is not None:
            talk.calls.answer(request)
            events: Events = []
            self._look(talk, events)
            self.deliver(events)
