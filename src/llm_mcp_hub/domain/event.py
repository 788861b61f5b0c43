"""What happens in a hub, for whoever watches it."""

from enum import StrEnum

from msgspec import Struct


class EventName(StrEnum):
    """What has happened.

    The events of workers have the names of `workers.events`.
    """

    WORKER_STARTED = "worker.started"
    WORKER_CLAIMED = "worker.claimed"
    WORKER_PARKED = "worker.parked"
    WORKER_DISCARDED = "worker.discarded"
    WORKER_RECYCLED = "worker.recycled"
    WORKER_EVICTED = "worker.evicted"
    WORKER_DIED = "worker.died"
    PROVIDER_CHANGED = "provider.changed"
    STATE_LOST = "state.lost"
    STATE_BACK = "state.back"
    TURN_STARTED = "turn.started"
    TURN_FINISHED = "turn.finished"
    SESSION_CHANGED = "session.changed"
    SESSION_DELETED = "session.deleted"
    ALERT_RAISED = "alert.raised"
    ALERT_CLEARED = "alert.cleared"
    HUB_DRAINING = "hub.draining"
    EVENTS_MISSED = "events.missed"


class HubEvent(Struct, frozen=True, omit_defaults=True):
    """One thing that has happened. Only what belongs to it is set.

    Attributes:
        at: Unix seconds.
        provider: Of a worker, a turn, or a change of a provider's state.
        owner: The principal that a turn or a session belongs to.
        model: `provider/name`, of a turn or a session.
        outcome: How a turn ended: `done`, `failed` or `cancelled`.
        state: A provider's new state.
        pid: A worker's process.
        reason: Why, for people or as the event's own word.
        code: The error that ended a turn.
        alert: The id of an alert.
        seconds: How long it took, or had lasted.
        missed: So many events were left out here, because the reader was slow.
    """

    name: EventName
    at: float
    provider: str | None = None
    owner: str | None = None
    session_id: str | None = None
    turn_id: str | None = None
    model: str | None = None
    outcome: str | None = None
    state: str | None = None
    pid: int | None = None
    reason: str | None = None
    code: str | None = None
    alert: str | None = None
    seconds: float | None = None
    missed: int | None = None
