"""The response objects of an answer, from its beginning to its end, and its errors. Pure."""

from typing import Any

import msgspec
from msgspec.structs import replace

from llm_mcp_hub.api.errors import ErrorBody, ErrorObject, error_object
from llm_mcp_hub.api.responses.objects import (
    Echo,
    IncompleteDetails,
    InputTokensDetails,
    OutputItem,
    OutputTokensDetails,
    ResponseError,
    ResponseObject,
    ResponseUsage,
    Status,
)
from llm_mcp_hub.api.responses.output import response_id
from llm_mcp_hub.domain.chunk import FinishReason, Usage
from llm_mcp_hub.domain.completion import Completion
from llm_mcp_hub.errors import BadRequest, HubError, LimitReached

_PARAMS = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "response_format": "text.format",
}
"""What fields of chat completions are called here."""


class Maker:
    """Makes the response objects of one answer.

    Args:
        turn_id: The turn.
        created_at: Unix seconds.
        model_id: `provider/name`.
        echo: What is repeated of the request.

    Attributes:
        refusals: A form was asked for: an answer that the model's filter ended is why it refuses,
            in words, and no answer that breaks off.
    """

    def __init__(self, turn_id: str, created_at: float, model_id: str, echo: Echo) -> None:
        self.turn_id = turn_id
        self.refusals = echo.text["format"]["type"] != "text"
        self._id = response_id(turn_id)
        self._created_at = int(created_at)
        self._model = model_id
        self._echo = {name: getattr(echo, name) for name in echo.__struct_fields__}

    def running(self) -> ResponseObject:
        """As long as there is no answer yet."""
        return self._response("in_progress", [])

    def ended(self, output: list[OutputItem], completion: Completion) -> ResponseObject:
        """With the answer."""
        details = None
        if completion.finish_reason is FinishReason.LENGTH:
            details = IncompleteDetails("max_output_tokens")
        elif completion.finish_reason is FinishReason.CONTENT_FILTER and not (
            self.refusals and completion.text
        ):
            details = IncompleteDetails("content_filter")
        return self._response(
            "completed" if details is None else "incomplete",
            output,
            incomplete_details=details,
            usage=usage_object(completion.usage),
        )

    def failed(self, output: list[OutputItem], error: HubError) -> ResponseObject:
        """With what there was before it broke off."""
        return self._response("failed", output, error=_response_error(error))

    def cancelled(self, output: list[OutputItem]) -> ResponseObject:
        """Ended because its caller wanted so."""
        return self._response("cancelled", output)

    def _response(self, status: Status, output: list[OutputItem], **more: Any) -> ResponseObject:
        return ResponseObject(
            id=self._id,
            created_at=self._created_at,
            model=self._model,
            status=status,
            output=output,
            **self._echo,
            **more,
        )


def usage_object(usage: Usage) -> ResponseUsage:
    """Token counts in the shape of the reference."""
    return ResponseUsage(
        input_tokens=usage.input_tokens,
        input_tokens_details=InputTokensDetails(usage.cached_tokens),
        output_tokens=usage.output_tokens,
        output_tokens_details=OutputTokensDetails(usage.reasoning_tokens),
        total_tokens=usage.input_tokens + usage.output_tokens,
    )


def error_told(error: HubError) -> ErrorObject:
    """An error as clients of this API see it: fields have other names than in chat completions."""
    told = error_object(error)
    return replace(told, param=_PARAMS.get(told.param or "", told.param))


def error_body(error: HubError) -> bytes:
    """The JSON body of an error."""
    return msgspec.json.encode(ErrorBody(error_told(error)))


def _response_error(error: HubError) -> ResponseError:
    if isinstance(error, LimitReached):
        return ResponseError("rate_limit_exceeded", error.message)
    if isinstance(error, BadRequest):
        return ResponseError("invalid_prompt", error.message)
    return ResponseError("server_error", error.message)
