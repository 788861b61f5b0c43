"""Routes of other APIs that clients look for and no provider has: 404, and what to use instead.

Guarantee: they tell nothing to whom the gate does not let in. They belong to the hub's own
application; an application that embeds a hub may have such paths itself.
"""

from collections.abc import Mapping

from litestar import HttpMethod, route
from litestar.handlers import HTTPRouteHandler

from llm_mcp_hub.api.gate import Gate, guard
from llm_mcp_hub.errors import RouteNotFound

_CHAT = "Use `POST /v1/chat/completions`."
_REMEMBERED = (
    "The hub remembers conversations by itself: use `POST /v1/chat/completions` with an "
    "`X-Session-ID`, and `GET /v1/sessions`."
)
_TEXT_ONLY = "The vendors' command-line tools answer with text alone."
_INLINE = "Nothing can be uploaded. Send what a model is to see inside of a message."
_BATCH = "Send the requests one by one, with `X-Priority: batch` so that others go first."
_OLLAMA = (
    "The hub does not speak Ollama's API. Set the client up for an OpenAI-compatible server, with "
    "the base URL of this hub and `/v1` at its end."
)

ABSENT: Mapping[str, str] = {
    "/v1/embeddings": "No provider makes embeddings: the vendors' command-line tools have none. "
    "Use another service for them, or a local model; chat can stay here.",
    "/v1/completions": f"Completions of a bare text are an old API. {_CHAT}",
    "/v1/audio": f"There is neither speech nor transcription here. {_TEXT_ONLY}",
    "/v1/images": f"No images are made here. {_TEXT_ONLY} Models can be shown images, in the "
    "messages of `POST /v1/chat/completions`.",
    "/v1/videos": f"No videos are made here. {_TEXT_ONLY}",
    "/v1/moderations": "No provider has a moderation model. Ask a model, with "
    "`POST /v1/chat/completions`.",
    "/v1/files": _INLINE,
    "/v1/uploads": _INLINE,
    "/v1/batches": _BATCH,
    "/v1/messages/batches": _BATCH,
    "/v1/fine_tuning": "The models of a subscription can't be tuned. Put instructions and examples "
    "into the system prompt.",
    "/v1/assistants": _REMEMBERED,
    "/v1/threads": _REMEMBERED,
    "/v1/conversations": _REMEMBERED,
    "/v1/responses/input_tokens": "Tokens are the vendor's to count, and its command-line tool "
    "counts none without an answer. What an answer took stands in its `usage`.",
    "/v1/responses/compact": _REMEMBERED,
    "/v1/vector_stores": "The hub stores no documents to search. Put what a model is to know into "
    "a message, or give it a tool that looks things up.",
    "/v1/realtime": "There are no realtime sessions here. Use `POST /v1/chat/completions` with "
    "`stream`.",
    "/api/tags": _OLLAMA,
    "/api/chat": _OLLAMA,
    "/api/generate": _OLLAMA,
    "/api/embed": _OLLAMA,
    "/api/show": _OLLAMA,
    "/api/version": _OLLAMA,
}
"""What to say at each path, and at all below it."""


def absent_handlers(gate: Gate) -> list[HTTPRouteHandler]:
    """The routes."""
    return [_handler(gate, path, text) for path, text in ABSENT.items()]


def _handler(gate: Gate, path: str, text: str) -> HTTPRouteHandler:
    @route(
        [path, f"{path}/{{rest:path}}"],
        http_method=[HttpMethod.GET, HttpMethod.POST, HttpMethod.DELETE],
        guards=[guard(gate)],
        include_in_schema=False,
        sync_to_thread=False,
    )
    def absent() -> None:
        raise RouteNotFound(f"There is nothing at this path. {text}")

    return absent
