"""Fetching what somebody else's URL names, from the public internet alone.

Guarantees: a connection is made only to an address that has been looked at and is public, whatever
the name says a moment later; the certificate must be that of the name; each redirect is judged
like the first URL; no more is read than is allowed; no proxy, cookie, login or `.netrc` is used.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence

import httpx
from msgspec import Struct

from llm_mcp_hub.services.public_address import is_public

MAX_REDIRECTS = 3
MAX_URL = 8192
CONNECT_SECONDS = 5.0
HEADERS = {"user-agent": "llm-mcp-hub", "accept-encoding": "identity"}

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The literal addresses of a host."""


class NotFetched(Exception):
    """Why something was not fetched, as the end of a sentence."""


class Fetched(Struct, frozen=True):
    """What was fetched, and what its server calls it."""

    media_type: str
    data: bytes


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host as this machine knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class PublicFetcher:
    """Fetches over https.

    Args:
        max_bytes: The most that is read.
        allowed_hosts: The only hosts that are asked, `*.` for those below one; empty for any.
        resolving: How hosts are found.
        may_reach: Which addresses may be connected to.
        tls: The certificates to trust; by default those that httpx brings along.
    """

    def __init__(
        self,
        max_bytes: int,
        allowed_hosts: Sequence[str] = (),
        *,
        resolving: Resolve = resolve,
        may_reach: Callable[[str], bool] = is_public,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._allowed = tuple(host.lower() for host in allowed_hosts)
        self._resolve = resolving
        self._may_reach = may_reach
        self._tls = tls

    async def fetch(self, url: str) -> Fetched:
        """Fetch a URL; the caller bounds the time.

        Raises:
            NotFetched: It can't be, or must not be.
        """
        if self._tls is None:
            self._tls = await asyncio.to_thread(httpx.create_ssl_context, trust_env=False)
        async with httpx.AsyncClient(
            verify=self._tls,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            # A connection belongs to the name its certificate was checked for, and the pool of
            # connections knows addresses only: none is used twice.
            limits=httpx.Limits(max_keepalive_connections=0),
        ) as client:
            target = _parsed(url)
            for _ in range(MAX_REDIRECTS + 1):
                found = await self._ask(client, target)
                if isinstance(found, Fetched):
                    return found
                target = found
        raise NotFetched(f"there are more than {MAX_REDIRECTS} redirects")

    async def _ask(self, client: httpx.AsyncClient, url: httpx.URL) -> Fetched | httpx.URL:
        """What is there, or where to look instead."""
        host = self._checked_host(url)
        port = url.port or 443
        addresses = await self._addresses(host, port)
        for address in addresses:
            request = client.build_request(
                "GET",
                url.copy_with(host=address, port=port),
                headers=HEADERS | {"host": url.netloc.decode("ascii")},
                extensions={"sni_hostname": host, "timeout": client.timeout.as_dict()},
            )
            try:
                answer = await client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
            except (httpx.HTTPError, OSError):
                break
            try:
                return await self._read(answer, url)
            except (httpx.HTTPError, OSError):
                raise NotFetched("its server broke off") from None
            finally:
                await answer.aclose()
        raise NotFetched("its server can't be reached, or does not prove who it is")

    def _checked_host(self, url: httpx.URL) -> str:
        if url.scheme != "https":
            raise NotFetched("only `https://` is fetched")
        if url.userinfo:
            raise NotFetched("a URL with a user or a password is not fetched")
        host = url.raw_host.decode("ascii").lower().rstrip(".")
        if not host:
            raise NotFetched("it names no host")
        if self._allowed and not any(_is_of(host, allowed) for allowed in self._allowed):
            raise NotFetched("this hub fetches nothing from its host")
        return host

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError):
            addresses = []
        # All of them: a name that has both kinds is not to be trusted. And the same is said of a
        # name that does not exist, for nobody is to learn which names do inside.
        if not addresses or not all(self._may_reach(address) for address in addresses):
            raise NotFetched("its host has no address on the public internet")
        return addresses

    async def _read(self, answer: httpx.Response, url: httpx.URL) -> Fetched | httpx.URL:
        if answer.has_redirect_location:
            return _parsed(str(url.join(answer.headers["location"])))
        if answer.status_code != httpx.codes.OK:
            raise NotFetched(f"its server answered {answer.status_code}")
        if answer.headers.get("content-encoding", "identity").lower() != "identity":
            raise NotFetched("its server compresses what it should not")
        length = answer.headers.get("content-length", "")
        if length.isdigit() and int(length) > self._max_bytes:
            raise self._too_large()
        data = bytearray()
        async for piece in answer.aiter_raw():
            data += piece
            if len(data) > self._max_bytes:
                raise self._too_large()
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Fetched(media_type, bytes(data))

    def _too_large(self) -> NotFetched:
        return NotFetched(f"it is larger than {self._max_bytes} bytes")


def _parsed(url: str) -> httpx.URL:
    if len(url) > MAX_URL:
        raise NotFetched(f"the URL is longer than {MAX_URL} characters")
    try:
        return httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError):
        raise NotFetched("it is no URL") from None


def _is_of(host: str, allowed: str) -> bool:
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
