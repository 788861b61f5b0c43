"""`X-Hub-Provider` and `X-Hub-Model`: who answers, whatever the request has named; pure."""

from functools import lru_cache
from urllib.parse import quote

NAMES = ("X-Hub-Provider", "X-Hub-Model")


@lru_cache(maxsize=256)
def model_headers(model_id: str) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of an answer.

    Args:
        model_id: `provider/name` of who answers. A name that is not visible ASCII is written as in
            URLs, since a caller may have made it up.
    """
    value = quote(model_id, safe="!#$&'()*+,/:;=?@[]~") if _unsafe(model_id) else model_id
    return (
        (b"x-hub-provider", value.partition("/")[0].encode()),
        (b"x-hub-model", value.encode()),
    )


def _unsafe(text: str) -> bool:
    return not (text.isascii() and text.isprintable())
