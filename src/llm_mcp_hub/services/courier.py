"""Tells a webhook what happens to logins and providers.

Guarantees: what has a key is told once, whichever hub on the same state store does it and however
often they restart; an attempt that fails is repeated ever more slowly for `GIVE_UP_SECONDS`, and a
notice with a key is tried again later; nothing waits for the webhook. A request goes to the
configured address and nowhere else: no redirect is followed, no proxy and no `.netrc` is used, and
of the answer only the status is looked at.

The address comes from the configuration alone, so one in a private network is as good as any: over
https it proves who it is, and plain http is for the own machine only (`HubConfig.check`).
"""

import asyncio
import time
from collections.abc import Callable

import httpx
import msgspec
import structlog

from llm_mcp_hub.domain.alert import Notice
from llm_mcp_hub.domain.ids import new_turn_id
from llm_mcp_hub.domain.journal import JournalHead
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.state.base import JournalStore

ANSWER_SECONDS = 10.0
GIVE_UP_SECONDS = 120.0
FIRST_PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 30.0
AGAIN_SECONDS = 600.0
"""After so long a notice with a key, which could not be told, is tried anew."""
REMEMBER_SECONDS = 30 * 86_400.0
MAX_UNDER_WAY = 100
"""Notices on their way at once; more than this are providers gone mad."""

OWNER = "hub:alerts"
"""Whose the claims are in the state store. No access token can have a name with a colon."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Courier:
    """See the module. Owns the attempts under way.

    Args:
        url: The webhook.
        store: Where it is kept what has been told.
        transport: For tests.

    Attributes:
        trouble: Why the last notice could not be told; empty if it was.
    """

    def __init__(
        self,
        url: str,
        store: JournalStore,
        clock: Callable[[], float] = time.time,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url
        self._store = store
        self._clock = clock
        self._transport = transport
        self._tasks: set[asyncio.Task[None]] = set()
        self._done: dict[str, float] = {}
        self.trouble = ""

    def tell(self, notice: Notice, key: str = "", remember: float = REMEMBER_SECONDS) -> None:
        """Tell it in the background, once for all times if it has a key.

        Args:
            notice: What to tell.
            key: What makes it the same as another one.
            remember: For so many seconds the key counts.
        """
        now = self._clock()
        if len(self._tasks) >= MAX_UNDER_WAY or (key and self._done.get(key, 0.0) > now):
            return
        if key:
            self._done = {name: until for name, until in self._done.items() if until > now}
            self._done[key] = now + remember
        task = asyncio.get_running_loop().create_task(self._tell(notice, key, remember))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Give up what is under way. What has a key is told by the next hub."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _tell(self, notice: Notice, key: str, remember: float) -> None:
        head = _head(key, self._clock())
        told = False
        try:
            if key and not await self._claim(head, remember):
                told = True  # by another hub, or before a restart
                return
            told = await self._deliver(notice)
        except HubError as error:
            log.warning("alert.not_claimed", reason=error.message)
        finally:
            if key and not told:
                self._done[key] = self._clock() + AGAIN_SECONDS
                await self._release(head)

    async def _deliver(self, notice: Notice) -> bool:
        body = msgspec.json.encode(notice)
        loop = asyncio.get_running_loop()
        until = loop.time() + GIVE_UP_SECONDS
        pause = FIRST_PAUSE_SECONDS
        async with httpx.AsyncClient(
            timeout=ANSWER_SECONDS,
            follow_redirects=False,
            trust_env=False,
            transport=self._transport,
        ) as client:
            while True:
                trouble, final = await self._attempt(client, body)
                if not trouble:
                    self.trouble = ""
                    log.info("alert.told", type=notice.type, provider=notice.provider)
                    return True
                if final or loop.time() + pause > until:
                    self.trouble = f"The webhook could not be told: {trouble}."
                    log.warning("alert.not_told", type=notice.type, reason=trouble)
                    return False
                await asyncio.sleep(pause)
                pause = min(2 * pause, MAX_PAUSE_SECONDS)

    async def _attempt(self, client: httpx.AsyncClient, body: bytes) -> tuple[str, bool]:
        """What went wrong, empty if nothing did, and whether it would go wrong again."""
        headers = {"content-type": "application/json", "user-agent": "llm-mcp-hub"}
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                request = client.stream("POST", self._url, content=body, headers=headers)
                async with request as answer:
                    status = answer.status_code
        except TimeoutError:
            return f"no answer within {ANSWER_SECONDS:g} s", False
        except (httpx.HTTPError, OSError) as error:
            # Its text may have the address, and that a secret.
            return f"it can't be reached ({type(error).__name__})", False
        if 200 <= status < 300:
            return "", True
        if 300 <= status < 400:
            return f"it answered {status}, and the hub follows no redirect", True
        return f"it answered {status}", not (status >= 500 or status in (408, 425, 429))

    async def _claim(self, head: JournalHead, remember: float) -> bool:
        now = self._clock()
        return await self._store.claim_key(head, now, remember, now) is None

    async def _release(self, head: JournalHead) -> None:
        try:
            await self._store.release_key(head.principal, head.key or "", head.turn_id)
        except HubError as error:
            log.warning("alert.claim_kept", reason=error.message)


def _head(key: str, now: float) -> JournalHead:
    # A claim is kept as the stores keep an idempotency key: one step, once among all hubs.
    return JournalHead(new_turn_id(), OWNER, None, "", now, key=key or None)
