"""What the hub's dialects owe to their clients, and the page that is made of it.

`docs/compatibility/DIALECT.toml` has `title`, `route`, and a `[[requirement]]` for each thing that
a client may rely on:

    id       "DIALECT.part.point", by which it can be found
    says     one sentence, true of the hub unless there is a gap
    source   where it is written, or the client in which it was measured
    tests    the tests that hold it, "path::name" each; or instead
    gap      why it is not so

`.venv/bin/python tests/docs/compatibility.py` writes the page anew.
"""

import ast
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted((ROOT / "docs/compatibility").glob("*.toml"))
PAGE = ROOT / "docs/compatibility.md"
HEAD = """# Compatibility

What clients of each dialect can rely on, where that is written or was measured, and whether the hub
does it. Each *yes* is held by tests, which are named in the files that this page is made of,
`docs/compatibility/*.toml`; each *no* says why. `.venv/bin/python tests/docs/compatibility.py`
makes it anew.
"""


class Requirement(Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that a client may rely on."""

    id: str
    says: str
    source: str
    tests: list[str] = []
    gap: str = ""


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """All that clients of one dialect may rely on."""

    title: str
    route: str
    requirement: list[Requirement]


def read(path: Path) -> Manifest:
    """The manifest in a file."""
    return msgspec.toml.decode(path.read_bytes(), type=Manifest)


@cache
def tests_in(path: str) -> frozenset[str]:
    """The names of the tests in a file, none if there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    defined = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(file.read_text("utf-8"))
    names = (node.name for node in tree.body if isinstance(node, defined))
    return frozenset(name for name in names if name.startswith("test_"))


def exists(test: str) -> bool:
    """Whether there is such a test."""
    path, _, name = test.partition("::")
    return name in tests_in(path)


def render() -> str:
    """The page."""
    parts = [HEAD]
    for path in MANIFESTS:
        manifest = read(path)
        held = sum(not each.gap for each in manifest.requirement)
        parts.append(
            f"\n## {manifest.title}\n\n`{manifest.route}`: {held} of {len(manifest.requirement)} "
            "requirements.\n\n| Id | Requirement | Source | |\n|---|---|---|---|\n"
        )
        for each in manifest.requirement:
            state = f"no: {each.gap}" if each.gap else "yes"
            parts.append(f"| `{each.id}` | {each.says} | {each.source} | {state} |\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
