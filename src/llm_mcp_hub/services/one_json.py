"""The one JSON value in a text: pure.

Guarantee: what is taken is a part of the text as it stands there; a text with no value, or with
more than one, has none.
"""

import re
from json import JSONDecodeError, JSONDecoder

import msgspec

_FENCE = re.compile(r"^```[\w-]*[ \t]*\n(.*?)\n?^```[ \t]*$", re.DOTALL | re.MULTILINE)
_OPENING = re.compile(r"[\[{]")
_decoder = JSONDecoder()


def one_json(text: str) -> str | None:
    """The JSON text in an answer.

    It is the whole, or what stands in the only code fence, or the only list or object between
    prose.
    """
    whole = text.strip()
    if is_json(whole):
        return whole
    fenced = _FENCE.findall(whole)
    if len(fenced) == 1 and is_json(fenced[0].strip()):
        inside: str = fenced[0].strip()
        return inside
    opening = _OPENING.search(whole)
    if opening is None:
        return None
    start = opening.start()
    try:
        _, end = _decoder.raw_decode(whole, start)
    except (JSONDecodeError, RecursionError, ValueError):
        return None
    found = whole[start:end]
    return found if is_json(found) and _OPENING.search(whole, end) is None else None


def is_json(text: str) -> bool:
    """Whether a text is a JSON value, and nothing else (RFC 8259)."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False
    return True
