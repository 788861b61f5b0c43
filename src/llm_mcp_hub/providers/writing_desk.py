"""Writes the files that a dialect wants its tool to find, without holding up the event loop.

Guarantee: each note is told of once it is there, or its failure is; after `close` neither.
"""

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from llm_mcp_hub.errors import HubError, WorkerStartFailed
from llm_mcp_hub.providers.shared_dialect import Note


class WritingDesk:
    """See the module.

    Args:
        directory: The worker's private one; all paths are relative to it.
        noted: Told for which conversation a file has been written.
        failed: Told why one could not be.
    """

    def __init__(
        self,
        directory: Path,
        noted: Callable[[str], None],
        failed: Callable[[HubError], None],
    ) -> None:
        self._directory = directory
        self._noted = noted
        self._failed = failed
        self._writing: set[asyncio.Task[None]] = set()

    def write(self, notes: Iterable[Note]) -> None:
        """Write notes in the background."""
        for note in notes:
            task = asyncio.get_running_loop().create_task(self._write(note))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    def close(self) -> None:
        """Tell of nothing more."""
        for task in self._writing:
            task.cancel()

    async def _write(self, note: Note) -> None:
        try:
            await asyncio.to_thread(_put, self._directory / note.path, note.content)
        except OSError as error:
            self._failed(
                WorkerStartFailed(
                    "A file for the provider's program could not be written. Look for room in the "
                    "directory for temporary files.",
                    detail=str(error),
                )
            )
        else:
            self._noted(note.conversation)


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_bytes(content)
