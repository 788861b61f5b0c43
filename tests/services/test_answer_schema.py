"""A schema of a caller's choice: what is wrong is found, nothing is fetched, nothing takes long."""

import time
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.errors import InvalidRequest
from llm_mcp_hub.services.answer_schema import MAX_CHARACTERS, answer_schema
from llm_mcp_hub.services.json_depth import depth_of
from llm_mcp_hub.services.one_json import one_json

TREE: dict[str, Any] = {
    "type": "object",
    "properties": {"children": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["children"],
}
TWICE: dict[str, Any] = {
    "items": {"anyOf": [{"allOf": [{"$ref": "#"}, {"minItems": 5}]} for _ in range(2)]}
}
SOON_SECONDS = 20.0
"""What multiplies takes for ever; a busy machine takes its time."""


def tree(levels: int) -> dict[str, Any]:
    return {"children": [tree(levels - 1)] if levels else []}


def nested(levels: int) -> Any:
    value: Any = "inside"
    for _ in range(levels):
        value = [value]
    return value


def test_what_is_wrong_is_said_with_its_place() -> None:
    schema = answer_schema({"properties": {"a": {"items": {"type": "integer"}}}})
    assert schema.complaints({"a": [1, 2]}) == []
    assert schema.complaints({"a": [1, "x"]}) == ['at ["a"][1]: "x" is not of type "integer"']


def test_formats_are_judged_where_they_are_known() -> None:
    schema = answer_schema({"items": {"format": "date-time"}, "prefixItems": [{"format": "odd"}]})
    assert schema.complaints(["x", "2026-01-01T00:00:00Z"]) == []
    assert len(schema.complaints(["x", "today"])) == 1


def test_a_long_value_is_not_said_again() -> None:
    (said,) = answer_schema({"type": "integer"}).complaints("x" * 10_000)
    assert len(said) <= MAX_CHARACTERS


def test_a_schema_that_refers_to_itself_is_fine() -> None:
    schema = answer_schema(TREE)
    assert schema.complaints(tree(60)) == []
    assert len(schema.complaints({"children": [{"children": 1}]})) == 1


@pytest.mark.parametrize("levels", [12, 16, 24, 200])
def test_references_that_multiply_take_no_time(levels: int) -> None:
    schema = answer_schema(TWICE)
    before = time.monotonic()
    assert schema.complaints(nested(levels))
    assert time.monotonic() - before < SOON_SECONDS


@pytest.mark.parametrize(
    "schema",
    [
        {
            "$defs": {
                **{f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(40)},
                "a40": {},
            },
            "$ref": "#/$defs/a0",
        },
        {"anyOf": [{"$ref": "#"}] * 251},
        {
            "$defs": {f"a{n}": {"items": {"$ref": f"#/$defs/a{n + 1}"}} for n in range(251)},
            "$ref": "#/$defs/a0",
        },
    ],
)
def test_a_schema_that_multiplies_by_itself_is_refused(schema: dict[str, Any]) -> None:
    before = time.monotonic()
    with pytest.raises(InvalidRequest):
        answer_schema(schema)
    assert time.monotonic() - before < SOON_SECONDS


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=(a+)+$)(a|aa)+$"])
def test_a_pattern_that_goes_back_and_forth_takes_no_time(pattern: str) -> None:
    schema = answer_schema({"pattern": pattern})
    before = time.monotonic()
    assert schema.complaints("a" * 5_000 + "!")
    assert time.monotonic() - before < SOON_SECONDS


@pytest.mark.parametrize("reference", ["https://example.com/a.json", "a.json", "#anchor", "#/no"])
def test_a_reference_out_of_the_schema_is_refused(reference: str) -> None:
    with pytest.raises(InvalidRequest, match="fetches no schemas"):
        answer_schema({"properties": {"a": {"$ref": reference}}})


def test_what_only_looks_like_a_reference_is_none() -> None:
    schema = {"properties": {"$ref": {"const": {"$ref": "https://example.com/"}}}}
    assert answer_schema(schema).complaints({"$ref": 1})


def test_a_circle_without_a_way_out_is_no_hindrance() -> None:
    assert answer_schema({"$ref": "#"}).complaints(1) == []


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(values)
def test_depth_counts_levels_and_values(value: Any) -> None:
    def count(part: Any) -> tuple[int, int]:
        inside = part.values() if isinstance(part, dict) else part
        if not isinstance(part, dict | list):
            return 0, 1
        below = [count(each) for each in inside]
        return 1 + max((d for d, _ in below), default=0), 1 + sum(n for _, n in below)

    assert depth_of(value) == count(value)


prose = st.text("abc .:\n`", max_size=30).filter(lambda text: "```" not in text)


@given(values, prose, prose)
def test_the_one_value_is_found_as_it_is_written(value: Any, before: str, after: str) -> None:
    written = msgspec.json.format(msgspec.json.encode(value)).decode()
    assert one_json(f"  {written}\n") == written
    fenced = f"{before}\n```json\n{written}\n```\n{after}"
    assert one_json(fenced) == written
    if isinstance(value, dict | list):
        assert one_json(f"{before} {written} {after}") == written
        assert one_json(f"{written} {before} {written}") is None


@given(st.text('[]{}",:1a `\n'))
def test_what_is_found_stands_in_the_text_and_is_json(text: str) -> None:
    found = one_json(text)
    assert found is None or (found in text and msgspec.json.decode(found) is not msgspec.UNSET)
