"""What contract kits are made of: numbered promises, and the error that names a broken one."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from msgspec import Struct

from llm_mcp_hub.errors import HubError

S = TypeVar("S")
T = TypeVar("T")


class BrokenPromiseError(AssertionError):
    """What was checked does not do what its contract says; the message says which part and how."""


class Promise(Struct, Generic[S], frozen=True):
    """A sentence, and the check that it is true of a subject.

    Attributes:
        needs: What the subject must be able to show, for the check to see anything.
    """

    text: str
    check: Callable[[S], Awaitable[None]]
    needs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text


class PromiseList(Generic[S]):
    """A list of promises, filled by decorating their checks."""

    def __init__(self) -> None:
        self.all: list[Promise[S]] = []

    def __call__(
        self, text: str, *needs: str
    ) -> Callable[[Callable[[S], Awaitable[None]]], Callable[[S], Awaitable[None]]]:
        """Register a check under the sentence it checks."""

        def register(check: Callable[[S], Awaitable[None]]) -> Callable[[S], Awaitable[None]]:
            self.all.append(Promise(text, check, needs))
            return check

        return register


def equal(actual: object, expected: object, what: str) -> None:
    """Compare, and say what was compared if it differs."""
    if actual != expected:
        raise BrokenPromiseError(f"{what}: expected {expected!r}, got {actual!r}")


def require(condition: object, what: str) -> None:
    """Say what is wrong unless the condition holds."""
    if not condition:
        raise BrokenPromiseError(what)


async def refused(call: Awaitable[object], error: type[HubError], what: str) -> HubError:
    """Await a call that must raise the error, with a message for people; return it."""
    try:
        result = await call
    except error as refusal:
        require(refusal.message.strip(), f"{what}: the error has no message")
        equal(refusal.message[:1].islower(), False, f"{what}: the message begins in lower case")
        return refusal
    except HubError as other:
        raise BrokenPromiseError(f"{what}: expected {error.__name__}, got {other!r}") from other
    raise BrokenPromiseError(f"{what}: expected {error.__name__}, got the result {result!r}")


def present(value: T | None, what: str) -> T:
    """The value, which must not be None."""
    if value is None:
        raise BrokenPromiseError(f"{what}: got None")
    return value


def broken(number: int, promise: Promise[S], error: Exception) -> BrokenPromiseError:
    """The error that a kit raises: which promise is broken, and how."""
    return BrokenPromiseError(
        f"promise {number} is broken: {promise.text}\n{type(error).__name__}: {error}"
    )
