"""A process counts as a worker's by descent, marker, group or session, and never by accident."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.workers.family import Family
from llm_mcp_hub.workers.process_table import Process

HUB = 2


def process(pid: int, parent: int = 1, **fields: Any) -> Process:
    fields = {"group": pid, "session": pid, "started": str(pid), **fields}
    return Process(pid=pid, parent=parent, cpu_seconds=0.0, rss_bytes=0, **fields)


def family(markers: dict[int, str] | None = None) -> Family:
    known = markers or {}
    return Family("hub-a", HUB, lambda pid: known.get(pid, ""))


def pids(found: dict[str, list[Process]]) -> dict[str, set[int]]:
    return {worker: {process.pid for process in group} for worker, group in found.items()}


def test_children_and_their_children_count() -> None:
    tree = family()
    tree.tell("1", 10, "10")
    table = [process(10, HUB), process(11, 10), process(12, 11), process(20, HUB), process(21, 20)]
    assert pids(tree.members(table)) == {"1": {10, 11, 12}}


def test_what_carries_the_marker_counts_wherever_it_is() -> None:
    tree = family({30: "hub-a/1", 31: "hub-a/2", 32: "hub-b/1", 33: "hub-a", 34: ""})
    table = [process(pid) for pid in range(30, 35)]
    assert pids(tree.members(table)) == {"1": {30}, "2": {31}}


def test_group_and_session_count_only_while_the_worker_runs() -> None:
    table = [process(11, group=10), process(12, session=10)]
    tree = family()
    tree.tell("1", 10, "10")
    assert pids(tree.members([process(10, HUB), *table])) == {"1": {10, 11, 12}}
    tree = family()
    tree.tell("1", 10, "10")
    assert tree.members(table) == {}
    assert tree.members([process(10, HUB, started="99"), *table]) == {}


def test_once_recognised_it_stays_so_until_it_ends() -> None:
    tree = family()
    tree.tell("1", 10, "10")
    tree.members([process(10, HUB), process(11, 10)])
    alone = process(11, 1)
    assert pids(tree.members([alone])) == {"1": {11}}
    assert tree.members([]) == {}
    assert tree.members([alone]) == {}


def test_a_number_that_another_process_got_counts_for_nothing() -> None:
    tree = family()
    tree.tell("1", 10, "10")
    assert tree.members([process(10, HUB, started="77"), process(11, 10)]) == {}


def test_a_child_of_the_hubs_that_has_no_marker_yet_is_looked_at_again() -> None:
    markers: dict[int, str] = {}
    tree = Family("hub-a", HUB, lambda pid: markers.get(pid, ""))
    table = [process(10, HUB), process(11, 1)]
    assert tree.members(table) == {}
    markers |= {10: "hub-a/1", 11: "hub-a/2"}
    assert pids(tree.members(table)) == {"1": {10}}
    tree.forget_strangers()
    assert pids(tree.members(table)) == {"1": {10}, "2": {11}}


def test_a_strangers_environment_is_read_once() -> None:
    read: list[int] = []

    def marker(pid: int) -> str:
        read.append(pid)
        return ""

    tree = Family("hub-a", HUB, marker)
    for _ in range(3):
        tree.members([process(50), process(51)])
    assert read == [50, 51]
    tree.members([process(50, started="60")])
    assert read == [50, 51, 50]


forests = st.lists(st.integers(0, 30), min_size=1, max_size=30).flatmap(
    lambda parents: st.permutations(list(enumerate(parents)))
)


@given(forests, st.data())
def test_of_any_forest_exactly_the_descendants_count_in_any_order(
    links: list[tuple[int, int]], data: st.DataObject
) -> None:
    # Process n + 100 was started by one of an earlier number, or by somebody unknown.
    table = [process(n + 100, 100 + parent if parent < n else 1) for n, parent in links]
    parents = {entry.pid: entry.parent for entry in table}
    leaders = data.draw(st.sets(st.sampled_from(sorted(parents)), max_size=3))
    tree = family()
    for leader in leaders:
        tree.tell(f"w{leader}", leader, str(leader))

    def owner(pid: int) -> str:
        while pid in parents and pid not in leaders:
            pid = parents[pid]
        return f"w{pid}" if pid in leaders else ""

    expected: dict[str, set[int]] = {}
    for pid in parents:
        if owner(pid):
            expected.setdefault(owner(pid), set()).add(pid)
    assert pids(tree.members(table)) == expected
