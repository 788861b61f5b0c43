"""A hub that is running, as a command talks to it: over HTTP.

Guarantee: the access token that is made to be let in is worth nothing afterwards.
"""

import asyncio
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import msgspec
from msgspec import Struct

from llm_mcp_hub.commands.embedded import open_store
from llm_mcp_hub.commands.options import Place
from llm_mcp_hub.commands.welcome import base_url
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.errors import InvalidRequest, NotAuthenticated, NotFound, Unavailable
from llm_mcp_hub.services.access import AccessService

ANSWER_SECONDS = 5.0
TOKEN_SECONDS = 12 * 3600.0
"""A forgotten window does not keep a token alive for ever."""
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Remote(Struct, frozen=True):
    """A hub at an address, and the access token to be let in with, if it wants one."""

    address: str
    token: str | None = None

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The JSON that a route answers with.

        Raises:
            Unavailable: No hub answers, or not well; the message is the hub's if it has one.
            NotAuthenticated: It does not know the token.
            NotFound: It has no such thing.
        """
        url = self.address + path
        data = msgspec.json.encode(body) if body is not None else None
        request = urllib.request.Request(url, data, method=method)  # noqa: S310  # what the person asked for
        if data is not None:
            request.add_header("Content-Type", "application/json")
        if self.token is not None:
            request.add_header("Authorization", f"Bearer {self.token}")
        try:
            with _DIRECT.open(request, timeout=ANSWER_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                message = _message(error.read()) or f"{url} answered {error.code}."
            kind = {HTTPStatus.UNAUTHORIZED: NotAuthenticated, HTTPStatus.NOT_FOUND: NotFound}
            raise kind.get(HTTPStatus(error.code), Unavailable)(message) from None
        except (OSError, ValueError) as error:
            raise Unavailable(
                f"No hub answers at {url}: {getattr(error, 'reason', error)}. Start one with "
                "`llm-mcp-hub serve`, or name it with --url."
            ) from None

    def answers(self) -> bool:
        """Whether a hub is there."""
        try:
            return bool(self.call("GET", "/health/live")["status"] == "alive")
        except (Unavailable, NotFound, KeyError, TypeError):
            return False


def read_url(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """The hub's address from a `--url`, without a slash at the end; also from that of its `/mcp`.

    Raises:
        BadParameter: It is none.
    """
    if value is None:
        return None
    text = value.strip().rstrip("/").removesuffix("/mcp").rstrip("/")
    try:
        parts = urlsplit(text)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    odd = any(character.isspace() or character in "?#" for character in text)
    if not has_host or odd or parts.scheme not in {"http", "https"}:
        raise click.BadParameter(
            f"{value!r} is not the address of a hub. Write http://HOST:PORT or https://HOST, such "
            "as http://127.0.0.1:8642."
        )
    return parts.geturl()


def address_of(place: Place, url: str | None) -> str:
    """Where the hub is: at the URL, or where the configuration says that it serves."""
    config = place.read()
    return (url or base_url(config, config.server.port)).rstrip("/")


@asynccontextmanager
async def reach(place: Place, url: str | None, token_file: Path | None) -> AsyncIterator[Remote]:
    """The hub, with the token in the file, or with one made in the state store for the block.

    Raises:
        InvalidRequest: The file can't be read.
        ConfigError: The state is inside of a running hub, so that no token can be made.
    """
    address = address_of(place, url)
    if token_file is not None:
        yield Remote(address, _read(token_file))
        return
    if not place.read().access.enabled:
        yield Remote(address)
        return
    name = f"watch-{os.getpid()}-{int(time.time())}"
    async with open_store(place) as store:
        access = AccessService(store, enabled=True)
        _, text = await access.create(name, [Scope.ADMIN], time.time() + TOKEN_SECONDS)
        try:
            yield Remote(address, text)
        finally:
            await asyncio.shield(access.revoke(name))


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        raise InvalidRequest(f"{file} can't be read: {error.strerror}.") from None


def _message(body: bytes) -> str:
    try:
        message: str = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return message
