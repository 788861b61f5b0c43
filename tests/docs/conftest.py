"""The pages, cut into what can be checked."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_mcp_hub.testing import TestHub, create_test_hub

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "README.ko.md",
    "CHANGELOG.md",
    "plugins/llm-mcp-hub-claude/README.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
]


class Page:
    """One Markdown file; `name` is its path from the root of the project."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = ROOT / name
        self.text = self.path.read_text("utf-8")
        self.prose = re.sub(r"^```.*?^```$", "", self.text, flags=re.DOTALL | re.MULTILINE)

    def section(self, heading: str) -> str:
        """What stands below a heading, up to the next heading of its level or above."""
        lines = self.text.splitlines()
        start = lines.index(heading) + 1
        level = heading.index(" ")
        fenced = False
        for end in range(start, len(lines)):
            fenced ^= lines[end].startswith("```")
            if not fenced and re.match(rf"#{{1,{level}}} ", lines[end]):
                return "\n".join(lines[start:end])
        return "\n".join(lines[start:])

    def table(self, heading: str) -> dict[str, list[str]]:
        """The rows of the tables in a section, by what the first cell has in backticks."""
        found = {}
        for line in self.section(heading).splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            key = in_code(cells[0])
            if line.startswith("| `"):
                assert key not in found, f"{self.name} has two rows for {key}"
                found[key] = cells[1:]
        return found

    def blocks(self, language: str) -> list[str]:
        """The code blocks in a language."""
        return re.findall(rf"^```{language}\n(.*?)^```$", self.text, re.DOTALL | re.MULTILINE)

    def anchors(self) -> set[str]:
        """What a link can point to."""
        found = set()
        for title in re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE):
            given = re.search(r"\{ #(\S+) \}", title)
            plain = re.sub(r"[^\w\s-]", "", title.lower()).strip()
            found.add(given.group(1) if given else re.sub(r"[\s-]+", "-", plain))
        return found

    def links(self) -> list[str]:
        """Targets of all links that stay within the project."""
        found = re.findall(r"\]\(([^)\s]+)\)", self.prose)
        return [link for link in found if not re.match(r"[a-z]+:", link)]


def in_code(text: str) -> str:
    """What stands between the first pair of backticks; empty without any."""
    found = re.search(r"`([^`]+)`", text)
    return found.group(1) if found else ""


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> Page:
    """Each page in turn."""
    return Page(request.param)


@pytest.fixture
def read() -> Callable[[str], Page]:
    """Reads a page by its path from the root of the project."""
    return Page


@pytest.fixture(scope="module")
def hub() -> Iterator[TestHub]:
    """A hub that serves."""
    with create_test_hub() as running:
        yield running
