"""What the compatibility page promises is held by tests, and is what the manifests say."""

from pathlib import Path

import pytest

from . import compatibility

MANIFESTS = {path.stem: compatibility.read(path) for path in compatibility.MANIFESTS}
REQUIREMENTS = [
    pytest.param(dialect, requirement, id=requirement.id)
    for dialect, manifest in MANIFESTS.items()
    for requirement in manifest.requirement
]


@pytest.mark.parametrize(("dialect", "requirement"), REQUIREMENTS)
def test_a_requirement_is_held_by_tests_or_a_gap_that_is_explained(
    dialect: str, requirement: compatibility.Requirement
) -> None:
    assert requirement.id.startswith(f"{dialect}.")
    assert len(requirement.says) > 10
    assert requirement.source
    assert "|" not in requirement.says + requirement.source + requirement.gap
    assert bool(requirement.tests) != bool(requirement.gap), "either tests or a gap"
    assert not requirement.gap or len(requirement.gap) > 10
    for test in requirement.tests:
        assert compatibility.exists(test), f"there is no test {test}"


@pytest.mark.parametrize("dialect", MANIFESTS)
def test_no_requirement_is_there_twice(dialect: str) -> None:
    requirements = MANIFESTS[dialect].requirement
    for values in ([each.id for each in requirements], [each.says for each in requirements]):
        assert len(set(values)) == len(values)


def test_a_test_that_does_not_exist_is_noticed() -> None:
    here = f"{Path(__file__).relative_to(compatibility.ROOT).as_posix()}::"
    assert compatibility.exists(f"{here}test_a_test_that_does_not_exist_is_noticed")
    assert not compatibility.exists(f"{here}test_nothing")
    assert not compatibility.exists("tests/docs/test_nothing.py::test_nothing")
    assert not compatibility.exists(here)


def test_the_page_is_made_of_the_manifests() -> None:
    page = compatibility.PAGE.read_text("utf-8")
    assert page == compatibility.render(), "run `python tests/docs/compatibility.py`"
