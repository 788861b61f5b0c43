"""A crash budget is exceeded by more failures than it bears within its window, and only then."""

from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.providers.crash_budget import CrashBudget

SECONDS = 60.0

steps = st.lists(
    st.tuples(
        st.sampled_from(["fail", "look", "reset"]),
        st.sampled_from([0.0, 0.5, 10.0, 30.0, 60.0, 61.0]),
    ),
    max_size=60,
)


@given(limit=st.integers(0, 5), history=steps)
def test_it_counts_what_lies_within_the_window(
    limit: int, history: list[tuple[str, float]]
) -> None:
    budget = CrashBudget(limit, SECONDS)
    failures: list[float] = []
    now = 1000.0
    for what, later in history:
        now += later
        if what == "reset":
            budget.reset()
            failures.clear()
        elif what == "fail":
            failures.append(now)
        within = [at for at in failures if now - at < SECONDS]
        exceeded = len(within) > limit
        assert (budget.spend(now) if what == "fail" else budget.exceeded(now)) == exceeded


def test_the_last_failure_it_bears_does_not_exceed_it() -> None:
    budget = CrashBudget(2, SECONDS)
    assert [budget.spend(float(second)) for second in (1, 2, 3)] == [False, False, True]


def test_a_failure_leaves_the_window_when_it_is_over() -> None:
    budget = CrashBudget(1, SECONDS)
    budget.spend(0.0)
    assert not budget.spend(SECONDS)
    assert budget.spend(SECONDS + 59.9)


def test_a_budget_of_nothing_bears_nothing() -> None:
    assert CrashBudget(0, SECONDS).spend(0.0)
