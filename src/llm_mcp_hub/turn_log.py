"""A built-in plugin that writes one log line for each turn."""

import structlog

from llm_mcp_hub.domain.turn import Outcome, TurnRecord
from llm_mcp_hub.hookspecs import hookimpl

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@hookimpl
def hub_turn_finished(turn: TurnRecord) -> None:
    """Log how the turn went; never what was said in it."""
    write = log.warning if turn.outcome is Outcome.FAILED else log.info
    write(
        "turn.finished",
        turn_id=turn.turn_id,
        session_id=turn.session_id,
        principal=turn.principal,
        model=f"{turn.provider}/{turn.model}",
        outcome=turn.outcome.value,
        code=turn.error_code,
        input_tokens=turn.usage.input_tokens,
        output_tokens=turn.usage.output_tokens,
        seconds=round(turn.seconds, 4),
        first_chunk_seconds=turn.first_chunk_seconds and round(turn.first_chunk_seconds, 4),
    )
