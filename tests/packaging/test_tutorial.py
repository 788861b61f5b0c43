"""The tutorial for plugin authors, followed to the letter in an empty folder.

Every block of the page is done in its order: a block with a title is a file, a block of shell is
typed. Only three things are not the page's: `llm-mcp-hub` comes from the wheel that is built here,
the hub takes a free port, and its token is put where the page says.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = ROOT / ".ci" / "uv"
PAGE = ROOT / "docs" / "plugins" / "tutorial.md"
URL = "http://127.0.0.1:8642"
BLOCK = re.compile(r'^```(\w+)(?: title="(.+?)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
SURROUNDINGS = dict(os.environ)
"""As they are before other tests' fixtures bar the way to the network."""

CHECK = """
import asyncio, sys
from pathlib import Path
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.testing import Abilities, check_provider
from llm_mcp_hub_parrot import Parrot, ParrotSettings

def make():
    return Parrot(ProviderContext("parrot", ParrotSettings(0.001), Path(), {}))

shown = Abilities(model="long", echoes=True, remembers=True, slow="word " * 100_000, fails=" ")
asyncio.run(check_provider(make, shown))
print("kept", "pytest" in sys.modules)
"""

pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("wheels")]


class Reader:
    """Somebody who does what the page says."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self.base_url = ""
        self.token = ""
        self._hub: subprocess.Popen[str] | None = None
        self._first = True

    @property
    def project(self) -> Path:
        """The folder that the page has made first."""
        return self.folder / "parrot"

    def write(self, name: str, text: str) -> None:
        """A block with a title."""
        path = self.project / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def type(self, block: str) -> str:
        """A block of shell; what it prints, without the hub that it leaves running."""
        *lines, last = block.strip().split("\n")
        serves = last.endswith("llm-mcp-hub serve")
        if "curl" not in block:
            self.stop()
        script = "\n".join(lines if serves else [*lines, last])
        script = script.replace(URL, self.base_url or URL)
        printed = self._run(script) if script else ""
        if serves:
            self._serve(last)
        return printed

    def stop(self) -> None:
        """Press Ctrl-C."""
        hub, self._hub = self._hub, None
        if hub is not None:
            assert hub.stdout is not None
            hub.send_signal(signal.SIGINT)
            hub.wait(30)
            hub.stdout.close()

    def _run(self, script: str) -> str:
        here = self._begin(script)
        done = subprocess.run(here, capture_output=True, text=True, check=False, **self._place())
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        self._first = False
        return done.stdout

    def _serve(self, command: str) -> None:
        self._hub = subprocess.Popen(
            self._begin(f"exec {command}"), stdout=subprocess.PIPE, text=True, **self._place()
        )
        assert self._hub.stdout is not None
        self.base_url = ""
        for line in self._hub.stdout:
            self.base_url = self.base_url or _found(r"http://127\.0\.0\.1:\d+", line)
            self.token = self.token or _found(r"hub-[0-9a-f]{12}-[\w-]{43}", line)
            if self.base_url and self.token:
                return
        pytest.fail("the hub did not start")

    def _begin(self, script: str) -> list[str]:
        # Each block is a shell of its own, in the terminal that the first block has prepared.
        again = "" if self._first else "cd parrot\n. .venv/bin/activate\n"
        return ["bash", "-euc", f"{again}{script}"]

    def _place(self) -> dict[str, object]:
        return {"cwd": self.folder, "env": {**self.environment, "TOKEN": self.token}}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hub as it would come from the index."""
    folder = tmp_path_factory.mktemp("hub")
    build = [UV, "build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*build, "--out-dir", folder, ROOT], env=SURROUNDINGS, check=True)
    return folder


@pytest.fixture
def reader(wheels: Path, tmp_path: Path) -> Iterator[Reader]:
    """In an empty folder, with a `python3` and the means to install."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "python3").symlink_to(Path(sys._base_executable).resolve())
    (wheel,) = wheels.glob("*.whl")
    pins = re.findall(r"^\S+==\S+(?: ;.*?)?(?= \\)", _pins(), re.MULTILINE)
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join([f"llm-mcp-hub @ {wheel.as_uri()}", *pins, ""]))
    path = os.pathsep.join([str(tools), SURROUNDINGS["PATH"]])
    environment = {
        **{name: value for name, value in SURROUNDINGS.items() if not name.startswith("VIRTUAL")},
        "PATH": path,
        "HOME": str(tmp_path / "home"),
        "XDG_DATA_HOME": str(tmp_path / "home" / "data"),
        "PIP_CONSTRAINT": str(constraints),
        "PIP_CACHE_DIR": SURROUNDINGS.get(
            "PIP_CACHE_DIR", str(Path(SURROUNDINGS.get("HOME", "/")) / ".cache" / "pip")
        ),
        "LLM_MCP_HUB_SERVER__PORT": "0",
    }
    (tmp_path / "home").mkdir()
    (tmp_path / "empty").mkdir()
    made = Reader(tmp_path / "empty", environment)
    yield made
    made.stop()


def test_who_follows_the_page_has_a_package_that_answers(reader: Reader) -> None:
    printed: list[str] = []
    curls: list[str] = []
    for language, title, text in BLOCK.findall(PAGE.read_text("utf-8")):
        if title:
            reader.write(title, text)
        elif language == "sh":
            printed.append(reader.type(text))
            curls += [text] * ("curl" in text)
    (curl,) = curls
    assert '"content":"Who is a good bird?"' in "".join(printed)
    assert "parrot" in printed[-2]
    assert re.search(r"\d+ passed", "".join(printed))
    assert "failed" not in "".join(printed)
    # The hub that runs now is the last one: its parrot comes from the wheel.
    answer = reader.type(curl.replace("parrot/short", "parrot/long"))
    assert '"content":"Who is a good bird?"' in answer
    reader.stop()
    python = reader.folder / "elsewhere" / "bin" / "python"
    checked = subprocess.run(
        [python, "-I", "-c", CHECK],
        cwd=reader.folder,
        env=reader.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.split() == ["kept", "False"]
    where = "import llm_mcp_hub, llm_mcp_hub_parrot as p; print(p.__file__, llm_mcp_hub.__file__)"
    places = subprocess.run([python, "-I", "-c", where], capture_output=True, text=True, check=True)
    assert all("/elsewhere/lib/" in place for place in places.stdout.split())


def _pins() -> str:
    return (ROOT / "requirements" / "run.txt").read_text()


def _found(pattern: str, line: str) -> str:
    match = re.search(pattern, line)
    return match.group() if match else ""
