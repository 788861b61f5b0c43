"""Results of tools: text for a model, and the same as structured content for a program."""

from collections.abc import Iterable

import msgspec
from mcp_types import CallToolResult, TextContent

from llm_mcp_hub.domain.chat import FilePart, ImagePart, Part, TextPart, ToolCallPart
from llm_mcp_hub.domain.session import Session
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.mcp.errors import advice
from llm_mcp_hub.mcp.schemas import Failure, ProviderObject, SessionMessage, SessionResult
from llm_mcp_hub.services.status import ProviderReport


def result(structured: msgspec.Struct, text: str | None = None) -> CallToolResult:
    """A result; without a text of its own, the structured content as JSON."""
    if text is None:
        text = msgspec.json.encode(structured).decode()
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content=msgspec.to_builtins(structured),
    )


def failed(error: HubError) -> CallToolResult:
    """A failure inside a tool, so that the model can read it and react."""
    return CallToolResult(
        content=[TextContent(type="text", text=told(error))],
        structured_content={"error": msgspec.to_builtins(failure(error))},
        is_error=True,
    )


def failure(error: HubError) -> Failure:
    """An error for structured content."""
    return Failure(error.code, told(error), error.retryable, error.retry_after)


def told(error: HubError) -> str:
    """What happened and what to do next, in MCP's words."""
    parts = [error.message, advice(error)]
    if error.retryable and error.retry_after is not None:
        parts.append(f"Try again in {error.retry_after:.0f} s.")
    return " ".join(part for part in parts if part)


def provider_object(report: ProviderReport) -> ProviderObject:
    """A provider for a client."""
    login = report.credential
    return ProviderObject(
        name=report.name,
        state=report.state,
        reason=report.reason,
        warning=report.warning,
        version=report.version,
        login=login.state if login is not None else None,
        login_expires_at=login.expires_at if login is not None else None,
        remedy=login.remedy if login is not None else "",
        models=[f"{report.name}/{card.name}" for card in report.models],
        free_workers=report.pool.blank + report.pool.parked,
        busy_workers=report.pool.claimed,
        queued=report.pool.queued,
    )


def session_result(session: Session) -> SessionResult:
    """A session for a client."""
    summary = session.summary
    return SessionResult(
        session_id=summary.id,
        model=summary.model,
        system_prompt=summary.system,
        revision=summary.revision,
        created_at=summary.created_at,
        updated_at=summary.updated_at,
        expires_at=summary.expires_at,
        usage=summary.usage,
        messages=[
            SessionMessage(one.message.role, _text(one.message.parts), one.created_at)
            for one in session.messages
        ],
    )


def _text(parts: Iterable[Part]) -> str:
    return "\n".join(_part(part) for part in parts)


def _part(part: Part) -> str:
    if isinstance(part, TextPart):
        return part.text
    if isinstance(part, ImagePart):
        return f"[{part.media_type}]"
    if isinstance(part, FilePart):
        return f"[{part.media_type} {part.name}]"
    if isinstance(part, ToolCallPart):
        return f"[calls {part.name}: {part.arguments}]"
    return part.text
