"""Who is signed in to the dashboard.

Guarantees: a session is known by 256 random bits that only its cookie holds; the access token
behind it stays in this process's memory; it ends when the admin signs out, when the hub takes the
token no more, after `IDLE_SECONDS` without a sign of the admin, and after `LIFE_SECONDS` in any
case, whether or not anybody asks; whoever watches `ended` learns of it at once.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from weakref import WeakSet

from llm_mcp_hub_dashboard.server.in_process import AsgiApp
from llm_mcp_hub_dashboard.server.rest import Rest, RestError, SignedOutError

IDLE_SECONDS = 2 * 3600.0
LIFE_SECONDS = 12 * 3600.0
CHECK_SECONDS = 2.0
"""A token that was good so long ago is not asked about again."""
MAX_ADMINS = 64
"""So many may be signed in; one more ends the session that was idle longest."""


_ALL: "WeakSet[Admins]" = WeakSet()


def find_admin(handle: str) -> "Admin | None":
    """The admin with this handle, whichever of this process's hubs it is signed in to."""
    found = (admins.by_handle(handle) for admins in tuple(_ALL))
    return next((admin for admin in found if admin is not None), None)


class NotAnAdminError(Exception):
    """The access token is good, but has not the scope `admin`."""


class Admin:
    """One signed-in admin.

    Attributes:
        id: What the cookie holds.
        handle: Stands for the session inside of this process, where the cookie must not go: it may
            end in a log, for nobody can present it.
        name: The principal: the access token's name.
        rest: The REST API with this admin's token.
        ended: Set once the session is over.
    """

    def __init__(
        self, name: str, rest: Rest, now: float, end: Callable[["Admin"], Awaitable[None]]
    ) -> None:
        self.id = secrets.token_urlsafe(32)
        self.handle = secrets.token_hex(8)
        self.name = name
        self.rest = rest
        self.ended = asyncio.Event()
        self._end = end
        self.since = now
        self.seen = now
        self.checked = now

    async def end(self) -> None:
        """End the session."""
        await self._end(self)

    async def pause(self, seconds: float) -> bool:
        """Wait so long; False at once if the session ends."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.ended.wait()
        return not self.ended.is_set()


class Admins:
    """All who are signed in to one hub.

    Args:
        api: The application that serves the hub.
        base: What the paths of the REST API begin with there.
    """

    def __init__(
        self, api: AsgiApp, base: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api = api
        self._base = base
        self._clock = clock
        self._admins: dict[str, Admin] = {}
        self._watches: set[asyncio.Task[None]] = set()
        _ALL.add(self)

    def __iter__(self) -> Iterator[Admin]:
        return iter(tuple(self._admins.values()))

    async def sign_in(self, token: str) -> Admin:
        """Begin a session.

        Raises:
            SignedOutError: The hub does not know the token.
            NotAnAdminError: It is no admin's.
            RestError: The hub can't say.
        """
        rest = Rest(self._api, self._base, token)
        try:
            admin = Admin(await _admin_name(rest), rest, self._clock(), self.end)
        except BaseException:
            await rest.aclose()
            raise
        if len(self._admins) >= MAX_ADMINS:
            await self.end(min(self._admins.values(), key=lambda one: one.seen))
        self._admins[admin.id] = admin
        watch = asyncio.get_running_loop().create_task(self._end_in_time(admin))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        return admin

    def by_cookie(self, session_id: str | None) -> Admin | None:
        """The admin with this cookie, who may not be one any more: see `live`."""
        return self._admins.get(session_id or "")

    def by_handle(self, handle: str) -> Admin | None:
        """The same by the session's handle."""
        return next((admin for admin in self if admin.handle == handle), None)

    async def live(self, admin: Admin | None) -> Admin | None:
        """The admin, if the session still stands; called for each sign of the person."""
        if admin is None or admin.ended.is_set():
            return None
        if self._left(admin) < 0:
            await self.end(admin)
            return None
        now = self._clock()
        if now - admin.checked > CHECK_SECONDS:
            try:
                await _admin_name(admin.rest)
            except (SignedOutError, NotAnAdminError):
                await self.end(admin)
                return None
            except (RestError, TimeoutError):
                pass  # the hub can't say, as when its state store is away: nor can it do anything
            else:
                admin.checked = now
        admin.seen = now
        return None if admin.ended.is_set() else admin

    async def end(self, admin: Admin) -> None:
        """End a session."""
        self._admins.pop(admin.id, None)
        admin.ended.set()
        await admin.rest.aclose()

    async def aclose(self) -> None:
        """End all sessions."""
        for admin in self:
            await self.end(admin)
        if self._watches:
            await asyncio.wait(self._watches)

    def _left(self, admin: Admin) -> float:
        """Seconds until the session ends unless the admin gives a sign; negative after that."""
        return min(admin.seen + IDLE_SECONDS, admin.since + LIFE_SECONDS) - self._clock()

    async def _end_in_time(self, admin: Admin) -> None:
        """End the session when its time is over. An open page asks for nothing by itself."""
        while (left := self._left(admin)) >= 0:
            if not await admin.pause(left):
                return
        await self.end(admin)


async def _admin_name(rest: Rest) -> str:
    current = await rest.get("/v1/access-tokens/current")
    if "admin" not in current["scopes"]:
        raise NotAnAdminError
    name: str = current["name"]
    return name
