"""One suite for every provider: what `providers.base` promises, tried on yours.

    import asyncio
    from llm_mcp_hub.testing import Abilities, check_provider

    def make() -> Provider:
        return MyProvider(...)

    asyncio.run(check_provider(make, Abilities(echoes=True)))

`make` is called for every promise, several times for some, and gives a fresh provider each time;
the suite starts it and closes it. In pytest each promise can be a test of its own:

    @pytest.mark.anyio
    @pytest.mark.parametrize("number", provider_promises(ABILITIES))
    async def test_a_promise_is_kept(number):
        await check_provider(make, ABILITIES, number)
"""

import asyncio

from llm_mcp_hub.testing import (
    provider_counts,
    provider_endings,
    provider_surface,
    provider_talks,
    provider_tools,
    provider_turns,
)
from llm_mcp_hub.testing.promise import Promise, broken
from llm_mcp_hub.testing.provider_trial import Abilities, MakeProvider, Trial

PROVIDER_PROMISES: tuple[Promise[Trial], ...] = (
    *provider_surface.promise.all,
    *provider_turns.promise.all,
    *provider_talks.promise.all,
    *provider_endings.promise.all,
    *provider_tools.promise.all,
    *provider_counts.promise.all,
)
"""All promises in the order in which they are checked; a promise's number is its place, from 1."""

CHECK_SECONDS = 90.0
"""A check that takes longer waits for something that does not come."""


def provider_promises(abilities: Abilities) -> list[int]:
    """The numbers of the promises that can be checked with these abilities."""
    return [
        number
        for number, promise in enumerate(PROVIDER_PROMISES, 1)
        if abilities.show(promise.needs)
    ]


async def check_provider(
    make: MakeProvider,
    abilities: Abilities = Abilities(),  # noqa: B008  # immutable
    number: int | None = None,
) -> None:
    """Check every promise that the abilities let one see, or the one of that number.

    Args:
        make: Makes a fresh provider, as a `ProviderFactory.create` does.
        abilities: What the provider can show; nothing is guessed.
        number: Of one promise alone.

    Raises:
        BrokenPromiseError: The first promise the provider does not keep.
        ValueError: The abilities do not let one see the promise of that number.
    """
    able = provider_promises(abilities)
    if number is not None and number not in able:
        needs = ", ".join(PROVIDER_PROMISES[number - 1].needs)
        raise ValueError(f"promise {number} can't be seen without the abilities {needs}")
    for each in able if number is None else [number]:
        promise = PROVIDER_PROMISES[each - 1]
        trial = Trial(make, abilities)
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await promise.check(trial)
        except Exception as error:
            raise broken(each, promise, error) from error
        finally:
            await trial.aclose()
