"""What a caller demands of an answer, beyond that it is one.

No vendor's tool can be made to call a tool or to keep to a schema. So the model is told to in its
system prompt, what it answers is judged, and it is told once what is wrong.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from llm_mcp_hub.domain.completion import Completion
from llm_mcp_hub.domain.response_format import ResponseFormat
from llm_mcp_hub.domain.tool import Tool, ToolChoice
from llm_mcp_hub.errors import FormatNotHonoured, HubError, ToolChoiceNotHonoured
from llm_mcp_hub.services.answer_schema import answer_schema, json_text
from llm_mcp_hub.services.command import ChatCommand
from llm_mcp_hub.services.one_json import one_json


class Unfit(msgspec.Struct, frozen=True):
    """What is wrong with an answer.

    Attributes:
        told: What the model is told.
        error: What the caller is told if that does not help.
    """

    told: str
    error: HubError


class Demand(Protocol):
    """Something demanded.

    Attributes:
        instruction: What the model is told in its system prompt.
    """

    @property
    def instruction(self) -> str: ...  # noqa: D102  # described above

    def judge(self, completion: Completion) -> str | Unfit:
        """The text of an answer as the caller is to have it, or what is wrong."""
        ...


class CallDemand:
    """A tool must be called."""

    def __init__(self, choice: ToolChoice, tools: Sequence[Tool]) -> None:
        names = [tool.name for tool in choice.among(tools)]
        self._which = f"the tool {names[0]}" if len(names) == 1 else "one of your tools"
        self.instruction = (
            f"You must call {self._which} in your next answer, whatever the user says; an answer "
            "without a call can't be used."
        )

    def judge(self, completion: Completion) -> str | Unfit:
        """There must be a call."""
        if completion.tool_calls:
            return completion.text
        return Unfit(
            f"You have not called {self._which}. Call it now; say nothing else.",
            ToolChoiceNotHonoured(
                f"The model was to call {self._which} and did not, even when it was told so. "
                "Describe in the prompt what the call is for, or leave the choice to the model.",
                param="tool_choice",
            ),
        )


class FormatDemand:
    """The text must be JSON, and may have to fit a schema.

    Raises:
        InvalidRequest: The schema is none.
    """

    def __init__(self, wanted: ResponseFormat, *, tools: bool) -> None:
        self._schema = answer_schema(wanted.schema or {}) if wanted.kind == "json_schema" else None
        when = "When you have called the tools that you need, answer" if tools else "Answer"
        alone = "Write nothing before or after it: no explanation and no code fence."
        if self._schema is None:
            self.instruction = f"{when} with one JSON object. {alone}"
            return
        about = f" ({wanted.description})" if wanted.description else ""
        self.instruction = (
            f"{when} with one JSON value that fits this JSON Schema of `{wanted.name}`{about}. "
            f"{alone}\n\n{json_text(wanted.schema)}"
        )

    def judge(self, completion: Completion) -> str | Unfit:
        """The JSON in the text, which must be all there is."""
        if completion.tool_calls:
            return completion.text
        text = one_json(completion.text)
        wrong = ["it is not one JSON value"] if text is None else self._complaints(text)
        if text is not None and not wrong:
            return text
        listed = "; ".join(wrong)
        return Unfit(
            f"Your answer can't be used: {listed}. Give the whole answer again, corrected, as JSON "
            "alone.",
            FormatNotHonoured(
                f"The model's answer does not have the form asked for, not even when it was told "
                f"what is wrong: {listed}. A simpler schema, or another model, may do.",
                param="response_format",
            ),
        )

    def _complaints(self, text: str) -> list[str]:
        value = msgspec.json.decode(text)
        if self._schema is not None:
            return self._schema.complaints(value)
        return [] if isinstance(value, dict) else ["it is not a JSON object"]


class Demands:
    """All that is demanded: what does not fit one of them does not fit."""

    def __init__(self, demands: Sequence[Demand]) -> None:
        self.instruction = "\n\n".join(demand.instruction for demand in demands)
        self._demands = demands

    def judge(self, completion: Completion) -> str | Unfit:
        """See `Demand`."""
        text: str | Unfit = completion.text
        for demand in self._demands:
            text = demand.judge(completion)
            if isinstance(text, Unfit):
                break
        return text


def demands_of(command: ChatCommand) -> Demands | None:
    """What a command demands, or None if any answer will do.

    Raises:
        InvalidRequest: Its schema is none.
    """
    demands: list[Demand] = []
    if command.tool_choice.mode == "required":
        demands.append(CallDemand(command.tool_choice, command.tools))
    if command.response_format.kind != "text":
        offered = bool(command.tool_choice.among(command.tools))
        demands.append(FormatDemand(command.response_format, tools=offered))
    return Demands(demands) if demands else None
