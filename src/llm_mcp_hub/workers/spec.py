"""How to start a worker. Equal specs make interchangeable workers."""

from typing import Literal

from msgspec import Struct

from llm_mcp_hub.workers.worker_limits import WorkerLimits

HOME = "{home}"
TMP = "{tmp}"
CWD = "{cwd}"
"""Stand-ins in `WorkerSpec.environment` for the private directories each worker gets."""


class Furnishing(Struct, frozen=True):
    """Something that is in a worker's private HOME before it starts.

    Attributes:
        path: Where, relative to HOME and inside it.
        kind: `file` writes `content`; `link` makes a symbolic link to the path in `content`, by
            which the program reads and renews a file of the user's that the hub never opens.
    """

    path: str
    kind: Literal["file", "link"]
    content: str


class WorkerSpec(Struct, frozen=True):
    """Everything that decides what a fresh worker is.

    Attributes:
        argv: Program and arguments. Never a shell line.
        environment: Variables beside the inherited allow-list, as sorted pairs; values may
            contain `HOME`, `TMP` and `CWD`.
        files: Pairs of a variable name and a path. The file is opened for reading and its
            descriptor number given in that variable: so a secret reaches the program without
            ever being read by the hub.
        furnishings: What is in its HOME beforehand.
        ends_on_eof: Whether it is ended by the end of its input. Otherwise it is signalled at
            once and its input stays open.
        max_line_bytes: Longest line accepted from its standard output.
        limits: What it may take.
    """

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    furnishings: tuple[Furnishing, ...] = ()
    ends_on_eof: bool = True
    max_line_bytes: int = 32 * 1024 * 1024
    limits: WorkerLimits = WorkerLimits()
