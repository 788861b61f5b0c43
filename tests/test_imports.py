"""Imports point one way, plugins keep to the public package, and modules stay small."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HUB = "llm_mcp_hub"
MAX_LINES = 300
REASON = re.compile(r"over 300 lines because", re.IGNORECASE)

ORDER = (
    {"domain", "errors", "mounts", "within"},
    {"workers", "hookspecs", "config_checks", "config_sources"},
    {"config"},
    {"log"},
    {"providers", "state"},
    {"plugins", "turn_log"},
    {"services"},
    {"hub"},
    {"mcp"},
    {"api"},
    {"app", "plugin", "cli", "commands", "testing", "__init__", "__main__"},
)
"""A part may import itself and everything above its line; on the last line, its neighbours too."""

NARROWER = {
    "domain": frozenset[str](),
    "errors": frozenset[str](),
    "mounts": frozenset[str](),
    "within": frozenset[str](),
    "workers": frozenset({"errors", "within", "domain.status"}),
}
"""Parts that may import less than their line allows."""

RANK = {part: rank for rank, parts in enumerate(ORDER) for part in parts}
LAST = len(ORDER) - 1


def modules(source: Path) -> Iterator[tuple[str, Path]]:
    """Dotted name, relative to the package, and file of every module under a package."""
    for file in sorted(source.rglob("*.py")):
        parts = file.relative_to(source).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts), file


class ImportFinder(ast.NodeVisitor):
    """Collects what a module imports at run time, in functions as well."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.found: set[str] = set()

    def visit_If(self, node: ast.If) -> None:
        test = node.test
        name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
        for child in node.orelse if name == "TYPE_CHECKING" else [*node.body, *node.orelse]:
            self.visit(child)

    def visit_Import(self, node: ast.Import) -> None:
        self.found.update(alias.name for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.module or ""
        if node.level:
            above = self.package.split(".")
            base = ".".join([*above[: len(above) - node.level + 1], *([base] if base else [])])
        self.found.update(f"{base}.{alias.name}" for alias in node.names)

    def visit_Call(self, node: ast.Call) -> None:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        first = node.args[0] if node.args else None
        if (
            name in {"import_module", "__import__"}
            and isinstance(first, ast.Constant)
            and isinstance(first.value, str)
        ):
            self.found.add(first.value)
        self.generic_visit(node)


def imports(file: Path, package: str) -> set[str]:
    finder = ImportFinder(package)
    finder.visit(ast.parse(file.read_text("utf-8")))
    return finder.found


def problems_of_direction(source: Path) -> list[str]:
    """Every import in the hub's package that points the wrong way."""
    problems = []
    known = {name for name, _ in modules(source)}
    for name, file in modules(source):
        part = name.partition(".")[0]
        if part not in RANK:
            problems.append(f"{part} has no place in ORDER")
            continue
        inside = file.name == "__init__.py" or "." not in name
        package = (
            f"{HUB}.{name}" if file.name == "__init__.py" else f"{HUB}.{name}".rpartition(".")[0]
        )
        package = HUB if inside and name == "__init__" else package
        for imported in sorted(imports(file, package)):
            if not imported.startswith(f"{HUB}."):
                continue
            target = imported.removeprefix(f"{HUB}.")
            while target and target not in known:
                target = target.rpartition(".")[0]
            target = target or "__init__"
            other = target.partition(".")[0]
            if other == "__init__" and imported == f"{HUB}.__version__":
                continue
            if other == part or other not in RANK:
                continue
            allowed = RANK[other] < RANK[part] or RANK[part] == RANK[other] == LAST
            if part in NARROWER:
                allowed = bool(NARROWER[part] & {other, target})
            if not allowed:
                problems.append(f"{name} imports {imported}")
    return sorted(set(problems))


def names_of(requirements: list[str]) -> set[str]:
    return {
        re.split(r"[^A-Za-z0-9._-]", requirement)[0].lower().replace("-", "_")
        for requirement in requirements
    }


def problems_of_plugin(distribution: Path) -> list[str]:
    """Every import in a plugin that is neither of the hub, its own, standard nor declared.

    What the extra `testing` declares is for the package `testing` alone.
    """
    project = tomllib.loads((distribution / "pyproject.toml").read_text("utf-8"))["project"]
    declared = names_of(project.get("dependencies", []))
    extra = names_of(project.get("optional-dependencies", {}).get("testing", []))
    problems = []
    for package in sorted(path for path in (distribution / "src").iterdir() if path.is_dir()):
        allowed = {package.name, HUB, *declared, *sys.stdlib_module_names}
        for name, file in modules(package):
            inner = name == "__init__" or file.name != "__init__.py"
            above = f"{package.name}.{name}"
            above = (
                package.name if name == "__init__" else above.rpartition(".")[0] if inner else above
            )
            for imported in sorted(imports(file, above)):
                tested = extra if name.startswith("testing") else set()
                if imported.partition(".")[0] not in allowed | tested:
                    problems.append(f"{package.name}.{name} imports {imported}")
    return problems


def too_long(source: Path) -> list[str]:
    """Modules of more than `MAX_LINES` lines whose docstring states no reason."""
    problems = []
    for name, file in modules(source):
        text = file.read_text("utf-8")
        lines = text.count("\n")
        if lines > MAX_LINES and not REASON.search(ast.get_docstring(ast.parse(text)) or ""):
            problems.append(f"{name} has {lines} lines")
    return problems


LIBRARIES = {
    "litestar": {"api", "app", "plugin", "testing"},
    "mcp": {"mcp"},
    "mcp_types": {"mcp"},
    "starlette": {"mcp"},
    "sse_starlette": {"mcp"},
    "anyio": {"mcp"},
}
"""Libraries that only some parts may import."""


def problems_of_libraries(source: Path) -> list[str]:
    """Every import of a library where it does not belong."""
    problems = []
    for name, file in modules(source):
        part = name.partition(".")[0]
        problems += [
            f"{name} imports {imported}"
            for imported in sorted(imports(file, f"{HUB}.{name}"))
            if part not in LIBRARIES.get(imported.partition(".")[0], {part})
        ]
    return problems


PLUGINS = sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))
PLUGINS = [
    ROOT / "dashboard",
    *sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml")),
]
SOURCES = [ROOT / "src" / HUB, *(plugin / "src" for plugin in PLUGINS)]


def test_imports_point_one_way() -> None:
    assert problems_of_direction(ROOT / "src" / HUB) == []


def test_libraries_are_imported_only_where_they_belong() -> None:
    assert problems_of_libraries(ROOT / "src" / HUB) == []


def test_a_library_in_the_wrong_place_is_found(tmp_path: Path) -> None:
    files = {
        "services/a.py": "from litestar import get",
        "api/b.py": "import mcp.server",
        "api/c.py": "from litestar import get",
        "mcp/d.py": "from mcp_types import Tool",
    }
    assert problems_of_libraries(write(tmp_path, files)) == [
        "api.b imports mcp.server",
        "services.a imports litestar.get",
    ]


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda path: path.name)
def test_a_plugin_imports_only_the_hub_and_what_it_declares(plugin: Path) -> None:
    assert problems_of_plugin(plugin) == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.parent.name)
def test_no_module_is_longer_than_allowed_without_a_stated_reason(source: Path) -> None:
    assert too_long(source) == []


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("domain/a.py", "from llm_mcp_hub.errors import HubError", "domain.a imports"),
        ("errors.py", "import llm_mcp_hub.domain.b", "errors imports"),
        ("workers/a.py", "from llm_mcp_hub.domain.b import B", "workers.a imports"),
        ("workers/a.py", "from llm_mcp_hub.providers import base", "workers.a imports"),
        ("workers/a.py", "from llm_mcp_hub import providers", "workers.a imports"),
        ("workers/a.py", "from ..providers import base", "workers.a imports"),
        ("workers/a.py", "def f():\n    import llm_mcp_hub.api", "workers.a imports"),
        ("workers/a.py", "import_module('llm_mcp_hub.api')", "workers.a imports"),
        ("providers/a.py", "import llm_mcp_hub.state", "providers.a imports"),
        ("services/a.py", "from llm_mcp_hub.api.sse import x", "services.a imports"),
        ("services/a.py", "from llm_mcp_hub import create_app", "services.a imports"),
        ("mcp/a.py", "from llm_mcp_hub.api import x", "mcp.a imports"),
        ("api/__init__.py", "from ..app import x", "api imports"),
        ("api/openai/__init__.py", "from ... import app", "api.openai imports"),
        ("hub.py", "from .api import sse", "hub imports"),
        ("surprise.py", "", "surprise has no place"),
        (
            "domain/a.py",
            "if TYPE_CHECKING:\n    pass\nelse:\n    import llm_mcp_hub.errors",
            "domain.a imports",
        ),
    ],
)
def test_an_import_that_points_the_wrong_way_is_found(
    tmp_path: Path, file: str, text: str, problem: str
) -> None:
    tree = dict.fromkeys(("__init__.py", "errors.py", "app.py", "domain/b.py"), "")
    tree |= {f"{part}/__init__.py": "" for part in ("providers", "state", "api", "mcp", "workers")}
    found = problems_of_direction(write(tmp_path, tree | {file: text}))
    assert len(found) == 1
    assert found[0].startswith(problem)


def test_imports_in_the_right_direction_or_for_types_only_are_no_problem(tmp_path: Path) -> None:
    files = {
        "__init__.py": "",
        "errors.py": "import enum",
        "domain/__init__.py": "",
        "domain/status.py": "if TYPE_CHECKING:\n    from llm_mcp_hub.api import x",
        "domain/chat.py": "from llm_mcp_hub.domain.status import y",
        "workers/__init__.py": "",
        "workers/pool.py": "from llm_mcp_hub.domain.status import y\nimport llm_mcp_hub.errors",
        "api/__init__.py": "",
        "api/a.py": "from llm_mcp_hub import errors, __version__\nfrom .b import c",
        "api/b.py": "import llm_mcp_hub.workers.pool",
        "app.py": "import llm_mcp_hub.cli",
        "cli.py": "def f():\n    import llm_mcp_hub.app",
    }
    assert problems_of_direction(write(tmp_path, files)) == []


def test_a_plugin_that_imports_something_undeclared_is_found(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": '[project]\ndependencies = ["some-thing>=1", "llm-mcp-hub"]\n'
        'optional-dependencies.testing = ["aiohttp>=3"]',
        "src/plug/testing/__init__.py": "import aiohttp.web",
        "src/plug/__init__.py": "import json, some_thing, llm_mcp_hub.errors, plug.inner",
        "src/plug/inner/__init__.py": "from . import deep",
        "src/plug/inner/deep.py": "from .. import inner\ndef f():\n    import litestar, aiohttp",
    }
    assert problems_of_plugin(write(tmp_path, files)) == [
        "plug.inner.deep imports aiohttp",
        "plug.inner.deep imports litestar",
    ]


def test_a_long_module_is_found_unless_it_states_its_reason(tmp_path: Path) -> None:
    files = {
        "a.py": '"""Long."""\n' + "x = 1\n" * MAX_LINES,
        "b.py": '"""A tree.\n\nOver 300 lines because it is one tree."""\n' + "x = 1\n" * MAX_LINES,
        "c.py": "x = 1\n" * MAX_LINES,
    }
    assert too_long(write(tmp_path, files)) == ["a has 301 lines"]
