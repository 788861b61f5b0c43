"""The Agent Client Protocol as a machine without I/O, many conversations at once.

Guarantees: those of `providers.shared_dialect`, of `connection.py` and of `turns.py`. No session
gets a file system or a terminal from the hub, nor an MCP server but the one with its own client's
tools.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.model import Capability
from llm_mcp_hub.errors import ProviderUnavailable
from llm_mcp_hub.providers.dialect import Pong, Ready
from llm_mcp_hub.providers.shared_dialect import Note, NotOpened, Opened, SharedEvent, StartFailed
from llm_mcp_hub_acp import lines
from llm_mcp_hub_acp.client_tools.server import ToolServer
from llm_mcp_hub_acp.connection import Connection, Events
from llm_mcp_hub_acp.errors import Failure
from llm_mcp_hub_acp.models import current_model, models_of
from llm_mcp_hub_acp.profile import AgentProfile
from llm_mcp_hub_acp.turns import Turns

CLIENT = {
    "protocolVersion": lines.PROTOCOL_VERSION,
    "clientCapabilities": {
        "fs": {"readTextFile": False, "writeTextFile": False},
        "terminal": False,
    },
    "clientInfo": {"name": "llm-mcp-hub", "version": "0.1"},
}


class AcpDialect:
    """See the module.

    Args:
        profile: What is particular about the agent.
        directory: The worker's private files; conversations are held in its `cwd`.
        tools: Where the agent finds the client's tools.
    """

    def __init__(self, profile: AgentProfile, directory: Path, tools: ToolServer) -> None:
        self._profile = profile
        self._cwd = str(directory / "cwd")
        self._connection = Connection(profile)
        self._turns = Turns(self._connection, profile, self._cwd, tools)
        self._tickets = 0
        self._ready = Ready(None)

    def listen(self, deliver: Callable[[Sequence[SharedEvent]], None]) -> None:
        """Have `deliver` told of calls of the client's tools, which come over loopback."""
        self._turns.deliver = deliver

    def probe(self) -> None:
        """`initialize`, and `authenticate` if the profile says so."""
        self._connection.ask("initialize", self._initialized, CLIENT)

    def open(self) -> int:
        """`session/new`."""
        self._tickets += 1
        ticket = self._tickets
        self._connection.ask(
            "session/new",
            lambda line, events: self._opened(ticket, line, events),
            {"cwd": self._cwd, "mcpServers": []},
        )
        return ticket

    def begin(self, conversation: str, request: TurnRequest, *, continued: bool) -> None:
        """See `turns.py`."""
        self._turns.begin(conversation, request, continued=continued)

    def notes(self) -> list[Note]:
        """See `providers.shared_dialect`."""
        notes, self._turns.notes = self._turns.notes, []
        return notes

    def noted(self, conversation: str) -> None:
        """See `providers.shared_dialect`."""
        self._turns.noted(conversation)

    def interrupt(self, conversation: str) -> None:
        """See `turns.py`."""
        self._turns.interrupt(conversation)

    def close(self, conversation: str) -> Sequence[str]:
        """Forget a session. The protocol has no way to tell the agent, who keeps it in memory."""
        sessions = self._turns.remove(conversation) or (conversation,)
        return tuple(path for one in sessions for path in self._profile.leftovers(one))

    def ping(self) -> bool:
        """Ask for what the agent does not know."""
        if self._profile.pings:
            self._connection.ping(lambda events: events.append(Pong()))
        return self._profile.pings

    def receive(self, raw_lines: Sequence[bytes]) -> list[SharedEvent]:
        """See `providers.shared_dialect`."""
        return self._connection.receive(raw_lines)

    def data_to_send(self) -> bytes:
        """See `providers.shared_dialect`."""
        return self._connection.data_to_send()

    def _initialized(self, line: lines.Line, events: Events) -> None:
        if line.error is not None:
            self._start_failed(line.error, "initialize", events)
            return
        answer = msgspec.json.decode(line.result, type=lines.Initialized)
        if answer.protocol_version != lines.PROTOCOL_VERSION:
            error = ProviderUnavailable(
                f"{self._profile.title} speaks version {answer.protocol_version} of the Agent "
                f"Client Protocol; the hub needs {lines.PROTOCOL_VERSION}."
            )
            events.append(StartFailed(error))
            return
        can = answer.agent_capabilities
        self._turns.can_load = can.load_session
        self._turns.can_call = can.mcp_capabilities.http
        version = answer.agent_info.version if answer.agent_info is not None else None
        tools = frozenset({Capability.TOOLS} if self._turns.can_call else ())
        self._ready = Ready(version, tools)
        method = self._profile.authentication
        if method:
            self._connection.ask("authenticate", self._authenticated, {"methodId": method})
        else:
            events.append(self._ready)

    def _authenticated(self, line: lines.Line, events: Events) -> None:
        if line.error is not None:
            self._start_failed(line.error, "authenticate", events)
        else:
            events.append(self._ready)

    def _start_failed(self, error: lines.RpcError, step: str, events: Events) -> None:
        events.append(StartFailed(self._profile.error_of(Failure(error, step))))

    def _opened(self, ticket: int, line: lines.Line, events: Events) -> None:
        if line.error is not None:
            self._not_opened(ticket, line.error, "session/new", events)
            return
        session = msgspec.json.decode(line.result, type=lines.NewSession)
        option = self._profile.model_option
        opened = Opened(ticket, session.session_id, models_of(session, option))
        self._turns.add(session.session_id, current_model(session, option))
        mode = self._profile.session_mode
        if not mode:
            events.append(opened)
            return

        def in_mode(line: lines.Line, events: Events) -> None:
            if line.error is not None:
                self._not_opened(ticket, line.error, "session/set_mode", events)
            else:
                events.append(opened)

        params = {"sessionId": session.session_id, "modeId": mode}
        self._connection.ask("session/set_mode", in_mode, params)

    def _not_opened(self, ticket: int, error: lines.RpcError, step: str, events: Events) -> None:
        events.append(NotOpened(ticket, self._profile.error_of(Failure(error, step))))
