"""A used member can't meet another conversation or principal: types refuse every way to it."""

from pathlib import Path

import pytest
from mypy import api

from llm_mcp_hub.workers.lease import Blank, Lease, Parked
from llm_mcp_hub.workers.recycling import Lifespan

PROLOGUE = """\
from collections.abc import Hashable
from llm_mcp_hub.workers.lease import Blank, Lease, Life, Parked
from llm_mcp_hub.workers.parking import Parking
from llm_mcp_hub.workers.process import Worker
from llm_mcp_hub.workers.recycling import Lifespan
from llm_mcp_hub.workers.spares import Spares
from llm_mcp_hub.providers.conversation import Conversation as C

def end(lease: Lease[C], state: Hashable | None) -> None: ...
def attempt(
    spares: Spares[C], parking: Parking[C],
    blank: Blank[C], lease: Lease[C], parked: Parked[C], life: Life[C],
) -> None:
"""

ALLOWED = """\
    spares.put(blank)
    parking.put(Parked(lease, "state", 0.0))
    blank.claim("alice", 0.0, end)
    parked.claim(0.0, end)
    lease.park("state")
"""

FORBIDDEN = """\
    spares.put(lease)
    spares.put(parked)
    parking.put(blank)
    parking.put(lease)
    Parked(blank, "state", 0.0)
    Parked(parked, "state", 0.0)
    Blank(life, 0, 0.0, Lifespan())
    parked.claim("bob", 0.0, end)
    lease.park("bob", "state")
    lease.principal = "bob"
    lease.member = life.member
"""


class Member:
    alive = True
    pid = None
    rss_bytes = None
    cpu_seconds = None

    def when_ended(self, callback: object) -> None: ...

    async def aclose(self) -> None: ...


def nothing(lease: Lease[Member], state: object) -> None: ...


def errors_of(text: str, directory: Path) -> set[int]:
    """The lines of the attempt that mypy refuses, from 0."""
    path = directory / "attempt.py"
    path.write_text(PROLOGUE + text)
    options = ["--strict", "--follow-imports=silent", "--no-pretty", "--hide-error-context"]
    out, problem, _ = api.run([*options, str(path)])
    assert problem == ""
    first = PROLOGUE.count("\n") + 1
    lines = [line.split(":") for line in out.splitlines() if ": error:" in line]
    assert all(line[0].endswith("attempt.py") for line in lines)
    return {int(line[1]) - first for line in lines}


def test_types_allow_what_a_pool_does_and_no_way_around_it(tmp_path: Path) -> None:
    allowed, forbidden = ALLOWED.count("\n"), FORBIDDEN.count("\n")
    refused = errors_of(ALLOWED + FORBIDDEN, tmp_path)
    assert refused == set(range(allowed, allowed + forbidden))


def test_a_blank_is_claimed_once() -> None:
    blank = Blank(Member(), 0, 0.0, Lifespan())
    blank.claim("alice", 0.0, nothing)
    with pytest.raises(RuntimeError):
        blank.claim("bob", 0.0, nothing)


def test_what_is_parked_stays_with_its_principal() -> None:
    lease = Blank(Member(), 0, 0.0, Lifespan()).claim("alice", 0.0, nothing)
    parked = Parked(lease, "state", 1.0)
    assert (parked.key.principal, parked.key.state) == ("alice", "state")
    again = parked.claim(2.0, nothing)
    assert (again.principal, again.continued, again.life) == ("alice", True, lease.life)
