"""Building the pages: `python -m llm_mcp_hub_dashboard.build`.

Guarantees: only a whole build replaces the one before; nothing is written outside of the target and
a temporary directory; the versions of all packages are those of `lock/bun.lock`. It needs bun and
no Node. The standard library does for everything but the build itself.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
LOCK = HERE / "lock"
TARGET = HERE / "pages"
BUILD_SECONDS = 600
STAMP = "built-from"
COMPRESS = """
const { readFileSync, writeFileSync } = require("node:fs");
const { brotliCompressSync } = require("node:zlib");
for (const name of new Bun.Glob("**/*.{html,js,css}").scanSync(".")) {
  const packed = brotliCompressSync(readFileSync(name));
  writeFileSync(`${name}.br`, packed);
}
"""
"""Brotli at its best, which is its default: a fifth smaller than the gzip that Reflex makes."""
RXCONFIG = "from llm_mcp_hub_dashboard.ui.config import config\n"
OLDEST_BUN = (1, 4, 4)


class BuildError(Exception):
    """The pages can't be built; the message says why."""


def fingerprint() -> str:
    """What the pages are made from, as a hash: a build of the same need not be repeated."""
    digest = hashlib.sha256()
    for file in sorted([*(HERE / "ui").rglob("*"), *LOCK.iterdir(), HERE / "build.py"]):
        if file.is_file() and file.suffix != ".pyc":
            digest.update(f"{file.relative_to(HERE)}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def is_current() -> bool:
    """Whether the pages that are there were built from these sources."""
    stamp = TARGET / STAMP
    return stamp.is_file() and stamp.read_text().strip() == fingerprint()


def build(*, update_lock: bool = False) -> None:
    """Build the pages and put them into the package.

    Args:
        update_lock: Resolve the packages anew and write the lock.

    Raises:
        BuildError: It failed.
    """
    made_from = fingerprint()
    with tempfile.TemporaryDirectory(prefix="hub-dashboard-build-") as name:
        work = Path(name)
        (work / "rxconfig.py").write_text(RXCONFIG)
        shutil.copytree(HERE / "ui" / "assets", work / "assets")
        if not update_lock:
            shutil.copytree(LOCK, work / "reflex.lock")
        _export(work)
        made = work / ".web"
        fresh = TARGET.with_name("pages.new")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(made / "build" / "client" / "admin", fresh / "client")
        shutil.copytree(made / "backend", fresh / "backend")
        (work / "compress.js").write_text(COMPRESS)
        _run([str(find_bun() / "bun"), str(work / "compress.js")], cwd=fresh / "client")
        if update_lock:
            for file in (work / "reflex.lock").iterdir():
                shutil.copy(file, LOCK / file.name)
            made_from = fingerprint()
        (fresh / STAMP).write_text(made_from)
        shutil.rmtree(TARGET, ignore_errors=True)
        fresh.rename(TARGET)


def find_bun() -> Path:
    """The directory of a bun that is new enough.

    Raises:
        BuildError: There is none on the PATH.
    """
    bun = shutil.which("bun")
    if bun is None or _version(bun) < OLDEST_BUN:
        wanted = ".".join(map(str, OLDEST_BUN))
        raise BuildError(f"bun {wanted} or later is not on the PATH; `make pages` brings it")
    return Path(bun).parent


def _export(work: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{find_bun()}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(HERE.parent),
        "REFLEX_USE_SYSTEM_BUN": "true",
        "REFLEX_TELEMETRY_ENABLED": "false",
        "REFLEX_CHECK_LATEST_VERSION": "false",
    }
    registry = _registry()
    if registry:
        environment["NPM_CONFIG_REGISTRY"] = registry
    reflex = [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip"]
    _run(reflex, cwd=work, env=environment)


def _registry() -> str:
    """Where npm is set up to fetch from; bun does not read all of npm's configuration."""
    npm = shutil.which("npm")
    return _run([npm, "config", "get", "registry"]).strip() if npm else ""


def _version(bun: str) -> tuple[int, ...]:
    said = _run([bun, "--version"]).strip()
    return tuple(int(part) for part in said.split(".") if part.isdigit())


def _run(command: list[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{command[0]}: {error}") from None
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command[:4])}: {(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def main() -> None:
    """Build if anything has changed."""
    parser = argparse.ArgumentParser(description="Build the dashboard's pages.")
    parser.add_argument("--force", action="store_true", help="build even if nothing has changed")
    parser.add_argument("--update-lock", action="store_true", help="resolve the packages anew")
    parser.add_argument("--check", action="store_true", help="only tell whether they are current")
    options = parser.parse_args()
    if options.check:
        sys.exit(0 if is_current() else 1)
    if is_current() and not (options.force or options.update_lock):
        return
    print("Building the dashboard's pages (about 10 seconds)", flush=True)  # noqa: T201
    try:
        build(update_lock=options.update_lock)
    except BuildError as error:
        sys.exit(f"The dashboard's pages could not be built: {error}")


if __name__ == "__main__":
    main()
