"""Images by value: what they are by their first bytes; pure."""

import re
from base64 import b64decode

from llm_mcp_hub.domain.chat import ImagePart
from llm_mcp_hub.errors import InvalidRequest

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}\Z")
_LOOKED_AT = 24
"""Characters of base64; a multiple of four."""


def inline_image(data: str, where: str) -> ImagePart:
    """An image from its base64. What it is counts, not what its sender takes it for.

    Raises:
        InvalidRequest: It is none, or none that models take.
    """
    kind = None
    if _BASE64.match(data) is not None and len(data) % 4 == 0:
        kind = image_type(b64decode(data[:_LOOKED_AT]))
    if kind is None:
        raise InvalidRequest(
            f"{where} is no png, jpeg, gif or webp in base64 without line breaks.", param=where
        )
    return ImagePart(kind, data)


def image_type(data: bytes) -> str | None:
    """What kind of image it is by its first bytes; None if it is none that models take."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return None
