"""The hub's own requests to Claude Code: how they are put, and which are still unanswered.

Guarantee: a model is never replaced by another without an error. Seen with Claude Code 2.1.329.
"""

from collections.abc import Mapping, Sequence

from llm_mcp_hub.domain.chat import TurnOptions
from llm_mcp_hub.errors import HubError
from llm_mcp_hub_claude import lines
from llm_mcp_hub_claude.errors import model_refused, model_replaced, step_refused
from llm_mcp_hub_claude.options import flag_settings
from llm_mcp_hub_claude.tool_names import SERVER

PING = "ping"
"""Id of the requests for a sign of life. Their answers are no step of a turn."""
SYSTEM_PROMPT_OF_NONE = ""
"""Sent when the caller gives no system prompt: nothing but the vendor's own line of identity
remains of the system prompt then."""


class Control:
    """See the module. Its methods give the lines to send.

    Args:
        aliases: Names of models that stand for others.
    """

    def __init__(self, aliases: Mapping[str, str]) -> None:
        self._aliases = aliases
        self._open: dict[str, str] = {}
        self._count = 0
        self._options = TurnOptions()
        self._full_id = ""

    @property
    def busy(self) -> bool:
        """Whether an answer is missing."""
        return bool(self._open)

    def ask(self, subtype: str, purpose: str | None = None, **fields: object) -> bytes:
        """Any request; its purpose is its subtype unless it is named."""
        self._count += 1
        request_id = f"hub-{self._count}"
        self._open[request_id] = purpose or subtype
        return lines.control_request(request_id, subtype, **fields)

    def initialize(self, system: str, *, tools: bool, purpose: str | None = None) -> bytes:
        """Begin a conversation; with tools Claude Code will ask the hub for them."""
        servers = {"sdkMcpServers": [SERVER]} if tools else {}
        prompt = [system or SYSTEM_PROMPT_OF_NONE]
        return self.ask("initialize", purpose, systemPrompt=prompt, **servers)

    def configure(self, options: TurnOptions) -> bytes:
        """Set the options of a turn; nothing if they are set."""
        if options == self._options:
            return b""
        self._options = options
        return self.ask("apply_flag_settings", settings=flag_settings(options))

    def choose_model(self, model: str, models: Sequence[lines.ModelEntry]) -> bytes:
        """Set the model, of which Claude Code has listed those it knows by a short name."""
        name = self._aliases.get(model, model)
        # Under its short name the tool takes a model at once; a full id it tries out upstream.
        short = next((entry.value for entry in models if entry.resolved == name), name)
        self._full_id = name if short == name and name.startswith("claude-") else ""
        return self.ask("set_model", model=short)

    def answered(self, request_id: str) -> str:
        """The purpose of a request that is answered; empty if it is none of the hub's."""
        return self._open.pop(request_id, "")

    def error_in(self, purpose: str, reply: lines.ControlReply) -> HubError | None:
        """What went wrong, by the answer."""
        if reply.subtype != "success" and purpose != "interrupt":
            if purpose == "set_model":
                return model_refused(reply.error_code, reply.error or "")
            return step_refused(purpose, reply.error)
        chosen = reply.response.model if reply.response is not None else None
        asked = self._full_id.removesuffix("[1m]")
        if purpose != "set_model" or not asked or chosen in (None, asked):
            return None
        return model_replaced(asked, chosen or "")
