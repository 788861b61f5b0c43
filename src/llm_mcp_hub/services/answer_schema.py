"""A JSON Schema that an answer has to fit, of a caller's choice.

Guarantees: nothing is fetched, whatever the schema refers to; neither a schema nor a pattern in it
keeps the hub busy: what would take too long to check is refused, as a schema or as an answer.
"""

from functools import lru_cache
from typing import Any

import msgspec

from llm_mcp_hub.errors import InvalidRequest
from llm_mcp_hub.services.json_depth import depth_of
from llm_mcp_hub.services.schema_cost import references, target, work

PARAM = "response_format"
MAX_DEPTH = 64
"""How deep a schema may be nested."""
MAX_REFERENCES = 250
MAX_WORK = 2_000_000
"""So many looks at parts of a schema take about two seconds."""
SHALLOW = 4
MAX_COMPLAINTS = 8
MAX_CHARACTERS = 300
BACKTRACKS = 100_000
"""How often a pattern may go back and try again."""

_encode = msgspec.json.Encoder(order="deterministic").encode


class AnswerSchema:
    """A schema that has been looked at, and can be checked against again and again.

    Raises:
        InvalidRequest: It is no JSON Schema, or one that can't be checked; says where.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        import jsonschema_rs  # noqa: PLC0415  # 10 MB, and few hubs are asked for forms

        self._schema = schema
        _check_bounds(schema)
        self._repeats = bool(references(schema))
        try:
            self._validator = jsonschema_rs.validator_for(
                schema,
                validate_formats=True,
                ignore_unknown_formats=True,
                retriever=_fetch_nothing,
                pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=BACKTRACKS),
            )
        except (jsonschema_rs.ValidationError, ValueError) as error:
            where = ".".join(str(step) for step in getattr(error, "instance_path", ()))
            reason = getattr(error, "message", str(error))
            raise InvalidRequest(
                f"The schema of the answer is no JSON Schema that can be checked, at "
                f"`{where or '#'}`: {reason[:MAX_CHARACTERS]}.",
                param=PARAM,
            ) from None

    def complaints(self, value: Any) -> list[str]:
        """What is wrong with a value, in words for a model; nothing if it fits."""
        if self._repeats:
            levels, things = depth_of(value)
            if work(self._schema, levels, MAX_WORK) * things >= MAX_WORK:
                return ["It is nested too deep to be checked."]
        if self._validator.is_valid(value):
            return []
        found: list[str] = []
        for error in self._validator.iter_errors(value):
            where = "".join(f"[{json_text(step)}]" for step in error.instance_path)
            said = error.message[:MAX_CHARACTERS]
            found.append(f"at {where}: {said}" if where else said)
            if len(found) == MAX_COMPLAINTS:
                break
        return found or ["It does not fit the schema."]


def json_text(value: Any) -> str:
    """A value as JSON."""
    return msgspec.json.encode(value).decode()


def answer_schema(schema: dict[str, Any]) -> AnswerSchema:
    """The schema, from those used lately if it is among them.

    Raises:
        InvalidRequest: See `AnswerSchema`.
    """
    return _of(_encode(schema))


@lru_cache(maxsize=64)
def _of(encoded: bytes) -> AnswerSchema:
    return AnswerSchema(msgspec.json.decode(encoded))


def _check_bounds(schema: dict[str, Any]) -> None:
    levels, _ = depth_of(schema)
    if levels > MAX_DEPTH:
        raise InvalidRequest(
            f"The schema of the answer is nested more than {MAX_DEPTH} deep.", param=PARAM
        )
    found = references(schema)
    if len(found) > MAX_REFERENCES:
        raise InvalidRequest(
            f"The schema of the answer has more than {MAX_REFERENCES} references.", param=PARAM
        )
    for reference in found:
        if target(schema, reference) is None:
            raise InvalidRequest(
                f"The schema of the answer refers to `{reference}`, which is not in it. A "
                "reference is `#` or begins with `#/`; the hub fetches no schemas.",
                param=PARAM,
            )
    if work(schema, SHALLOW, MAX_WORK) >= MAX_WORK:
        raise InvalidRequest(
            "The schema of the answer refers to itself so often that nothing could be checked.",
            param=PARAM,
        )


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"the hub does not fetch {uri}")
