"""Images that a request names by URL: fetched, if the hub may, before anything else sees them.

Guarantee: what a turn begins with has every image by value, or the request is refused with the
place at fault; nothing is fetched unless the configuration says so, and all of a request's images
together take no longer than it says. Every API of the hub's gets this through the chat service:
its converter makes `LinkedImage`s.
"""

import asyncio
from base64 import b64encode
from collections.abc import Iterator, Sequence

import msgspec

from llm_mcp_hub.config import ImagesConfig
from llm_mcp_hub.domain.chat import ImagePart, Message, Part, ToolResultPart
from llm_mcp_hub.domain.linked_image import LinkedImage
from llm_mcp_hub.errors import InvalidRequest
from llm_mcp_hub.services.images import image_type
from llm_mcp_hub.services.public_fetch import NotFetched, PublicFetcher

_VAGUE = frozenset({"", "application/octet-stream", "binary/octet-stream"})
"""What servers call a file whose type they do not know."""
AT_ONCE = 4
"""So many images of a request are fetched at once."""


class LinkedImages:
    """Fetches images for one hub.

    Args:
        config: Whether and how.
        fetcher: For tests.
    """

    def __init__(self, config: ImagesConfig, fetcher: PublicFetcher | None = None) -> None:
        self._config = config
        self._fetcher = fetcher or PublicFetcher(config.max_bytes, config.allowed_hosts)

    async def fetched(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """The messages, with each image by value.

        Raises:
            InvalidRequest: One can't be fetched, or none may; `param` names it.
        """
        links = list(_links(messages))
        if not links:
            return messages
        first = links[0]
        if not self._config.fetch:
            raise InvalidRequest(
                f"{first.where}: this hub fetches no links. Send the image itself, as a `data:` "
                "URL or base64, or have an administrator set `images.fetch`.",
                param=first.where,
            )
        if len(links) > self._config.max_count:
            raise InvalidRequest(
                f"{len(links)} images are to be fetched; at most {self._config.max_count} may be.",
                param=links[self._config.max_count].where,
            )
        images = await self._fetch_all({link.url: link for link in reversed(links)})
        return tuple(_with(message, images) for message in messages)

    async def _fetch_all(self, links: dict[str, LinkedImage]) -> dict[str, ImagePart]:
        slots = asyncio.Semaphore(AT_ONCE)
        loop = asyncio.get_running_loop()
        fetches = {url: loop.create_task(self._fetch(link, slots)) for url, link in links.items()}
        try:
            async with asyncio.timeout(self._config.seconds):
                images = await asyncio.gather(*fetches.values())
        except TimeoutError:
            late = next(link for url, link in links.items() if fetches[url].cancelled())
            raise _refused(late, f"that took longer than {self._config.seconds:g} s") from None
        finally:
            for fetch in fetches.values():
                fetch.cancel()
            await asyncio.wait(fetches.values())
        return dict(zip(fetches, images, strict=True))

    async def _fetch(self, link: LinkedImage, slots: asyncio.Semaphore) -> ImagePart:
        async with slots:
            try:
                found = await self._fetcher.fetch(link.url)
            except NotFetched as reason:
                raise _refused(link, str(reason)) from None
        kind = image_type(found.data)
        named = found.media_type.startswith("image/") or found.media_type in _VAGUE
        if kind is None or not named:
            raise _refused(link, "what is there is no png, jpeg, gif or webp")
        return ImagePart(kind, b64encode(found.data).decode())


def _refused(link: LinkedImage, reason: str) -> InvalidRequest:
    return InvalidRequest(
        f"{link.where}: the image can't be fetched: {reason}. Send the image itself instead.",
        param=link.where,
    )


def _links(messages: Sequence[Message]) -> Iterator[LinkedImage]:
    for message in messages:
        for part in message.parts:
            # Every part of every request: `isinstance` costs ten times as much where it is false.
            if type(part) is LinkedImage:
                yield part
            elif type(part) is ToolResultPart:
                yield from (image for image in part.images if isinstance(image, LinkedImage))


def _with(message: Message, images: dict[str, ImagePart]) -> Message:
    if not any(_links((message,))):
        return message
    return msgspec.structs.replace(
        message, parts=tuple(_part_with(part, images) for part in message.parts)
    )


def _part_with(part: Part, images: dict[str, ImagePart]) -> Part:
    if isinstance(part, LinkedImage):
        return images[part.url]
    if isinstance(part, ToolResultPart) and part.images:
        return msgspec.structs.replace(
            part,
            images=tuple(
                images[image.url] if isinstance(image, LinkedImage) else image
                for image in part.images
            ),
        )
    return part
