"""What the tools take and give. Their JSON Schemas come from these structs."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from llm_mcp_hub.domain.chunk import FinishReason, Usage
from llm_mcp_hub.domain.ids import SESSION_ID_PATTERN, TURN_ID_PATTERN
from llm_mcp_hub.domain.status import CredentialState, ProviderState

MAX_QUESTIONED = 16

ModelId = Annotated[
    str, Meta(description="A model's id, such as `claude/sonnet`; list_models has them all.")
]
Message = Annotated[str, Meta(description="What to say to the model.", min_length=1)]
System = Annotated[
    str | None,
    Meta(description="System prompt. Left out, a session keeps the one that it has."),
]
MaxTokens = Annotated[
    Annotated[int, Meta(ge=1)] | None,
    Meta(description="Upper bound of the answer's length, in tokens."),
]
SessionId = Annotated[
    str, Meta(description="The session's id, as chat returned it.", pattern=SESSION_ID_PATTERN)
]
WaitSeconds = Annotated[
    Annotated[float, Meta(ge=0, le=3600)] | None,
    Meta(
        description="How long this call may wait for the whole answer. If it takes longer, the "
        "result has the status `running`, and get_turn fetches the answer. 0 waits to the end.",
    ),
]


class Image(Struct, frozen=True, forbid_unknown_fields=True):
    """An image by value."""

    data: Annotated[str, Meta(description="The image, in base64.", min_length=1)]
    mime_type: Annotated[
        Literal["image/png", "image/jpeg", "image/gif", "image/webp"],
        Meta(description="What kind of image it is."),
    ]


class ChatArguments(Struct, frozen=True, forbid_unknown_fields=True):
    """What `chat` takes."""

    message: Message
    model: Annotated[
        str | None,
        Meta(
            description="A model's id, such as `claude/sonnet`; list_models has them all. Several "
            "with commas between them are asked in turn until one can answer. Left out, a session "
            "goes on with the model that it has."
        ),
    ] = None
    provider: Annotated[
        str | None,
        Meta(description="A provider, whose first model is used unless `model` names one."),
    ] = None
    system_prompt: System = None
    session_id: Annotated[
        Annotated[str, Meta(pattern=SESSION_ID_PATTERN)] | None,
        Meta(
            description="The session to go on with, as an earlier result named it. Left out, a "
            "new session begins. `none` remembers nothing.",
        ),
    ] = None
    images: Annotated[
        list[Image], Meta(description="Images that belong to the message.", max_length=20)
    ] = []
    max_tokens: MaxTokens = None
    wait_seconds: WaitSeconds = None


class AskAllArguments(Struct, frozen=True, forbid_unknown_fields=True):
    """What `ask_all` takes."""

    message: Message
    models: Annotated[
        list[ModelId],
        Meta(
            description="The models to ask. Left out, the first model of each provider that is "
            "available.",
            max_length=MAX_QUESTIONED,
        ),
    ] = []
    system_prompt: System = None
    max_tokens: MaxTokens = None
    wait_seconds: WaitSeconds = None


class GetTurnArguments(Struct, frozen=True, forbid_unknown_fields=True):
    """What `get_turn` takes."""

    turn_id: Annotated[
        str,
        Meta(description="The turn's id, as chat or ask_all returned it.", pattern=TURN_ID_PATTERN),
    ]
    wait_seconds: WaitSeconds = None


class GetSessionArguments(Struct, frozen=True, forbid_unknown_fields=True):
    """What `get_session` takes."""

    session_id: SessionId


class ListModelsArguments(Struct, frozen=True, forbid_unknown_fields=True):
    """What `list_models` takes."""

    provider: Annotated[str | None, Meta(description="Only this provider's models.")] = None


class ListProvidersArguments(Struct, frozen=True, forbid_unknown_fields=True):
    """What `list_providers` takes: nothing."""


class Failure(Struct, frozen=True, omit_defaults=True):
    """Why something failed.

    Attributes:
        retryable: Whether the same call may succeed later without costing a second answer.
        retry_after_seconds: When to try again, if that is known.
    """

    code: str
    message: str
    retryable: bool = False
    retry_after_seconds: float | None = None


class ChatResult(Struct, frozen=True):
    """An answer, or how far it is.

    Attributes:
        text: The whole answer; what there is of it while the status is `running`.
        session_id: Go on with it; None if nothing is remembered.
        turn_id: For get_turn.
    """

    status: Literal["done", "running", "failed"]
    text: str
    model: str
    session_id: str | None
    turn_id: str | None
    reasoning: str = ""
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    error: Failure | None = None


class AskAllResult(Struct, frozen=True):
    """The answers, in the order of the models asked."""

    answers: list[ChatResult]


class ModelObject(Struct, frozen=True):
    """A model. `id` is what chat takes; for an alias, `provider` and `name` say what it is."""

    id: str
    provider: str
    name: str
    title: str


class ModelsResult(Struct, frozen=True):
    """The models."""

    models: list[ModelObject]


class ProviderObject(Struct, frozen=True):
    """A provider.

    Attributes:
        reason: Why it is not available, and what to do; empty when it is.
        login: The state of its login, None if it needs none.
        remedy: What to do about the login; empty when there is nothing to do.
        models: Ids for chat.
    """

    name: str
    state: ProviderState
    reason: str
    warning: str
    version: str | None
    login: CredentialState | None
    login_expires_at: float | None
    remedy: str
    models: list[str]
    free_workers: int
    busy_workers: int
    queued: int


class ProvidersResult(Struct, frozen=True):
    """The providers."""

    providers: list[ProviderObject]


class SessionMessage(Struct, frozen=True):
    """A message of a session. Parts that are no text are named in brackets."""

    role: Literal["user", "assistant", "tool"]
    text: str
    created_at: float


class SessionResult(Struct, frozen=True):
    """A session with its conversation. Times are Unix seconds."""

    session_id: str
    model: str
    system_prompt: str
    revision: int
    created_at: float
    updated_at: float
    expires_at: float
    usage: Usage
    messages: list[SessionMessage]


Arguments = dict[str, Any]
