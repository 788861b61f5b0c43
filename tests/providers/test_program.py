"""A program is another one when the files that its command line names are."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_mcp_hub.providers.program import identify


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    path = tmp_path / "tool"
    path.write_text("version 1")
    return path


def rewritten(tool: Path) -> None:
    tool.write_text("version 2.0")


def replaced(tool: Path) -> None:
    other = tool.with_name("other")
    other.write_text("version 2")
    os.utime(other, ns=(tool.stat().st_atime_ns, tool.stat().st_mtime_ns))
    other.replace(tool)


def touched(tool: Path) -> None:
    os.utime(tool, ns=(1, 1))


def removed(tool: Path) -> None:
    tool.unlink()


@pytest.mark.parametrize("change", [rewritten, replaced, touched, removed])
def test_a_file_that_changed_is_another_program(tool: Path, change: Callable[[Path], None]) -> None:
    before = identify([str(tool), "--flag"])
    assert before == identify([str(tool), "--flag"])
    change(tool)
    assert before != identify([str(tool), "--flag"])


def test_a_link_that_is_turned_to_another_version_is_another_program(
    tool: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(tool)
    before = identify([str(link)])
    assert before == identify([str(tool)])
    newer = tmp_path / "newer"
    newer.write_text("version 1")
    link.unlink()
    link.symlink_to(newer)
    assert before != identify([str(link)])


def test_a_script_that_is_run_belongs_to_the_program(tool: Path, tmp_path: Path) -> None:
    interpreter = tmp_path / "python"
    interpreter.write_text("interpreter")
    before = identify([str(interpreter), "-I", str(tool)])
    rewritten(tool)
    assert before != identify([str(interpreter), "-I", str(tool)])


@pytest.mark.parametrize("argument", ["--flag=/etc/passwd", "tool", "/nowhere/at/all", "/a\0b"])
def test_what_names_no_file_is_left_out(argument: str) -> None:
    assert identify([argument]) == ()
