"""JSON-RPC with an agent, without I/O: requests with their answers, and what the agent asks.

Guarantees: a request for permission is always rejected, and every other request of the agent's is
refused at once, for an unanswered one would hold its turn up for ever; a line that is no message
means what the agent's profile says.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from llm_mcp_hub.errors import LoginRequired, WorkerGarbled
from llm_mcp_hub.providers.shared_dialect import SharedEvent
from llm_mcp_hub_acp import lines
from llm_mcp_hub_acp.profile import AgentProfile

PING = "_llm_mcp_hub/ping"
"""A method that no agent knows. Each answers at once that it does not, also during turns (seen with
the Gemini CLI 0.61.0), and does nothing for it."""

Events = list[SharedEvent]
Handler = Callable[[lines.Line, Events], None]


class Connection:
    """See the module.

    Args:
        profile: What is particular about the agent.

    Attributes:
        on_update: Told of `session/update`: the session, the update and the whole line.
    """

    on_update: Callable[[str, lines.Update, bytes, Events], None]

    def __init__(self, profile: AgentProfile) -> None:
        self._profile = profile
        self._outgoing = bytearray()
        self._numbers = 0
        self._asked: dict[int | str, Handler] = {}

    def ask(self, method: str, handler: Handler, params: Mapping[str, object]) -> int:
        """Send a request; `handler` gets its reply. Its number."""
        self._numbers += 1
        self._asked[self._numbers] = handler
        self._outgoing += lines.request(self._numbers, method, params)
        return self._numbers

    def ping(self, answered: Callable[[Events], None]) -> None:
        """Ask for what the agent does not know. Its answer comes after all it wrote before."""
        self.ask(PING, lambda _, events: answered(events), {})

    def notify(self, method: str, params: Mapping[str, object]) -> None:
        """Send a notification."""
        self._outgoing += lines.notification(method, params)

    def receive(self, raw_lines: Sequence[bytes]) -> Events:
        """Take the next lines and return what they mean.

        Raises:
            WorkerGarbled: One is no message of the protocol.
            LoginRequired: One asks for a login.
        """
        events: Events = []
        for raw in raw_lines:
            try:
                line = lines.decode_line(raw)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                self._noise(raw, error)
            else:
                try:
                    self._take(line, raw, events)
                except msgspec.DecodeError as error:
                    raise self._garbled(raw, error) from error
        return events

    def data_to_send(self) -> bytes:
        """The bytes to write next."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def _take(self, line: lines.Line, raw: bytes, events: Events) -> None:
        if line.method is None:
            handler = self._asked.pop(line.id, None) if line.id is not None else None
            if handler is not None:
                handler(line, events)
        elif line.id is not None:
            if line.method == "session/request_permission":
                options = line.params.options if line.params is not None else ()
                self._outgoing += lines.result(line.id, lines.rejection(options))
            else:
                self._outgoing += lines.refusal(line.id)
        elif line.method == "session/update" and line.params is not None:
            self.on_update(line.params.session_id, line.params.update, raw, events)

    def _noise(self, raw: bytes, error: Exception) -> None:
        if self._profile.noise == "login":
            raise LoginRequired(
                f"{self._profile.title} asks for a login. {self._profile.remedy}",
                detail=repr(raw[:200]),
            ) from error
        if self._profile.noise == "garbled":
            raise self._garbled(raw, error) from error

    def _garbled(self, raw: bytes, error: Exception) -> WorkerGarbled:
        return WorkerGarbled(
            f"{self._profile.title} wrote something that the hub does not understand. Run "
            "`llm-mcp-hub doctor` to see whether its version fits.",
            detail=f"{error}: {raw[:200]!r}",
        )
