"""Completing what a person has begun to type: names of providers, sessions, models and words.

Guarantee: only the caller's own sessions are offered.
"""

from collections.abc import Iterable

from mcp_types import (
    CompleteRequestParams,
    CompleteResult,
    Completion,
    PromptReference,
)

from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.mcp.call import Call
from llm_mcp_hub.mcp.prompts import MODELS, find_prompt
from llm_mcp_hub.mcp.resources import PROVIDER_TEMPLATE, SESSION_TEMPLATE
from llm_mcp_hub.services.sessions import MAX_PAGE

MAX_VALUES = 100
"""No more than the protocol allows in one answer."""
MAX_PAGES = 5
"""Of sessions that are looked through for one completion."""


async def complete(call: Call, params: CompleteRequestParams) -> CompleteResult:
    """What can follow.

    Raises:
        MCPError: The prompt does not exist.
    """
    typed = params.argument.value
    if isinstance(params.ref, PromptReference):
        return _result(await _for_prompt(call, params.ref.name, params.argument.name, typed))
    if params.ref.uri == PROVIDER_TEMPLATE:
        names = [entry.name for entry in call.hub.registry.entries()]
        return _result(_starting(typed, names))
    if params.ref.uri == SESSION_TEMPLATE:
        return _result(_starting(typed, await _session_ids(call)))
    return _result([])


async def _for_prompt(call: Call, prompt: str, argument: str, typed: str) -> list[str]:
    for one in find_prompt(prompt).arguments:
        if one.name == argument:
            if argument == MODELS:
                return await _model_ids(call, typed)
            return _starting(typed, one.values)
    return []


async def _model_ids(call: Call, typed: str) -> list[str]:
    """Of a list with commas, its last part is completed."""
    before, comma, last = typed.rpartition(",")
    named = {one.strip() for one in before.split(",")}
    ids = [offer.id for offer in await call.hub.catalog.offers() if offer.id not in named]
    head = f"{before}, " if comma else ""
    return [head + one for one in _starting(last.strip(), ids)]


async def _session_ids(call: Call) -> list[str]:
    if not call.principal.may(Scope.SESSIONS):
        return []
    found: list[str] = []
    cursor = None
    for _ in range(MAX_PAGES):
        page = await call.hub.sessions.list(call.principal, None, MAX_PAGE, cursor)
        found += [one.id for one in page.sessions]
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def _starting(typed: str, values: Iterable[str]) -> list[str]:
    return [one for one in values if one.lower().startswith(typed.lower())]


def _result(values: list[str]) -> CompleteResult:
    return CompleteResult(
        completion=Completion(
            values=values[:MAX_VALUES], total=len(values), has_more=len(values) > MAX_VALUES
        )
    )
