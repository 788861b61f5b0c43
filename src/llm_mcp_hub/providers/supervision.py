"""The settings of a provider's supervision."""

from typing import Annotated

from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(gt=0)]
SecondsOrOff = Annotated[float, Meta(ge=0)]


class Supervision(Struct, frozen=True, forbid_unknown_fields=True):
    """When a worker counts as hung, and a program as broken.

    Attributes:
        max_crashes: So many unexpected ends and failed starts within `crash_seconds` are borne;
            one more makes the provider unavailable until a self-test has passed.
        crash_seconds: See `max_crashes`.
        heartbeat_seconds: After so long a silence during a turn the worker is asked for a sign
            of life. 0 never asks.
        resting_seconds: Workers that have no turn are asked for one so often. 0 never asks.
        answer_seconds: A worker that is asked and says nothing for so long is hung.
    """

    max_crashes: Annotated[int, Meta(ge=0)] = 5
    crash_seconds: Seconds = 60.0
    heartbeat_seconds: SecondsOrOff = 15.0
    resting_seconds: SecondsOrOff = 60.0
    answer_seconds: Seconds = 10.0
