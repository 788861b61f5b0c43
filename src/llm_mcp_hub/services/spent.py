"""What a turn has used, as its stream tells, whatever a plugin's stream does when it is asked."""

import structlog

from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.providers.base import ChunkStream, used_by

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def spent_by(stream: ChunkStream) -> Usage:
    """`used_by`; nothing, and a line in the log, if it raises."""
    try:
        return used_by(stream)
    except Exception:
        log.exception("turn.usage_not_told")
        return Usage()
