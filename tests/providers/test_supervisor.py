"""When a provider takes requests: decided by its self-test, its crashes and its program's files."""

import asyncio
from collections.abc import Callable

import pytest
import structlog
from tests.providers.conftest import Clock

from llm_mcp_hub.domain.status import PoolFigures, ProviderState
from llm_mcp_hub.errors import (
    HubError,
    LoginRequired,
    ProviderUnavailable,
    WorkerDied,
    WorkerLimitExceeded,
    WorkerStartFailed,
)
from llm_mcp_hub.providers.program import Program, ProgramFile
from llm_mcp_hub.providers.self_test import (
    PROBE_LIMIT_SECONDS,
    PROBE_SECONDS,
    PROGRAM_SECONDS,
    RETEST_SECONDS,
)
from llm_mcp_hub.providers.supervision import Supervision
from llm_mcp_hub.providers.supervisor import Supervisor

UP, DOWN, STARTING = ProviderState.AVAILABLE, ProviderState.UNAVAILABLE, ProviderState.STARTING
BROKEN = ProviderUnavailable("Install it.")
DIED = WorkerDied("It ended with exit status 1.", detail="its last words")


def program(inode: int) -> Program:
    return (ProgramFile("/tool", 1, inode, 0, 0),)


class FakePool:
    """Says what a pool says, and remembers what it is told."""

    def __init__(self) -> None:
        self.figures = PoolFigures()
        self.paused: HubError | None = None
        self.renewed = 0
        self.warmed = 0

    def pause(self, reason: HubError) -> None:
        self.paused = reason

    def resume(self, *, warm: bool = True) -> None:
        self.paused = None
        self.warmed += warm

    def warm(self) -> None:
        self.warmed += 1

    def renew(self) -> None:
        self.renewed += 1


class Supervised:
    """A supervisor over a program that works unless `trouble` says why not."""

    def __init__(self, clock: Clock, *, test_seconds: float = 0.0, max_crashes: int = 5) -> None:
        self.clock = clock
        self.pool = FakePool()
        self.trouble: Exception | None = None
        self.missing: HubError | None = None
        self.inode = 1
        self.tests: list[float] = []
        self._test_seconds = test_seconds
        settings = Supervision(max_crashes=max_crashes)
        self.it = Supervisor("p", self.pool, self._run, self._identify, settings, lambda: 1.0)

    def _identify(self) -> Program:
        if self.missing is not None:
            raise self.missing
        return program(self.inode)

    async def _run(self) -> None:
        self.tests.append(self.clock.now)
        if self._test_seconds:
            await asyncio.sleep(self._test_seconds)
        if self.trouble is not None:
            raise self.trouble

    def do(self, step: Callable[[], None]) -> None:
        """Inside the loop."""
        self.clock.call_soon(step)
        self.clock.move(0)
        self.clock.move(0)

    def start(self) -> "Supervised":
        self.do(self.it.start)
        self.settle()
        return self

    def settle(self) -> None:
        for _ in range(5):
            self.clock.move(0)

    def wait(self, seconds: float, step: float = 0.5) -> None:
        """Let time pass, in small steps so that what is due happens at its time."""
        until = self.clock.now + seconds
        while self.clock.now < until:
            self.clock.move(min(step, until - self.clock.now))
            self.settle()

    def admit(self) -> HubError | None:
        """What a request is told."""

        async def ask() -> HubError | None:
            try:
                await self.it.admit()
            except HubError as error:
                return error
            return None

        asked = self.clock.create_task(ask())
        self.settle()
        for _ in range(200):
            if asked.done():
                break
            self.wait(0.5)
        return asked.result()

    def before_start(self) -> HubError | None:
        async def ask() -> HubError | None:
            try:
                await self.it.before_start()
            except HubError as error:
                return error
            return None

        return self.clock.run_until_complete(ask())

    def crash(self, times: int, error: HubError = DIED) -> None:
        for _ in range(times):
            self.do(lambda: self.it.lost(error))


# The self-test


def test_nothing_is_served_before_the_self_test_has_passed(clock: Clock) -> None:
    supervised = Supervised(clock, test_seconds=3)
    assert supervised.it.state is STARTING
    assert not supervised.it.normal
    assert supervised.admit() is None
    assert supervised.tests == [0]
    assert clock.now >= 3
    assert supervised.it.state is UP
    assert supervised.it.normal


def test_what_is_wrong_is_logged_once_until_it_is_over_or_something_else(clock: Clock) -> None:
    supervised = Supervised(clock)
    with structlog.testing.capture_logs() as lines:
        for trouble in (BROKEN, BROKEN, WorkerStartFailed("It ended."), None):
            supervised.trouble = trouble
            tried = len(supervised.tests)
            supervised.do(supervised.it.restart)
            supervised.settle()
            assert len(supervised.tests) > tried
        supervised.do(lambda: supervised.it.start_failed(BROKEN))
    told = [(line["event"], line.get("code")) for line in lines if "provider." in line["event"]]
    assert told == [
        ("provider.unavailable", BROKEN.code),
        ("provider.unavailable", WorkerStartFailed.code),
        ("provider.available", None),
        ("provider.unavailable", BROKEN.code),
    ]


def test_a_failed_self_test_is_repeated_by_itself_ever_more_slowly(clock: Clock) -> None:
    supervised = Supervised(clock)
    supervised.trouble = BROKEN
    supervised.start()
    assert supervised.it.state is DOWN
    assert supervised.it.failure is BROKEN
    assert supervised.pool.paused is BROKEN
    supervised.wait(3600, step=2.5)
    gaps = [b - a for a, b in zip(supervised.tests, supervised.tests[1:], strict=False)]
    expected = [PROBE_SECONDS * 2**n for n in range(6)]
    assert gaps[:6] == expected
    assert set(gaps[6:]) == {PROBE_LIMIT_SECONDS}


def test_a_program_that_is_repaired_is_found_without_a_request(clock: Clock) -> None:
    supervised = Supervised(clock)
    supervised.trouble = BROKEN
    supervised.start()
    supervised.wait(PROBE_SECONDS - 1)
    supervised.trouble = None
    supervised.wait(1)
    assert supervised.it.state is UP
    assert supervised.pool.paused is None
    tests = len(supervised.tests)
    supervised.wait(3600, step=10)
    assert len(supervised.tests) == tests


def test_a_defect_in_the_self_test_is_a_visible_state(clock: Clock) -> None:
    supervised = Supervised(clock)
    supervised.trouble = KeyError("a defect")
    supervised.start()
    assert supervised.it.state is DOWN
    assert supervised.it.failure is not None
    assert "KeyError" in supervised.it.failure.message


def test_a_request_repeats_the_self_test_but_not_before_its_time(clock: Clock) -> None:
    supervised = Supervised(clock)
    supervised.trouble = BROKEN
    supervised.start()
    supervised.wait(60)  # the next probe is half a minute away
    tests = len(supervised.tests)
    supervised.admit()
    assert len(supervised.tests) == tests + 1
    for _ in range(10):
        assert isinstance(supervised.admit(), ProviderUnavailable)
    assert len(supervised.tests) == tests + 1
    supervised.trouble = None
    supervised.wait(RETEST_SECONDS + 0.5)
    assert supervised.admit() is None
    assert len(supervised.tests) == tests + 2


def test_a_slow_self_test_is_repeated_for_requests_half_of_the_time_at_most(clock: Clock) -> None:
    supervised = Supervised(clock, test_seconds=20)
    supervised.trouble = BROKEN
    supervised.admit()
    supervised.wait(100)  # the probes are rare by now
    supervised.tests.clear()
    until = clock.now + 200
    while clock.now < until:
        supervised.admit()
        supervised.wait(1)
    assert len(supervised.tests) <= 200 / 40 + 2


def test_those_who_wait_for_the_self_test_each_get_an_error_of_their_own(clock: Clock) -> None:
    supervised = Supervised(clock)
    supervised.trouble = BROKEN
    errors = [supervised.admit(), supervised.admit()]
    assert errors[0] is not errors[1]
    assert {type(error) for error in errors} == {ProviderUnavailable}


def test_nothing_is_tested_after_the_end(clock: Clock) -> None:
    supervised = Supervised(clock, test_seconds=3)
    supervised.trouble = BROKEN
    supervised.start()
    supervised.wait(1)
    clock.run_until_complete(supervised.it.aclose())
    supervised.do(supervised.it.start)
    supervised.inode += 1
    supervised.wait(400, step=5)
    assert supervised.tests == [0]
    assert clock.timers() == 0


# The crash budget


def test_more_crashes_than_the_budget_bears_make_the_provider_unavailable(clock: Clock) -> None:
    supervised = Supervised(clock, max_crashes=5).start()
    supervised.crash(5)
    assert supervised.it.state is UP
    supervised.trouble = BROKEN
    supervised.crash(1)
    assert supervised.it.state is DOWN
    failure = supervised.it.failure
    assert isinstance(failure, ProviderUnavailable)
    assert "more than 5 times within 60 s" in failure.message
    assert "It ended with exit status 1." in failure.message
    assert "llm-mcp-hub doctor" in failure.message
    assert failure.detail == "its last words"
    assert supervised.pool.paused is failure
    assert supervised.tests == [0]


def test_crashes_far_between_are_borne_for_ever(clock: Clock) -> None:
    supervised = Supervised(clock, max_crashes=5).start()
    for _ in range(100):
        supervised.crash(1)
        clock.move(12)
    assert supervised.it.state is UP


def test_crashes_between_turns_that_succeed_are_borne(clock: Clock) -> None:
    supervised = Supervised(clock, max_crashes=2).start()
    for _ in range(10):
        supervised.do(lambda: supervised.it.lost(DIED))
        supervised.do(lambda: supervised.it.lost(DIED))
        supervised.do(supervised.it.worked)
    assert supervised.it.state is UP


def test_a_provider_that_crashed_recovers_by_itself_with_a_fresh_budget(clock: Clock) -> None:
    supervised = Supervised(clock, max_crashes=2).start()
    supervised.crash(3)
    assert supervised.it.state is DOWN
    supervised.wait(PROBE_SECONDS)
    assert supervised.it.state is UP
    assert supervised.pool.paused is None
    supervised.crash(2)
    assert supervised.it.state is UP
    assert supervised.pool.renewed == 0


def test_whoever_asks_a_crashed_provider_is_told_when_to_come_back(clock: Clock) -> None:
    supervised = Supervised(clock, max_crashes=0).start()
    supervised.wait(10)
    supervised.crash(1)
    error = supervised.admit()
    assert error is not None
    assert error.retryable
    assert error.retry_after == pytest.approx(RETEST_SECONDS)
    supervised.wait(2)
    error = supervised.admit()
    assert error is not None
    assert error.retry_after == pytest.approx(RETEST_SECONDS - 2)


def test_failed_starts_count_as_crashes(clock: Clock) -> None:
    supervised = Supervised(clock, max_crashes=1).start()
    supervised.do(lambda: supervised.it.start_failed(WorkerStartFailed("It did not start.")))
    assert supervised.it.state is UP
    supervised.do(lambda: supervised.it.start_failed(WorkerStartFailed("It did not start.")))
    assert supervised.it.state is DOWN


def test_a_worker_that_hit_its_limit_is_no_crash(clock: Clock) -> None:
    supervised = Supervised(clock, max_crashes=0).start()
    supervised.crash(10, WorkerLimitExceeded("It used more than 1 MiB of memory."))
    assert supervised.it.state is UP


def test_what_fails_while_the_provider_is_unavailable_changes_nothing(clock: Clock) -> None:
    supervised = Supervised(clock, max_crashes=0)
    supervised.trouble = BROKEN
    supervised.start()
    supervised.crash(3)
    supervised.do(lambda: supervised.it.start_failed(WorkerStartFailed("It did not start.")))
    assert supervised.it.failure is BROKEN


# The login


def test_a_login_that_is_missing_at_a_start_is_looked_for_from_then_on(clock: Clock) -> None:
    supervised = Supervised(clock).start()
    supervised.pool.figures = PoolFigures(parked=1)
    supervised.missing = LoginRequired("Log in.")
    supervised.do(lambda: supervised.it.start_failed(LoginRequired("Log in.")))
    supervised.it._test.repeat_no_more()  # it is not a probe that finds it
    assert supervised.it.state is DOWN
    supervised.wait(PROGRAM_SECONDS, step=5)
    supervised.missing = None
    supervised.wait(PROGRAM_SECONDS, step=5)
    assert supervised.it.state is UP


def test_a_refused_login_has_no_worker_used_again(clock: Clock) -> None:
    supervised = Supervised(clock).start()
    supervised.do(lambda: supervised.it.refused(LoginRequired("Refused.")))
    assert supervised.it.state is DOWN
    assert supervised.pool.renewed == 1


# The program's files


def test_a_changed_program_is_tested_before_a_worker_is_started_from_it(clock: Clock) -> None:
    supervised = Supervised(clock).start()
    assert supervised.before_start() is None
    assert len(supervised.tests) == 1
    supervised.inode = 2
    assert supervised.before_start() is None
    assert len(supervised.tests) == 2
    assert supervised.pool.renewed == 1
    assert supervised.before_start() is None
    assert len(supervised.tests) == 2


def test_a_start_waits_for_a_test_of_the_changed_program_that_is_under_way(clock: Clock) -> None:
    supervised = Supervised(clock, test_seconds=4).start()
    supervised.wait(5)
    supervised.inode = 2
    supervised.trouble = BROKEN
    supervised.wait(PROGRAM_SECONDS - 5)
    assert supervised.tests == [0, PROGRAM_SECONDS]
    asked = clock.create_task(supervised.it.before_start())
    supervised.wait(1)
    assert not asked.done()
    supervised.wait(5)
    assert isinstance(asked.exception(), ProviderUnavailable)


def test_a_changed_program_is_noticed_without_a_start(clock: Clock) -> None:
    supervised = Supervised(clock).start()
    supervised.inode = 2
    supervised.wait(PROGRAM_SECONDS)
    assert len(supervised.tests) == 2
    assert supervised.pool.renewed == 1
    assert supervised.it.state is UP


def test_a_new_version_that_fails_leaves_the_old_workers_serving(clock: Clock) -> None:
    supervised = Supervised(clock).start()
    supervised.pool.figures = PoolFigures(blank=1, parked=2)
    supervised.inode, supervised.trouble = 2, BROKEN
    failure = supervised.before_start()
    assert isinstance(failure, ProviderUnavailable)
    assert supervised.pool.paused is BROKEN
    assert supervised.pool.renewed == 0
    assert supervised.it.state is UP
    assert supervised.it.failure is None
    assert "Install it." in supervised.it.warning
    assert supervised.admit() is None
    # They do not last for ever.
    supervised.pool.figures = PoolFigures()
    assert supervised.it.state is DOWN
    assert supervised.it.failure is BROKEN
    assert supervised.it.warning == ""
    assert isinstance(supervised.admit(), ProviderUnavailable)


def test_a_new_version_that_is_repaired_takes_over(clock: Clock) -> None:
    supervised = Supervised(clock).start()
    supervised.pool.figures = PoolFigures(parked=1)
    supervised.inode, supervised.trouble = 2, BROKEN
    supervised.before_start()
    supervised.inode, supervised.trouble = 3, None
    supervised.wait(PROGRAM_SECONDS)
    assert supervised.it.normal
    assert supervised.it.warning == ""
    assert supervised.pool.paused is None
    assert supervised.pool.renewed == 1


def test_an_old_version_that_is_put_back_keeps_its_workers(clock: Clock) -> None:
    supervised = Supervised(clock).start()
    supervised.pool.figures = PoolFigures(parked=1)
    supervised.inode, supervised.trouble = 2, BROKEN
    supervised.before_start()
    supervised.inode, supervised.trouble = 1, None
    supervised.wait(PROGRAM_SECONDS)
    assert supervised.it.normal
    assert supervised.pool.renewed == 0


def test_requests_to_those_left_have_the_new_version_tested_without_waiting(clock: Clock) -> None:
    supervised = Supervised(clock).start()
    supervised.pool.figures = PoolFigures(parked=1)
    supervised.inode, supervised.trouble = 2, BROKEN
    supervised.before_start()
    supervised.wait(100)
    tests, before = len(supervised.tests), clock.now
    assert supervised.admit() is None
    supervised.settle()
    assert clock.now == before
    assert len(supervised.tests) == tests + 1


def test_a_program_that_is_half_written_is_left_alone(clock: Clock) -> None:
    supervised = Supervised(clock).start()
    supervised.pool.figures = PoolFigures(blank=1)
    supervised.missing = ProviderUnavailable("It is not there.")
    supervised.wait(PROGRAM_SECONDS)
    assert supervised.it.normal
    supervised.missing, supervised.inode = None, 2
    supervised.wait(PROGRAM_SECONDS)
    assert supervised.pool.renewed == 1
    assert supervised.it.normal


def test_a_program_that_is_installed_later_is_found_soon(clock: Clock) -> None:
    supervised = Supervised(clock)
    supervised.missing = ProviderUnavailable("Install it.")
    supervised.start()
    supervised.wait(1000, step=5)
    supervised.missing = None
    supervised.wait(PROGRAM_SECONDS, step=5)
    assert supervised.it.state is UP


def test_a_provider_that_rests_keeps_no_workers_until_it_wakes(clock: Clock) -> None:
    supervised = Supervised(clock)
    supervised.it.rest()
    supervised.start()
    assert supervised.it.state is UP
    assert (supervised.pool.renewed, supervised.pool.warmed) == (1, 0)
    supervised.it.restart()
    assert supervised.pool.warmed == 0
    supervised.it.wake()
    assert supervised.pool.warmed == 1


def test_a_restart_replaces_all_workers_and_has_new_ones_in_reserve(clock: Clock) -> None:
    supervised = Supervised(clock).start()
    supervised.do(supervised.it.restart)
    supervised.settle()
    assert (supervised.pool.renewed, supervised.pool.warmed) == (1, 2)
    assert len(supervised.tests) == 1


def test_a_restart_finds_out_at_once_whether_a_broken_program_works_again(clock: Clock) -> None:
    supervised = Supervised(clock)
    supervised.trouble = BROKEN
    supervised.start()
    supervised.trouble = None
    supervised.do(supervised.it.restart)
    supervised.settle()
    assert supervised.it.state is UP


def test_a_restart_keeps_those_that_go_on_serving_while_an_update_is_broken(clock: Clock) -> None:
    supervised = Supervised(clock).start()
    supervised.pool.figures = PoolFigures(parked=1)
    supervised.inode, supervised.trouble = 2, BROKEN
    supervised.before_start()
    supervised.do(supervised.it.restart)
    supervised.settle()
    assert supervised.pool.renewed == 0
    supervised.trouble = None
    supervised.do(supervised.it.restart)
    supervised.settle()
    assert supervised.it.normal
    assert supervised.pool.renewed == 1
