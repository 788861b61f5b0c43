"""The built pages, as files in this package.

Guarantee: a page is served with a policy that names its own scripts, so `headers` can forbid all
others. Files come compressed where the browser takes that and the build has made it.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from llm_mcp_hub_dashboard.server.headers import policy_of_file
from llm_mcp_hub_dashboard.server.in_process import AsgiApp

BUILT = Path(__file__).parents[1] / "pages"
"""Where a build is put, and where the wheel has it."""
BUILT_PATH = "/admin"
"""The path that the build has written into the pages."""
REWRITTEN = {".html", ".js", ".css", ".json"}
ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""How files were compressed when they were built, the smallest first: names and suffixes."""


class NotBuiltError(Exception):
    """The pages are missing."""

    def __init__(self) -> None:
        super().__init__(
            "the dashboard's pages are not built; run `python -m llm_mcp_hub_dashboard.build`"
        )


@contextmanager
def pages_at(path: str) -> Iterator[Path]:
    """The built pages, made to be served at a path: `client` and `backend` are in the directory.

    Raises:
        NotBuiltError: There are none.
    """
    if not (BUILT / "client" / "index.html").is_file():
        raise NotBuiltError
    if path == BUILT_PATH:
        yield BUILT
        return
    with tempfile.TemporaryDirectory(prefix="hub-dashboard-") as folder:
        shutil.copytree(BUILT, folder, dirs_exist_ok=True)
        for file in Path(folder).rglob("*"):
            if file.suffix in REWRITTEN:
                text = file.read_bytes()
                moved = text.replace(BUILT_PATH.encode(), path.encode())
                if moved != text:
                    file.write_bytes(moved)
                    for suffix in ENCODINGS.values():
                        file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)
        yield Path(folder)


class Pages(StaticFiles):
    """Serves the pages in a directory below a path.

    Args:
        directory: Has `index.html` and the other pages.
        path: Where they are served.
        backend: Gets every request that is not for a page: websockets.
    """

    def __init__(self, directory: Path, path: str, backend: AsgiApp) -> None:
        super().__init__(directory=directory, html=True)
        self._root = directory.resolve()
        self._path = path
        self._backend = backend

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a file, or hand on."""
        if scope["type"] == "websocket":
            await self._backend(scope, receive, send)
            return
        response = self._response(scope)
        await response(scope, receive, send)

    def _response(self, scope: Any) -> Response:
        wanted = scope["path"].removeprefix(self._path).strip("/")
        name = wanted or "index.html"
        if "." not in name.rpartition("/")[2]:
            name += "/index.html"
        try:
            file, _ = self.lookup_path(name)
        except (HTTPException, ValueError):
            file = ""
        status = 200
        if not file or not Path(file).is_file() or scope["method"] not in {"GET", "HEAD"}:
            status, file = 404, str(self._root / "404.html")
        return self._file(Path(file), status, _accepted(Headers(scope=scope)))

    def _file(self, file: Path, status: int, accepted: set[str]) -> Response:
        headers = {"vary": "accept-encoding"}
        if file.suffix == ".html":
            headers["content-security-policy"] = policy_of_file(file).decode()
        served = file
        for encoding, suffix in ENCODINGS.items():
            packed = file.with_name(f"{file.name}{suffix}")
            if encoding in accepted and packed.is_file():
                headers["content-encoding"] = encoding
                served = packed
                break
        return FileResponse(served, status, headers, _media_type(file))


def _accepted(headers: Headers) -> set[str]:
    """The encodings that a request takes; one with `q=0` it does not."""
    found = set()
    for part in headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = part.partition(";")
        if weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}:
            found.add(name.strip())
    return found


def _media_type(file: Path) -> str | None:
    return {
        ".html": "text/html; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".json": "application/json",
        ".svg": "image/svg+xml",
        ".ico": "image/x-icon",
    }.get(file.suffix)
