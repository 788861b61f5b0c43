"""Changing one value in somebody's JSON, and nothing else."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_mcp_hub.commands.jsonc import JsoncError, parse, set_value

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
objects = st.dictionaries(st.text(), values, max_size=4)
trivia = st.lists(
    st.sampled_from([" ", "\t", "\n", "\r\n", '// note, { [ "\n', "/* a, } ] */", "/* b\n*/"]),
    max_size=3,
).map("".join)


@st.composite
def written(draw, value):
    """The value as somebody may write it, with comments and trailing commas."""

    def gap():
        return draw(trivia)

    def write(value):
        if isinstance(value, dict):
            pairs = [
                f"{json.dumps(key)}{gap()}:{gap()}{write(inner)}{gap()}"
                for key, inner in value.items()
            ]
            return "{" + gap() + join(pairs) + "}"
        if isinstance(value, list):
            return "[" + gap() + join([write(inner) + gap() for inner in value]) + "]"
        return json.dumps(value, ensure_ascii=draw(st.booleans()))

    def join(pieces):
        comma = "," + gap() if pieces and draw(st.booleans()) else ""
        return ("," + gap()).join(pieces) + comma

    return gap() + write(value) + gap()


@st.composite
def documents(draw):
    """An object, and a text that says it."""
    value = draw(objects)
    return value, draw(written(value))


def merged(value, path, new):
    result = dict(value)
    key, *rest = path
    result[key] = merged(result.get(key, {}), rest, new) if rest else new
    return result


@settings(deadline=None)
@given(documents())
def test_what_is_written_is_read(document):
    value, text = document
    assert parse(text).value == value


@settings(deadline=None)
@given(documents(), st.text(), values)
def test_a_value_is_set_and_no_other_is_lost(document, key, new):
    value, text = document
    assert parse(set_value(text, [key], new)).value == {**value, key: new}


@settings(deadline=None)
@given(documents(), st.text(), st.text(), values)
def test_objects_on_the_way_are_made(document, outer, inner, new):
    value, text = document
    if not isinstance(value.get(outer, {}), dict):
        with pytest.raises(JsoncError):
            set_value(text, [outer, inner], new)
        return
    changed = set_value(text, [outer, inner], new)
    assert parse(changed).value == merged(value, [outer, inner], new)


@settings(deadline=None)
@given(documents(), st.text(), values)
def test_every_character_of_what_was_there_stays_but_the_replaced_value(document, key, new):
    value, text = document
    changed = iter(set_value(text, [key], new))
    if key in value:
        node = parse(text).members[key][1]
        text = text[: node.start] + text[node.end :]
    elif not value:
        text = "".join(text.split())
    assert all(character in changed for character in text), "a subsequence"


@settings(deadline=None)
@given(documents(), st.text(), values)
def test_setting_it_again_changes_nothing(document, key, new):
    _, text = document
    once = set_value(text, [key], new)
    assert set_value(once, [key], new) == once


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{\n  "a": {\n    "b": 1\n  }\n}'),
        (
            '{\n    "x": 1 // one\n}\n',
            '{\n    "x": 1, // one\n    "a": {\n        "b": 1\n    }\n}\n',
        ),
        ('{\n\t"a": {},\n}', '{\n\t"a": {\n\t\t"b": 1\n\t},\n}'),
        ('{\r\n  "x": 1\r\n}', '{\r\n  "x": 1,\r\n  "a": {\r\n    "b": 1\r\n  }\r\n}'),
        ('{"a": {"b": 0, "c": 1e999}}', '{"a": {"b": 1, "c": 1e999}}'),
        ('{"a": {"b": 0, "b": 2}}', '{"a": {"b": 0, "b": 1}}'),
    ],
)
def test_it_is_written_as_the_rest_is(before, after):
    assert set_value(before, ["a", "b"], 1) == after


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "line 1, column 1"),
        ("{", "line 1, column 2"),
        ('{"a": 1,, "b": 2}', "line 1, column 9"),
        ('{"a": 1 "b": 2}', "line 1, column 9"),
        ('{\n  "a": tru\n}', "line 2, column 8"),
        ("{'a': 1}", "line 1, column 2"),
        ('{"a": NaN}', "line 1, column 7"),
        ('{"a": 01}', "line 1, column 8"),
        ("{} {}", "line 1, column 4"),
        ('{"a": "\n"}', "line 1, column 7"),
        ("{} /* open", "line 1, column 4"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(text, where):
    with pytest.raises(JsoncError, match=where):
        parse(text)


def test_what_is_nested_beyond_reason_is_refused():
    with pytest.raises(JsoncError, match="deeply"):
        parse("[" * 100_000)


def test_an_outermost_value_that_is_no_object_is_refused():
    with pytest.raises(JsoncError, match="outermost"):
        set_value("[1]", ["a"], 1)
