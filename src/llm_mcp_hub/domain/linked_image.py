"""An image that a request only names, until `services.linked_images` has fetched it."""

from llm_mcp_hub.domain.chat import ImagePart


class LinkedImage(ImagePart, frozen=True, gc=False):
    """Stands where the image will stand. No provider and no session ever sees one.

    Attributes:
        url: Where the image is.
        where: The place in the request, for errors.
    """

    url: str
    where: str


def linked_image(url: str, where: str) -> LinkedImage:
    """What a converter makes of the URL of an image."""
    return LinkedImage("", "", url, where)
