"""Runs code blocks of a page and further checks in the clients' own Python, without the hub's.

It reads a job from standard input, `{"blocks": [[NAME, SOURCE], …], "checks": FILE or null}`. The
blocks are run in order and in one namespace, as a reader would; each function `check_…` of the file
is called by itself. It writes `{NAME: {"said": TEXT, "result": JSON, "error": TRACEBACK or null}}`.
"""

import contextlib
import io
import json
import runpy
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

Outcome = dict[str, Any]


def attempt(work: Callable[[], object]) -> Outcome:
    said, error, result = io.StringIO(), None, None
    began = time.perf_counter()
    with contextlib.redirect_stdout(said):
        try:
            result = work()
        except Exception:  # noqa: BLE001  # whatever it is, it is told
            error = traceback.format_exc()
    seconds = time.perf_counter() - began
    return {"said": said.getvalue(), "result": result, "error": error, "seconds": seconds}


def main() -> None:
    job = json.load(sys.stdin)
    outcomes: dict[str, Outcome] = {}
    names: dict[str, Any] = {"__name__": "__main__"}
    for name, source in job["blocks"]:
        code = compile(source, name, "exec")
        outcomes[name] = attempt(lambda code=code: exec(code, names))  # type: ignore[misc]  # mypy infers no default
    if job["checks"]:
        checks: dict[str, Any] = {}

        def load() -> None:
            checks.update(runpy.run_path(job["checks"]))

        loaded = attempt(load)
        if loaded["error"]:
            outcomes["checks"] = loaded
        for name, check in checks.items():
            if name.startswith("check_"):
                outcomes[name] = attempt(check)
    json.dump(outcomes, sys.__stdout__)


main()
