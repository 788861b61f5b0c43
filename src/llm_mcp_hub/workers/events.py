"""What happens to a pool's members, for whoever logs or counts it."""

from typing import Literal

from msgspec import Struct

EventName = Literal[
    "worker.started",
    "worker.claimed",
    "worker.parked",
    "worker.discarded",
    "worker.recycled",
    "worker.evicted",
    "worker.died",
]


class PoolEvent(Struct, frozen=True, gc=False):
    """One thing that happened to one member.

    Attributes:
        name: `worker.started`: it joined the pool, ready. `claimed`: a conversation has it.
            `parked`: it waits for that conversation's next turn. `discarded`: its conversation
            had no more use for it. `recycled`: it had served long enough. `evicted`: it was
            idle and given up. `died`: it ended by itself.
        pid: Its process, if it is one.
        reason: Of `claimed`, what it was: `blank` or `parked`. Of `recycled`, the limit it
            reached: `turns`, `age` or `memory`. Of `evicted`, why: `room` (for somebody else),
            `memory` (the machine is short of it), `expired`, `surplus`, `renewed` or `closing`.
            Of `died`, what it was: `blank`, `claimed` or `parked`.
        seconds: Of `started` what the start took, of `claimed` what the claim waited, of
            `parked` and `discarded` how long it was claimed, otherwise its age.
    """

    name: EventName
    pid: int | None
    reason: str
    seconds: float
