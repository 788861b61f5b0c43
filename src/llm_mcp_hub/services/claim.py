"""Claiming an `Idempotency-Key` for a turn that is being opened.

Guarantees: of all requests with one key, one runs; a request that could not be opened, for whatever
reason, leaves its key free, so that it can be sent again; whoever follows a turn that is long in
opening, because it waits for a worker or is passed on, does not take it for lost.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from llm_mcp_hub.domain.journal import JournalHead
from llm_mcp_hub.errors import HubError, KeyReused, StateUnavailable
from llm_mcp_hub.services.journals import RENEW_SECONDS, Journals


@asynccontextmanager
async def claimed(journals: Journals, head: JournalHead) -> AsyncIterator[JournalHead | None]:
    """Open a turn inside the block, unless an earlier one is given, which has the key.

    Raises:
        KeyReused: The earlier one was another request.
    """
    try:
        earlier = await journals.claim(head)
        if earlier is not None and earlier.fingerprint != head.fingerprint:
            raise KeyReused(
                "This Idempotency-Key came with another request before. Use a new key for each "
                "request, and the same only to send the very same one again.",
                param="Idempotency-Key",
            )
        if earlier is not None:
            yield earlier
            return
        opening = asyncio.get_running_loop().create_task(_keep_alive(journals, head))
        try:
            yield None
        finally:
            opening.cancel()
            # What the turn itself writes from now on must come after what is under way.
            await asyncio.wait([opening])
    except BaseException:
        # Also after a claim that was cancelled and may have succeeded: it names this turn alone.
        releasing = asyncio.get_running_loop().create_task(_release(journals, head))
        await asyncio.wait([releasing])
        raise


async def _keep_alive(journals: Journals, head: JournalHead) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        with suppress(StateUnavailable):
            await journals.renew_opening(head)


async def _release(journals: Journals, head: JournalHead) -> None:
    # What can't be released now ends with the journal; the cause matters more.
    with suppress(HubError):
        await journals.release(head)
