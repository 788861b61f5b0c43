"""How a turn's options are told to Claude Code; pure."""

from llm_mcp_hub.domain.chat import Effort, TurnOptions

EFFORT_LEVELS = {
    Effort.NONE: "low",
    Effort.MINIMAL: "low",
    Effort.LOW: "low",
    Effort.MEDIUM: "medium",
    Effort.HIGH: "high",
    Effort.XHIGH: "xhigh",
}
"""The tool's levels: low, medium, high, xhigh, max. Others are ignored without a word."""


def flag_settings(options: TurnOptions) -> dict[str, object]:
    """`settings` of `apply_flag_settings`.

    Always names both: `null` takes an earlier value back, and leaving a name out keeps it
    (Claude Code 2.1.329). A limit above the model's own is lowered to it by the tool.
    """
    limit = None if options.max_tokens is None else str(options.max_tokens)
    level = None if options.effort is None else EFFORT_LEVELS[options.effort]
    return {"effortLevel": level, "env": {"CLAUDE_CODE_MAX_OUTPUT_TOKENS": limit}}
