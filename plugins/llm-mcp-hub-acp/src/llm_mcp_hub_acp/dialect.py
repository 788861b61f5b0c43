"""The Agent Client Protocol as a machine without I/O, many conversations at once.

Guarantees: those of `providers.shared_dialect`, of `connection.py` and of `turns.py`. No session
gets a file system, a terminal or an MCP server from the hub.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.errors import ProviderUnavailable
from llm_mcp_hub.providers.dialect import Pong, Ready
from llm_mcp_hub.providers.shared_dialect import Note, NotOpened, Opened, SharedEvent, StartFailed
from llm_mcp_hub_acp import lines
from llm_mcp_hub_acp.connection import Connection, Events
from llm_mcp_hub_acp.errors import Failure
from llm_mcp_hub_acp.models import current_model, models_of
from llm_mcp_hub_acp.profile import AgentProfile
from llm_mcp_hub_acp.turns import Turns

PING = "_llm_mcp_hub/ping"
"""A method that no agent knows. Each answers at once that it does not, also during turns (seen with
the Gemini CLI 0.61.0), and does nothing for it."""

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
    """

    def __init__(self, profile: AgentProfile, directory: Path) -> None:
        self._profile = profile
        self._cwd = str(directory / "cwd")
        self._connection = Connection(profile)
        self._turns = Turns(self._connection, profile, self._cwd)
        self._tickets = 0
        self._version: str | None = None

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
        self._turns.remove(conversation)
        return self._profile.leftovers(conversation)

    def ping(self) -> bool:
        """Ask for what the agent does not know."""
        if self._profile.pings:
            self._connection.ask(PING, lambda _, events: events.append(Pong()), {})
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
        self._turns.can_load = answer.agent_capabilities.load_session
        self._version = answer.agent_info.version if answer.agent_info is not None else None
        method = self._profile.authentication
        if method:
            self._connection.ask("authenticate", self._authenticated, {"methodId": method})
        else:
            events.append(Ready(self._version))

    def _authenticated(self, line: lines.Line, events: Events) -> None:
        if line.error is not None:
            self._start_failed(line.error, "authenticate", events)
        else:
            events.append(Ready(self._version))

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
