"""What a request for an answer says beside the fields of its dialect: who asks, and its headers."""

import re
from hashlib import blake2b
from typing import TypeVar

import msgspec
from litestar.types import Scope
from msgspec import Struct

from llm_mcp_hub.api.answer import SESSION_HEADER
from llm_mcp_hub.api.session_hints import SessionHints
from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.domain.chat import Priority
from llm_mcp_hub.domain.ids import NO_SESSION, is_idempotency_key
from llm_mcp_hub.errors import InvalidRequest
from llm_mcp_hub.services.command import ChatCommand

KEY_HEADER = b"idempotency-key"
PRIORITY_HEADER = b"x-priority"

T = TypeVar("T")

_HALF_A_PAIR = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
"""What `JSON.stringify` makes of half an emoji."""
_PARAM = re.compile(r" - at `\$\.?(.*)`\Z", re.DOTALL)


class TurnCall(Struct, frozen=True):
    """A request that has been admitted.

    Attributes:
        session_id: `X-Session-ID`, or what another client's header says; None without one, and
            for `none`.
        hinted: Whether it was another client's header.
        remember: Whether anything may be stored; not after `X-Session-ID: none`, nor for another
            client's task beside its conversation.
        key: `Idempotency-Key`.
        fingerprint: Digest of the request; empty without a key.
    """

    principal: Principal
    body: bytes
    session_id: str | None
    hinted: bool
    remember: bool
    priority: Priority
    key: str | None
    fingerprint: str

    def addressed(self, command: ChatCommand) -> ChatCommand:
        """A command of the dialect's with what the headers say."""
        return msgspec.structs.replace(
            command,
            session_id=self.session_id,
            hinted=self.hinted,
            remember=self.remember and command.remember,
            priority=self.priority,
            key=self.key,
            fingerprint=self.fingerprint,
        )


def turn_call(
    scope: Scope, principal: Principal, body: bytes, session_hints: SessionHints
) -> TurnCall:
    """What the headers of a request say.

    Raises:
        InvalidRequest: One of them makes no sense, or comes twice with different values.
    """
    session_id = key = None
    priority = principal.priority
    for name, value in scope["headers"]:
        if name == SESSION_HEADER:
            session_id = _the_only(session_id, value, "X-Session-ID")
        elif name == KEY_HEADER:
            key = _the_only(key, value, "Idempotency-Key")
        elif name == PRIORITY_HEADER and _priority(value) is Priority.BATCH:
            priority = Priority.BATCH
    if key is not None and not is_idempotency_key(key):
        raise InvalidRequest(
            "An Idempotency-Key is 1 to 255 visible ASCII characters.",
            param="Idempotency-Key",
        )
    hint, is_task = session_hints.read(scope)
    hinted = session_id is None and hint is not None
    if hinted:
        session_id = hint
    return TurnCall(
        principal=principal,
        body=body,
        session_id=None if session_id == NO_SESSION else session_id,
        hinted=hinted,
        remember=session_id != NO_SESSION and not is_task,
        priority=priority,
        key=key,
        fingerprint="" if key is None else _fingerprint(session_id, body),
    )


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """A body by its schema.

    Raises:
        InvalidRequest: It is no JSON, or does not fit; `param` is the path in it.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        text = str(error)
        match = _PARAM.search(text)
        param = match.group(1) if match else None
        raise InvalidRequest(
            f"{param or 'The body'}: {_PARAM.sub('', text)}.", param=param
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        half = _HALF_A_PAIR.search(body)
        reason = str(error) if half is None else f"{half[0].decode()} is half of a surrogate pair"
        raise InvalidRequest(f"The body is not valid JSON: {reason}.") from None


def _the_only(known: str | None, raw: bytes, header: str) -> str:
    value = raw.decode("latin-1").strip(" \t")  # white space around a value is no part of it
    if known is not None and known != value:
        raise InvalidRequest(f"Send one {header}, not several.", param=header)
    return value


def _priority(raw: bytes) -> Priority:
    try:
        return Priority(raw.decode("latin-1").strip().lower())
    except ValueError:
        raise InvalidRequest(
            "X-Priority is `interactive` or `batch`.", param="X-Priority"
        ) from None


def _fingerprint(session_id: str | None, body: bytes) -> str:
    return blake2b(f"{session_id} ".encode() + body, digest_size=16).hexdigest()
