"""Clients as their users run them: in processes of their own that know an address and a token.

Each gets nothing but that: a home of its own, and no way to anywhere but this machine.
"""

import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.docs.conftest import Page

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
NOWHERE = "http://127.0.0.1:1"
SECONDS = 240.0
PATIENCE_SECONDS = 300
"""For a test that may be the one which starts a client; its libraries take long to load."""


@dataclass(frozen=True)
class Access:
    """What a client is told of a hub."""

    url: str
    token: str

    def put_into(self, text: str) -> str:
        """A text of the documentation, with what a reader would put in."""
        return text.replace("http://127.0.0.1:8642", self.url).replace("hub-…", self.token)


@dataclass(frozen=True)
class Outcome:
    """What became of one piece of code: what it printed, and what it gave."""

    said: str
    result: Any
    error: str | None

    def check(self) -> "Outcome":
        """Itself, if nothing went wrong."""
        assert self.error is None, self.error
        return self


class Outcomes:
    """By name of the piece."""

    def __init__(self, raw: dict[str, dict[str, Any]]) -> None:
        self._all = {
            name: Outcome(one["said"], one["result"], one["error"]) for name, one in raw.items()
        }

    def __getitem__(self, name: str) -> Outcome:
        return self._all[name].check()

    @property
    def names(self) -> set[str]:
        return set(self._all)


def run(
    words: list[str], home: Path, more: dict[str, str], directory: Path, text: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Run a client to its end."""
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "TMPDIR": str(home),
        "HTTP_PROXY": NOWHERE,
        "HTTPS_PROXY": NOWHERE,
        "NO_PROXY": "127.0.0.1",
        **more,
    }
    return subprocess.run(
        words,
        env=environment,
        cwd=directory,
        input=text,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def blocks_of(page: Page, language: str, access: Access) -> list[tuple[str, str]]:
    """The code blocks of a page in a language, each with the heading above it."""
    found: list[tuple[str, str]] = []
    heading, block = "", None
    for line in page.text.splitlines(keepends=True):
        if block is not None and line.startswith("```"):
            found.append((heading, access.put_into("".join(block))))
            block = None
        elif block is not None:
            block.append(line)
        elif line.startswith("## "):
            heading = line[3:].strip()
        elif line.rstrip() == f"```{language}":
            block = []
    return found


def numbered(blocks: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The same with names of their own: a section's second block is `NAME 2`."""
    seen: Counter[str] = Counter()
    found = []
    for name, source in blocks:
        seen[name] += 1
        found.append((name if seen[name] == 1 else f"{name} {seen[name]}", source))
    return found


class PythonClients:
    """Those that `.tools/clients-py` has."""

    def __init__(self, access: Access, home: Path) -> None:
        self._python = ROOT / ".tools/clients-py/bin/python"
        if not self._python.exists():
            pytest.skip("PYTHON CLIENTS ARE NOT INSTALLED: `make tools` says why; they try nothing")
        self._access = access
        self._home = home

    def run(self, page: str, checks: str | None = None) -> Outcomes:
        """Run the Python code of a page, and the checks of a file of this folder."""
        job = {
            "blocks": numbered(blocks_of(Page(page), "python", self._access)),
            "checks": str(HERE / checks) if checks else None,
        }
        more = {
            "HUB_URL": self._access.url,
            "HUB_TOKEN": self._access.token,
            "PAGE_CONFIGURATION": "".join(
                text for _, text in blocks_of(Page(page), "yaml", self._access)
            ),
            # Otherwise it fetches a list of prices when it is imported.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LANGSMITH_TRACING": "false",
        }
        done = run(
            [str(self._python), "-I", str(HERE / "child.py")],
            self._home,
            more,
            self._home,
            json.dumps(job),
        )
        assert done.returncode == 0, done.stderr
        return Outcomes(json.loads(done.stdout))


class JavaScriptClients:
    """Those that `.tools/clients` has, run by the Node of `.tools/mcp`."""

    def __init__(self, access: Access, home: Path) -> None:
        self._node = ROOT / ".tools/mcp/node_modules/.bin/node"
        self._modules = ROOT / ".tools/clients"
        if not (self._node.exists() and (self._modules / "node_modules/ai").exists()):
            pytest.skip(
                "JAVASCRIPT CLIENTS ARE NOT INSTALLED: `make tools` says why; they try nothing"
            )
        self._access = access
        self._home = home

    def run(self, source: str, *words: str) -> str:
        """Run a module as if it stood beside the packages; what it prints."""
        done = run(
            [str(self._node), "--input-type=module", "--eval", source, "--", *words],
            self._home,
            {"NODE_USE_ENV_PROXY": "1"},
            self._modules,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run_checks(self, file: str) -> Any:
        """Run a module of this folder, which is told the hub's address and a token."""
        source = (HERE / file).read_text()
        return json.loads(self.run(source, self._access.url, self._access.token))

    def run_page(self, page: str) -> Outcomes:
        """Run each block of a page by itself."""
        found: dict[str, dict[str, Any]] = {}
        for name, source in numbered(blocks_of(Page(page), "js", self._access)):
            try:
                found[name] = {"said": self.run(source), "result": None, "error": None}
            except AssertionError as error:
                found[name] = {"said": "", "result": None, "error": str(error)}
        return Outcomes(found)
