"""What a turn needs of the hub."""

from collections.abc import Callable

from msgspec import Struct

from llm_mcp_hub.domain.turn import TurnRecord
from llm_mcp_hub.services.journals import Journals
from llm_mcp_hub.services.leases import LeaseKeeper
from llm_mcp_hub.services.limits import LimitKeeper
from llm_mcp_hub.services.running import RunningTurns
from llm_mcp_hub.state.base import SessionStore


class TurnContext(Struct, frozen=True):
    """See the module.

    Attributes:
        session_ttl: Seconds.
        finished: Told of every turn that has ended.
        refused: Told of every turn that could not be opened.
    """

    store: SessionStore
    leases: LeaseKeeper
    running: RunningTurns
    journals: Journals
    limits: LimitKeeper
    session_ttl: float
    finished: Callable[[TurnRecord], None]
    refused: Callable[[TurnRecord], None]
